"""Damage in the middle, slow sources, interrupts: what is said of frames, and that nothing hangs."""

from __future__ import annotations

import io
import os
import signal
import threading
import time

import numpy as np
import pytest

import clips
import deepsport
from deepsport import errors


def _harmed(path, packet, tmp_path):
    """A copy with the middle of one packet overwritten."""
    data = bytearray(path.read_bytes())
    table = deepsport.open(path).packets()
    offset, size = int(table["offset"][packet]), int(table["size"][packet])
    noise = np.random.default_rng(3).integers(0, 256, size // 2, dtype=np.uint8).tobytes()
    data[offset + size // 3 : offset + size // 3 + len(noise)] = noise
    copy = tmp_path / f"harmed{path.suffix}"
    copy.write_bytes(data)
    return copy


@pytest.mark.parametrize("name", ["h264-b-pyramid", "h264-no-b", "h264-mkv"])
def test_damage_is_told_and_stays_in_its_group(name, made_clip, tmp_path):
    path = made_clip(name)
    table = deepsport.open(path).packets()
    keys = np.nonzero(table["is_key"])[0]
    shown = table["frame"]  # not a leading picture: those belong to the group before
    packet = next(n for n in range(keys[1] + 1, 50) if shown[n] > shown[keys[1]])
    copy = _harmed(path, int(packet), tmp_path)
    harmed = deepsport.open(copy)
    assert harmed.frame_count == 50
    batch = harmed.at(range(50), strict=False)
    whole = deepsport.open(path).at(range(50))
    differs = [k for k in range(50) if not np.array_equal(batch.data[k], whole.data[k])]
    first, after = int(table["frame"][keys[1]]), int(table["frame"][keys[2]])
    assert differs
    assert all(first <= k < after for k in differs), "only the harmed group may differ"
    assert {batch.status[k] for k in range(50) if not first <= k < after} == {"ok"}
    assert [k for k in differs if batch.status[k] == "ok"] == [], (
        "differs, and nothing is said of it"
    )
    for how in ({}, {"drop_unneeded": False}):
        alone = [deepsport.open(copy).at([k], strict=False, **how) for k in differs]
        assert "ok" not in {one.status[0] for one in alone}
        reader = deepsport.open(copy)  # one after the other, as a player
        assert "ok" not in {reader.at([k], strict=False, **how).status[0] for k in differs}


def test_what_cannot_be_decoded_is_an_error_or_marked(made_clip, tmp_path):
    path = made_clip("h264-intra")
    data = bytearray(path.read_bytes())
    table = deepsport.open(path).packets()
    at, size = int(table["offset"][20]), int(table["size"][20])
    data[at + 4 : at + size] = b"\xff" * (size - 4)
    copy = tmp_path / "x.mp4"
    copy.write_bytes(data)
    video = deepsport.open(copy)
    with pytest.raises(errors.CorruptVideoError, match="frames 20 of"):
        video.at([19, 20, 21])
    batch = video.at([19, 20, 21], strict=False)
    assert batch.status == ("ok", "missing", "ok")
    assert not batch.data[1].any()
    alone = deepsport.open(copy).at([20], strict=False)
    assert alone.counts["packets_decoded"] < 8, "one lost picture must not cost the file before it"


def test_a_lost_picture_damages_what_refers_to_it(made_clip, tmp_path):
    path = made_clip("hevc-b")
    table = deepsport.open(path).packets()
    keys = np.nonzero(table["is_key"])[0]
    shown = table["frame"]
    lost = next(
        n
        for n in range(keys[1] + 1, 50)
        if shown[n] > shown[keys[1]] and not table["is_droppable"][n]
    )
    at, size = int(table["offset"][lost]), int(table["size"][lost])
    data = bytearray(path.read_bytes())
    data[at + 4 : at + size] = b"\xff" * (size - 4)  # a unit that decoders pass over
    copy = tmp_path / "x.mp4"
    copy.write_bytes(data)
    batch = deepsport.open(copy).at(range(50), strict=False)
    whole = deepsport.open(path).at(range(50))
    differs = [k for k in range(50) if not np.array_equal(batch.data[k], whole.data[k])]
    assert len(differs) > 1
    assert [k for k in differs if batch.status[k] == "ok"] == []
    assert all(k >= shown[keys[1]] for k in differs)


class _Slow(io.BytesIO):
    def read(self, count=-1):
        time.sleep(0.02)
        return super().read(min(count, 1000))


def test_a_slow_source_meets_the_deadline(made_clip):
    with pytest.raises(errors.DecodeTimeoutError, match="deadline"):
        deepsport.open(_Slow(made_clip("h264-ts").read_bytes()), deadline_seconds=0.2)


@pytest.mark.parametrize(("name", "threads"), [("h264-one-gop", 1), ("h264-intra", 4)])
def test_ctrl_c_stops_a_long_decode(made_clip, name, threads):
    # a run that a shell has put into the background begins with the signal ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    video = deepsport.open(made_clip(name))
    killer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    killer.start()
    with pytest.raises(KeyboardInterrupt):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            video.planes_at(range(50), threads=threads)
    killer.join()
    signal.signal(signal.SIGINT, before)
    assert video.at([3]).status == ("ok",)


def test_other_threads_run_while_frames_are_decoded(made_clip):
    video = deepsport.open(made_clip("h264-one-gop"))
    ticks, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            ticks[0] += 1

    counter = threading.Thread(target=count)
    counter.start()
    try:
        gained = 0
        for _ in range(50):  # one call may be over before the other thread is scheduled
            before = ticks[0]
            video.planes_at(range(50), drop_unneeded=False)
            gained += ticks[0] - before
            if gained > 1000:
                break
    finally:
        stop.set()
        counter.join()
    assert gained > 1000


@pytest.mark.parametrize("name", clips.real_names("broken/"))
def test_broken_clips_end_in_a_typed_error_or_true_frames(name, real_clip):
    path = real_clip(name)
    oracle = clips.ffmpeg_frames_or_none(path)
    try:
        video = deepsport.open(path, deadline_seconds=30)
        batch = video.at(range(video.frame_count), strict=False, deadline_seconds=30)
    except errors.VideoError:
        assert not oracle
        return
    assert len(batch) == len(oracle)
    assert batch.data.shape[1:] == (video.height, video.width, 3)
