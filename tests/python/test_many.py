"""Unions of windows, batches of clips, and what long-running processes meet: forks, threads, leaks."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import deepsport
from deepsport import Pixels, errors
from deepsport.frames import BatchRequest, PatchLayout, decode_many, union, windows
from deepsport.isolation import Isolation, shut_down
from deepsport.remote import RangeReader


def test_a_union_equals_each_request_alone_and_decodes_less(made_clip):
    video = deepsport.open(made_clip("h264-one-gop"))
    asked = [(0.2, 1.0, 8), (0.5, 1.5, 5), (0.0, 2.0, 8)]
    together = windows(video, asked, size=(96, 54))
    alone = [deepsport.open(video.path).window(*window, size=(96, 54)) for window in asked]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.data, other.data)
        np.testing.assert_array_equal(one.indices, other.indices)
    assert together[0].counts["packets_decoded"] < sum(b.counts["packets_decoded"] for b in alone)
    assert [len(batch) for batch in union(video, [[], [1, -1, 1]])] == [0, 3]


@pytest.mark.parametrize("name", ["QWEN25_VL", "QWEN3_VL"])
def test_a_union_of_patches_gives_each_request_its_own(name, made_clip):
    layout = getattr(PatchLayout, name)
    video = deepsport.open(made_clip("h264-one-gop"))
    size = (4 * layout.factor, 2 * layout.factor)
    asked = [[3, 40, 3], [40], [7, -1, 3]]
    pixels = layout.pixels()
    for one, request in zip(union(video, asked, size, pixels=pixels), asked, strict=True):
        alone = video.at(request, size, pixels=pixels)
        np.testing.assert_array_equal(one.data, alone.data)
        assert one.indices.tolist() == alone.indices.tolist()
    [both] = windows(video, [(0.2, 1.0, 8)], size, pixels=Pixels("nchw", "float32"))
    assert both.data.shape == (8, 3, size[1], size[0])
    with pytest.raises(errors.InvalidRequestError, match="spans=False"):
        union(video, asked, size, pixels=layout.pixels(as_video=True))


def test_a_batch_keeps_its_order_and_its_bad_items(made_clip, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all")
    requests = [
        BatchRequest(made_clip("h264-b-pyramid"), indices=(4, -1)),
        BatchRequest(broken, indices=(0,)),
        BatchRequest(tmp_path / "none.mp4", indices=(0,)),
        BatchRequest(made_clip("h264-no-b"), window=(0.0, 1.0, 4), size=(32, 18)),
        BatchRequest(made_clip("h264-no-b"), indices=(99,)),
        BatchRequest(made_clip("h264-no-b")),
    ]
    items = list(decode_many(requests, threads=3))
    assert [item.request for item in items] == requests
    assert [type(item.error) for item in items] == [
        type(None), errors.NotAVideoError, errors.VideoNotFoundError, type(None),
        errors.FrameRangeError, errors.InvalidRequestError,
    ]  # fmt: skip
    assert items[0].frames.indices.tolist() == [4, 49]
    assert items[3].frames.data.shape == (4, 18, 32, 3)


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "auto"])
def test_an_event_is_refused_where_nothing_would_hear_it(made_clip, device):
    video = deepsport.open(made_clip("h264-b-pyramid"))
    with pytest.raises(errors.InvalidRequestError, match="valid are device='cpu'"):
        video.at([0], device=device, cancel=threading.Event())


def test_a_batch_can_be_cancelled_and_timed_out(made_clip):
    clip = made_clip("h264-no-b")
    stop = threading.Event()
    items = decode_many(
        (BatchRequest(clip, indices=(0,)) for _ in range(40)), threads=2, cancel=stop
    )
    first = next(items)
    stop.set()
    rest = list(items)
    assert first.ok
    assert len(rest) == 39
    assert isinstance(rest[-1].error, errors.DecodeCancelledError)
    late = list(decode_many([BatchRequest(clip, indices=(0,))] * 3, batch_seconds=0.0))
    assert [type(item.error) for item in late] == [errors.DecodeTimeoutError] * 3


def test_one_video_serves_many_threads(made_clip):
    video = deepsport.open(made_clip("h264-b-pyramid"))
    want = video.at(range(50)).data

    def ask(seed):
        rng = np.random.default_rng(seed)
        for _ in range(12):
            wanted = rng.integers(0, 50, 4).tolist()
            np.testing.assert_array_equal(video.at(wanted).data, want[wanted])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(8)))


def test_several_workers_give_the_same_frames(made_clip):
    video = deepsport.open(made_clip("h264-open-gop"))
    one, four = video.at(range(50), threads=1), video.at(range(50), threads=4)
    np.testing.assert_array_equal(one.data, four.data)
    for bad in (0, 65, -1):
        with pytest.raises(errors.InvalidRequestError, match=r"1\.\.64"):
            video.at([0], threads=bad)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_video_opened_before_fork_works_in_the_child(made_clip):
    video = deepsport.open(made_clip("h264-b-pyramid"))
    want = video.at([3, 40], threads=2).data
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # a hang must not outlive the test
        same = np.array_equal(video.at([3, 40], threads=2).data, want)
        os.write(writer, b"same" if same else b"different")
        os._exit(0)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert os.read(reader, 99) == b"same"
    np.testing.assert_array_equal(video.at([3, 40]).data, want)


def _in_a_child(run) -> str:
    """What `run` returns or raises in a child of fork()."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a hang must not outlive the test
        try:
            said = run()
        except Exception as error:  # noqa: BLE001 - the parent looks at it
            said = f"{type(error).__name__}: {error}"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return said


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("isolate", [False, Isolation(processes=1)], ids=["here", "isolated"])
def test_a_file_object_is_refused_after_fork(isolate, made_clip):
    with made_clip("h264-b-pyramid").open("rb") as file:
        video = deepsport.open(file, isolate=isolate)
        want = video.at([3, 40]).data
        said = _in_a_child(lambda: str(video.at([3, 40]).status))
        assert said.startswith("UsedAfterForkError")
        assert "valid are a path, bytes, or opening it again in the child" in said
        np.testing.assert_array_equal(video.at([3, 40]).data, want)
    shut_down()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("isolate", [False, Isolation(processes=1)], ids=["here", "isolated"])
def test_a_reader_without_a_shared_place_goes_on_after_a_fork_in_the_middle_of_a_read(
    isolate, made_clip
):
    data = made_clip("h264-b-pyramid").read_bytes()
    reached, go_on = threading.Event(), threading.Event()
    go_on.set()

    def fetch(begin, end):
        if not go_on.is_set() and threading.current_thread() is not threading.main_thread():
            reached.set()
            go_on.wait()
        return data[begin:end]

    class Fresh(RangeReader):
        """Keeps no block, nor a lock: each read comes to `fetch`."""

        def read(self, count=-1):
            begin = self._place
            self._place = min(self.size, begin + count)
            return fetch(begin, self._place)

    video = deepsport.open(Fresh(fetch, len(data), "memory"), isolate=isolate)
    want = video.at([3, 40]).data
    go_on.clear()
    busy = threading.Thread(target=video.at, args=([30],))
    busy.start()
    try:
        assert reached.wait(60)
        said = _in_a_child(lambda: str(np.array_equal(video.at([3, 40]).data, want)))
    finally:
        go_on.set()
        busy.join()
    assert said == "True"
    shut_down()


def _resident_kib() -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("no /proc: resident memory cannot be read")
    return int(
        next(line for line in status.read_text().splitlines() if line.startswith("VmRSS")).split()[
            1
        ]
    )


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_opening_and_decoding_many_times_leaks_nothing(made_clip):
    paths = [made_clip(name) for name in ("h264-b-pyramid", "h264-ts", "mpeg4-avi")]

    def rounds(count):
        for _ in range(count):
            for path in paths:
                video = deepsport.open(path)
                video.at([0, 30], size=(64, 36))
                with pytest.raises(errors.FrameRangeError):
                    video.at([99])
        gc.collect()

    rounds(15)
    descriptors, before = _descriptors(), _resident_kib()
    rounds(60)
    assert _descriptors() <= descriptors
    assert _resident_kib() - before < 12_000  # 180 videos; one leaked decoder each would be 100 MB


@pytest.mark.slow
def test_thousands_of_opens_and_failures_leak_nothing(made_clip):
    clips = [str(made_clip(name)) for name in ("h264-b-pyramid", "h264-mkv", "h264-ts", "vp9")]
    script = Path(__file__).with_name("opens.py")
    done = subprocess.run(
        [sys.executable, str(script), "6000", *clips], capture_output=True, text=True, timeout=550
    )
    assert done.returncode == 0, done.stderr
    curve = json.loads(done.stdout)["curve"]
    assert curve[-1]["descriptors"] == curve[0]["descriptors"]
    # of 5,400 opens after the first tenth; a leak of 1 KiB each would be 5,400
    assert curve[-1]["resident_kib"] - curve[0]["resident_kib"] < 4000


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_in_the_middle_of_other_threads_decoding_leaves_a_child_that_decodes(made_clip):
    video = deepsport.open(made_clip("h264-one-gop"))
    want = video.at([3, 40]).data
    stop = threading.Event()

    def decode():
        while not stop.is_set():
            video.at(range(0, 50, 7), threads=2)

    busy = [threading.Thread(target=decode) for _ in range(2)]
    for thread in busy:
        thread.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                signal.alarm(60)  # a hang must not outlive the test
                os._exit(0 if np.array_equal(video.at([3, 40], threads=2).data, want) else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        for thread in busy:
            thread.join()


def test_reading_in_order_decodes_each_packet_about_once(made_clip):
    video = deepsport.open(made_clip("h264-one-gop"))
    decoded = sum(video.at([i]).counts["packets_decoded"] for i in range(50))
    assert decoded <= 100  # 50 packets; restarting each time would be 1275


def test_unneeded_pictures_are_dropped(made_clip):
    video = deepsport.open(made_clip("h264-one-gop"))
    lean = deepsport.open(video.path).at([48]).counts
    full = deepsport.open(video.path).at([48], drop_unneeded=False).counts
    assert lean["packets_dropped"] >= 15
    assert lean["packets_decoded"] + lean["packets_dropped"] == full["packets_decoded"]
