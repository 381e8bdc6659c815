"""Batches of clips: a deadline for each item, cancellation of what runs, and bounded memory."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest

import deepsport
from deepsport import errors
from deepsport.frames import BatchRequest, decode_many
from deepsport.isolation import Isolation, shut_down


class Gate(io.BytesIO):
    """A file that cannot be read on before the gate is open; says when somebody waits."""

    def __init__(self, data, seconds=0.0):
        super().__init__(data)
        self.open, self.waited, self.seconds = threading.Event(), threading.Event(), seconds
        self.open.set()

    def read(self, count=-1):
        if not self.open.is_set():
            self.waited.set()
            self.open.wait(self.seconds)
        return super().read(count)


def gated(path, seconds):
    """A video whose reads take this long from now on."""
    gate = Gate(path.read_bytes(), seconds)
    video = deepsport.open(gate)
    gate.open.clear()
    return gate, video


def test_each_item_has_its_own_deadline(made_clip):
    clip = made_clip("h264-ts")
    _, slow = gated(clip, 0.3)
    requests = [
        BatchRequest(clip, indices=(0,)),
        BatchRequest(slow, indices=(40,), seconds=0.05),
        BatchRequest(clip, indices=(5,), seconds=0.0),
        BatchRequest(clip, indices=(5,)),
    ]
    items = list(decode_many(requests, threads=2, item_seconds=60))
    assert [item.request for item in items] == requests
    late = errors.DecodeTimeoutError
    assert [type(item.error) for item in items] == [type(None), late, late, type(None)]


def test_cancelling_stops_what_runs_and_what_waits(made_clip):
    clip = made_clip("h264-ts")
    gate, slow = gated(clip, 0.1)
    stop = threading.Event()
    items = decode_many(
        [BatchRequest(slow, indices=(k,)) for k in (40, 20)] + [BatchRequest(clip, indices=(1,))] * 4,
        threads=1, cancel=stop,
    )  # fmt: skip
    threading.Thread(target=lambda: (gate.waited.wait(60), stop.set())).start()
    answers = list(items)
    assert [type(item.error) for item in answers] == [errors.DecodeCancelledError] * 6
    gate.open.set()
    assert slow.at([40]).status == ("ok",)  # the video is as good as before


def test_leaving_a_batch_early_stops_it_without_touching_the_callers_event(made_clip):
    clip = made_clip("h264-no-b")
    started = []

    def requests():
        for k in range(1000):
            started.append(k)
            yield BatchRequest(clip, indices=(k % 50,))

    stop = threading.Event()
    batch = decode_many(requests(), threads=2, cancel=stop)
    assert next(batch).ok
    batch.close()
    assert len(started) <= 2 * 3 + 1  # it reads a little ahead, no more
    assert not stop.is_set()


def test_order_is_kept_while_items_take_different_times(made_clip):
    clip = made_clip("h264-one-gop")
    requests = [BatchRequest(clip, indices=(49 if k % 3 == 0 else 0,)) for k in range(12)]
    items = list(decode_many(requests, threads=4))
    assert [item.frames.indices.tolist() for item in items] == [list(r.indices) for r in requests]


def with_header_size(path, width, height, folder):
    """A copy of a Motion JPEG whose headers, of the container and of every picture, say another size."""
    start = b"\xff\xc0\0\x11\x08"  # of a JPEG's frame header: marker, length, bits
    data = path.read_bytes()
    assert data.count(start + struct.pack(">HH", 108, 192)) == 50
    data = bytearray(
        data.replace(
            start + struct.pack(">HH", 108, 192), start + struct.pack(">HH", height, width)
        )
    )
    at = data.index(b"jpeg", data.index(b"stsd"))
    struct.pack_into(">HH", data, at + 4 + 24, width, height)
    copy = folder / f"{width}x{height}.mov"
    copy.write_bytes(data)
    return copy


def test_a_size_beyond_the_limit_is_an_error_of_that_item(made_clip, tmp_path):
    clip = made_clip("mjpeg")
    wide = with_header_size(clip, 9841, 705, tmp_path)
    large = with_header_size(clip, 7680, 4320, tmp_path)
    requests = [BatchRequest(path, indices=(0, 9)) for path in (clip, wide, large, clip)]
    tracemalloc.start()
    items = list(decode_many(requests, max_pixels=3840 * 2160, max_item_bytes=32 << 20))
    limit = errors.LimitExceededError
    # 9841 x 705 is below the limit of pixels: two of them are not below that of bytes
    assert [type(item.error) for item in items] == [type(None), limit, limit, type(None)]
    small = list(decode_many(requests, max_pixels=1 << 20))
    assert [type(item.error) for item in small] == [type(None), limit, limit, type(None)]
    by_bytes = list(decode_many(requests[:1], max_item_bytes=192 * 108 * 3 * 2 - 1))
    assert isinstance(by_bytes[0].error, limit)
    assert next(iter(decode_many(requests[:1], max_item_bytes=192 * 108 * 3 * 2))).ok
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


def test_a_batch_holds_a_few_answers_at_once(made_clip):
    clip = made_clip("h264-no-b")
    size = (640, 360)
    each = 50 * 640 * 360 * 3
    tracemalloc.start()
    for item in decode_many(
        (BatchRequest(clip, indices=tuple(range(50)), size=size) for _ in range(24)), threads=2
    ):
        assert item.ok
        time.sleep(0.02)  # a consumer slower than the decoders
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 9 * each  # of 24


def test_a_batch_of_files_nobody_trusts(made_clip, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(made_clip("h264-no-b").read_bytes()[:2000])
    paths = [made_clip("h264-no-b"), broken, made_clip("h264-mkv")]
    requests = [BatchRequest(path, indices=(3,)) for path in paths]
    items = list(decode_many(requests, threads=2, isolate=Isolation()))
    shut_down()
    assert [item.ok for item in items] == [True, False, True]
    for item, path in ((items[0], paths[0]), (items[2], paths[2])):
        np.testing.assert_array_equal(item.frames.data, deepsport.open(path).at([3]).data)


@pytest.mark.parametrize("threads", [0, -1])
def test_a_batch_needs_a_thread(threads):
    with pytest.raises(errors.InvalidRequestError, match="one or more"):
        list(decode_many([], threads=threads))


def test_a_malformed_item_is_an_error_of_that_item(made_clip):
    clip = made_clip("h264-no-b")
    bad = {
        errors.FrameRangeError: [{"indices": (10**20,)}, {"indices": (-(1 << 63) - 1,)}],
        errors.LimitExceededError: [
            {"window": (0.0, 1.0, 1 << 40)},
            {"window": (0.0, 1.0, 10**25), "size": (1, 1)},
        ],
        errors.InvalidRequestError: [
            {"window": (0.0, 1.0)},
            {"window": ("soon", 1.0, 3)},
            {"window": (0.0, 1.0, 2.5)},
            {"window": (0.0, 1.0, -(10**25))},
            {"indices": 7},
            {"indices": ("7",)},
            {"indices": (0,), "size": (4, 4, 4)},
            {"indices": (0,), "size": 4},
            {"indices": (0,), "size": ("a", "b")},
            {"indices": (0,), "size": (10**30, 1)},
            {"indices": (0,), "seconds": "long"},
        ],
    }
    for kind, fields in bad.items():
        requests = [BatchRequest(clip, **field) for field in fields]
        good = BatchRequest(clip, indices=(0,), size=(8, 8))
        items = list(decode_many([*requests, good]))
        assert [type(item.error) for item in items[:-1]] == [kind] * len(requests)
        assert items[-1].ok


def test_a_fault_of_ours_ends_no_batch(made_clip, monkeypatch):
    video = deepsport.open(made_clip("h264-no-b"))
    monkeypatch.setattr(video, "at", lambda *_, **__: 1 / 0)
    good = BatchRequest(made_clip("h264-no-b"), indices=(0,))
    first, second = decode_many([BatchRequest(video, indices=(0,)), good])
    assert isinstance(first.error, errors.InternalError)
    assert second.ok


def test_indices_and_counts_beyond_every_video_are_typed_errors(made_clip):
    video = deepsport.open(made_clip("h264-no-b"))
    for index in (1 << 63, 10**20, -(10**20)):
        for ask in (video.at, video.resolve, video.planes_at):
            with pytest.raises(errors.FrameRangeError, match="valid are"):
                ask([index])
    for count in ((1 << 24) + 1, 10**12, 10**30):
        with pytest.raises(errors.LimitExceededError, match=r"valid are 1\.\.16777216"):
            video.window(0.0, 1.0, count)
    assert len(video.window_indices(0.0, 1.0, 1 << 16)) == 1 << 16


def test_memory_that_the_system_refuses_is_a_typed_error(made_clip):
    script = (
        "import resource, sys, deepsport\n"
        "from deepsport.frames import BatchRequest, decode_many\n"
        "video = deepsport.open(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))\n"
        "[item] = decode_many([BatchRequest(video, (0,) * 900, size=(4096, 4096))],"
        " max_item_bytes=1 << 40)\n"
        "assert isinstance(item.error, deepsport.errors.LimitExceededError), item.error\n"
        "try:\n"
        "    video.at([0] * 900, (4096, 4096))\n"
        "except deepsport.errors.LimitExceededError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(made_clip("h264-no-b"))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "45298483200 bytes for pictures" in done.stdout
    assert "valid are fewer or smaller frames" in done.stdout
