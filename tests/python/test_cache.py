"""Frames shared between processes: one decode for all, through kills; the core's tests do the rest."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import deepsport
from deepsport import errors
from deepsport.cache import VARIABLE, FrameCache, read_size, segments, switched_on
from deepsport.tool import FrameSource

SIZE = (64, 36)
# A process that shows frames through a FrameSource and prints what it cost; or decodes until it is killed.
USER = """
import json, sys, zlib
from deepsport.tool import FrameSource
root, name, mode = sys.argv[1:4]
source = FrameSource(root)
if mode == "once":
    frames = source.frames(name, range(0, 50, 2), (64, 36))
    print(json.dumps({"hits": source.shared_hits, "decoded": source.misses,
                      "crc": zlib.crc32(b"".join(f.tobytes() for f in frames))}))
else:
    import random
    random.seed(mode)
    import time
    print("ready", flush=True)
    until = time.monotonic() + 120
    while time.monotonic() < until:
        first = random.randrange(40)
        source.frames(name, range(first, first + 10), (64, 36))
        source._frames.clear(); source._bytes = 0   # back to the shared cache
"""


_started = []


@pytest.fixture
def shared_path(tmp_path, monkeypatch):
    """The switch set to a segment of its own."""
    path = f"/dev/shm/deepsport-frames-test-{os.getpid()}-{time.monotonic_ns()}"
    monkeypatch.setenv(VARIABLE, f"{path}:8MiB")
    yield path
    for process in _started:  # of a test that has failed
        process.kill()
        process.wait()
        process.stdout.close()
    _started.clear()
    assert not Path(path).exists(), "the segment outlived its users"


def user(clip, mode, **how):
    command = [sys.executable, "-c", USER, str(clip.parent), clip.name, mode]
    _started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **how))
    return _started[-1]


def ended(process):
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return json.loads(out)


def crc_of(clip):
    import zlib

    return zlib.crc32(deepsport.open(clip).at(range(0, 50, 2), SIZE).data.tobytes())


def test_processes_decode_each_frame_once_between_them(made_clip, shared_path):
    clip = made_clip("h264-b-pyramid")
    watch = FrameSource(clip.parent)  # keeps the segment
    users = [user(clip, "once") for _ in range(3)]
    results = [ended(one) for one in users]
    assert sum(result["decoded"] for result in results) == 25
    assert sum(result["hits"] for result in results) == 50
    assert {result["crc"] for result in results} == {crc_of(clip)}
    facts = watch.shared.facts()
    assert (facts.frames, facts.misses, facts.hits) == (25, 25, 50)
    assert facts.hit_rate == pytest.approx(2 / 3)
    assert 25 * 64 * 36 * 3 <= facts.used_bytes <= facts.capacity_bytes <= 8 << 20
    watch.shared.close()


def test_frames_are_the_same_with_and_without(made_clip, shared_path):
    clip = made_clip("h264-open-gop")
    indices = [7, 3, 3, 40, 7]
    alone = FrameSource(clip.parent, shared=False)
    assert alone.shared is None
    sharing = [FrameSource(clip.parent, cache_bytes=0) for _ in range(2)]
    want = alone.frames(clip.name, indices, SIZE)
    for source in (*sharing, *sharing):
        for one, other in zip(source.frames(clip.name, indices, SIZE), want, strict=True):
            np.testing.assert_array_equal(one, other)
    assert [source.misses for source in sharing] == [3, 0]
    assert sum(source.shared_hits for source in sharing) == 9


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_kill_9_of_users_costs_nobody_else_anything(made_clip, shared_path, kills):
    clip = made_clip("h264-b-pyramid")
    watch = FrameSource(clip.parent, cache_bytes=0)
    want = deepsport.open(clip).at(range(50), SIZE).data
    rng = np.random.default_rng(1)
    for kill in range(kills):
        victims = [user(clip, f"{kill}-{k}") for k in range(2)]
        for victim in victims:
            victim.stdout.readline()
        time.sleep(float(rng.random()) * 0.1)
        for victim in victims:
            victim.send_signal(signal.SIGKILL)
        frames = watch.frames(clip.name, range(50), SIZE)  # before they are reaped
        for one, other in zip(frames, want, strict=True):
            np.testing.assert_array_equal(one, other)
        for victim in victims:
            victim.communicate()
            assert victim.returncode == -signal.SIGKILL
        assert watch.shared._held[0].audit() == ""
    facts = watch.shared.facts()
    assert facts.processes == 1
    assert facts.rejected == 0


def test_a_changed_file_is_another_video(made_clip, shared_path, tmp_path):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(made_clip("h264-b-pyramid").read_bytes())
    first = FrameSource(tmp_path).frames("clip.mp4", [10], SIZE)[0]
    data = bytearray(made_clip("h264-no-b").read_bytes())
    clip.write_bytes(data)
    second = FrameSource(tmp_path)
    np.testing.assert_array_equal(
        second.frames("clip.mp4", [10], SIZE)[0],
        deepsport.open(made_clip("h264-no-b")).at([10], SIZE).data[0],
    )
    assert second.misses == 1
    assert not np.array_equal(first, second.frames("clip.mp4", [10], SIZE)[0])


def test_what_has_no_name_is_decoded_without_it(made_clip, shared_path):
    cache = switched_on()
    video = deepsport.open(made_clip("h264-b-pyramid").read_bytes())
    assert video.identity is None
    assert [cache.at(video, [1, 2], SIZE)[1] for _ in range(2)] == [2, 2]
    assert cache.facts().frames == 0


def test_a_decode_that_fails_leaves_the_frame_to_others(made_clip, shared_path):
    cache = switched_on()
    video = deepsport.open(made_clip("h264-b-pyramid"))

    def fail(_):
        raise errors.DecodeTimeoutError("too slow")

    with pytest.raises(errors.DecodeTimeoutError):
        cache.at(video, [1, 2], SIZE, fail)
    started = time.monotonic()
    batch, decoded = cache.at(video, [1, 2], SIZE)
    assert (decoded, batch.status) == (2, ("ok", "ok"))
    assert time.monotonic() - started < 30  # nobody waited for the claims of the failed call


def test_patience_with_another_decode_ends(made_clip, shared_path):
    cache = switched_on()
    video = deepsport.open(made_clip("h264-b-pyramid"))
    begun, go_on = threading.Event(), threading.Event()

    def slow(wanted):
        begun.set()
        go_on.wait(60)
        return video.at(wanted, SIZE)

    thread = threading.Thread(target=cache.at, args=(video, [1], SIZE, slow))
    thread.start()
    begun.wait(60)
    batch, decoded = cache.at(video, [1], SIZE, patience_seconds=0.05)
    assert decoded == 1
    np.testing.assert_array_equal(batch.data, video.at([1], SIZE).data)
    go_on.set()
    thread.join()
    assert cache.facts().waits >= 1


def test_frames_that_cannot_be_decoded_are_not_kept(made_clip, shared_path, tmp_path):
    data = bytearray(made_clip("h264-intra").read_bytes())
    table = deepsport.open(bytes(data)).packets()
    at, size = int(table["offset"][20]), int(table["size"][20])
    data[at + 4 : at + size] = b"\xff" * (size - 4)
    (tmp_path / "x.mp4").write_bytes(data)
    for _ in range(2):
        source = FrameSource(tmp_path)
        with pytest.raises(errors.CorruptVideoError):
            source.frames("x.mp4", [19, 20], SIZE)
    assert source.shared.facts().frames == 0


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_children_are_users_of_their_own(made_clip, shared_path):
    clip = made_clip("h264-b-pyramid")
    source = FrameSource(clip.parent, cache_bytes=0)
    want = source.frames(clip.name, [5], SIZE)[0]
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        same = np.array_equal(source.frames(clip.name, [5], SIZE)[0], want)
        alone = source.shared_hits == 1 and source.shared.facts().processes == 2
        os._exit(0 if same and alone else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert source.shared.facts().processes == 1
    assert pickle.loads(pickle.dumps(source.shared)).path == shared_path


def test_segments_of_the_dead_are_found_and_removed(made_clip, shared_path, tmp_path, monkeypatch):
    clip = made_clip("h264-b-pyramid")
    path = tmp_path / "deepsport-frames-x"
    monkeypatch.setenv(VARIABLE, f"{path}:8MiB")
    victim = user(clip, "1")
    victim.stdout.readline()
    assert [(found.path, found.in_use) for found in segments(tmp_path)] == [(str(path), True)]
    segments(tmp_path, remove=True)
    assert path.exists()  # in use
    victim.kill()
    victim.communicate()
    assert [found.in_use for found in segments(tmp_path)] == [False]
    segments(tmp_path, remove=True)
    assert not path.exists()


@pytest.mark.parametrize("value", ["much", "/dev/shm/x:", "x:y", "-5"])
def test_a_switch_that_makes_no_sense_is_refused(monkeypatch, value):
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(errors.SettingsError, match="valid are SIZE, PATH:SIZE and off"):
        FrameSource()


def test_off_is_off(monkeypatch):
    for value in ("", "off", "0"):
        monkeypatch.setenv(VARIABLE, value)
        assert FrameSource().shared is None


def test_too_large_a_cache_is_refused_before_it_is_used(tmp_path):
    with pytest.raises(errors.LimitExceededError, match="free"):
        FrameCache(1 << 60, str(tmp_path / "deepsport-frames-x"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "size"), [("512M", 512 << 20), ("2GiB", 2 << 30), ("1.5 GB", 3 << 29), ("4096", 4096)]
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert read_size(text) == size


def test_the_command_shows_segments_in_use_and_removes_others(
    made_clip, shared_path, tmp_path, monkeypatch, capsys
):
    from deepsport.cli.main import main

    monkeypatch.setenv(VARIABLE, f"{tmp_path}/deepsport-frames-a:8MiB")
    clip = made_clip("h264-b-pyramid")
    source = FrameSource(clip.parent, cache_bytes=0)
    source.frames(clip.name, [1, 2], SIZE)
    source.frames(clip.name, [2], SIZE)
    victim = user(clip, "1", env=os.environ | {VARIABLE: f"{tmp_path}/deepsport-frames-b:8MiB"})
    victim.stdout.readline()
    victim.kill()
    victim.communicate()
    assert main(["cache", "--folder", str(tmp_path), "--json"]) == 0
    used, stale = map(json.loads, capsys.readouterr().out.splitlines())
    assert (used["hits"], used["misses"], used["hit_rate"]) == (1, 2, 0.3333)
    assert (used["in_use"], stale["in_use"]) == (True, False)
    assert used["processes"] == 0  # but this one, which the command runs in
    assert main(["cache", "--folder", str(tmp_path), "--remove-stale"]) == 0
    shown = capsys.readouterr().out
    assert "hit rate 33.3%" in shown
    assert "removed" in shown
    assert [found.in_use for found in segments(tmp_path)] == [True]
