"""Videos decoded in another process: the same frames, and errors instead of the end when it dies."""

from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import clips
import deepsport
from deepsport import errors
from deepsport.frames import BatchRequest, decode_many
from deepsport.isolation import Isolation, shut_down
from deepsport.isolation.pool import pool_for

ONE = Isolation(processes=1)


@pytest.fixture(autouse=True, scope="module")
def _no_children_left():
    yield
    shut_down()


class Hook(io.BytesIO):
    """A file object that does something to the child while the child reads; `do` gets its process id."""

    def __init__(self, data, do, after=0):
        super().__init__(data)
        self.do, self.reads, self.after = do, 0, after

    def read(self, count=-1):
        self.reads += 1
        if self.reads > self.after:
            for pid in pool_for(ONE).process_ids:
                self.do(pid)
        return super().read(count)


@pytest.mark.parametrize("kind", ["path", "bytes", "file object"])
def test_frames_and_facts_are_the_same_from_a_child(made_clip, kind):
    path = made_clip("h264-b-pyramid")
    data = path.read_bytes()
    source = {"path": path, "bytes": data, "file object": io.BytesIO(data)}[kind]
    plain = deepsport.open(path)
    video = deepsport.open(source, isolate=ONE)
    assert len(pool_for(ONE).process_ids) == 1
    assert pool_for(ONE).process_ids != [os.getpid()]
    for name in ("frame_count", "width", "height", "codec", "sample_aspect_ratio", "index_origin"):
        assert getattr(video, name) == getattr(plain, name), name
    np.testing.assert_array_equal(video.pts_seconds, plain.pts_seconds)
    wanted = [40, 3, -1, 3]
    one, other = video.at(wanted, (64, 36), threads=2), plain.at(wanted, (64, 36))
    np.testing.assert_array_equal(one.data, other.data)
    assert (one.status, one.indices.tolist()) == (other.status, other.indices.tolist())
    np.testing.assert_array_equal(video.window(0.5, 1.0, 3).data, plain.window(0.5, 1.0, 3).data)
    np.testing.assert_array_equal(video.played_at([0.5]).data, plain.played_at([0.5]).data)
    for mine, theirs in zip(video.planes_at([7]), plain.planes_at([7]), strict=True):
        np.testing.assert_array_equal(mine[3], theirs[3])
    for name, column in plain.packets().items():
        np.testing.assert_array_equal(video.packets()[name], column)
    with pytest.raises(errors.FrameRangeError, match="valid are"):
        video.at([99])
    assert len(video.at([])) == 0
    if kind == "path":
        again = pickle.loads(pickle.dumps(video))
        np.testing.assert_array_equal(again.at([3]).data, plain.at([3]).data)
    assert len(pool_for(ONE).process_ids) == 1  # one child did all that


@pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_crash_is_an_error_of_that_call_and_the_next_one_works(made_clip, how):
    data = made_clip("h264-mkv").read_bytes()
    good = deepsport.open(data, isolate=ONE)
    want = good.at([5, 30]).data
    before = pool_for(ONE).process_ids
    with pytest.raises(errors.DecoderCrashedError, match=how.name):
        deepsport.open(Hook(data, lambda pid: os.kill(pid, how)), isolate=ONE)
    assert pool_for(ONE).process_ids == []
    np.testing.assert_array_equal(good.at([5, 30]).data, want)  # opened again in a new child
    assert pool_for(ONE).process_ids != before


def test_a_child_that_dies_while_idle_is_replaced(made_clip):
    video = deepsport.open(made_clip("h264-no-b"), isolate=ONE)
    [pid] = pool_for(ONE).process_ids
    os.kill(pid, signal.SIGSEGV)
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT) is None:
        pass
    assert video.at([3]).status == ("ok",)
    assert pool_for(ONE).process_ids != [pid]


def test_a_hang_ends_with_the_deadline(made_clip):
    stop = Hook(made_clip("h264-mkv").read_bytes(), lambda pid: os.kill(pid, signal.SIGSTOP))
    with pytest.raises(errors.DecodeTimeoutError, match="did not answer in time"):
        deepsport.open(stop, isolate=ONE, deadline_seconds=0.5)
    assert pool_for(ONE).process_ids == []


def test_too_little_memory_is_a_typed_error(made_clip):
    tight = Isolation(memory_bytes=1 << 20, processes=1)
    with pytest.raises((errors.LimitExceededError, errors.DecoderCrashedError)):
        deepsport.open(made_clip("h264-b-pyramid"), isolate=tight).at(range(50))


def test_a_call_in_a_child_can_be_cancelled(made_clip):
    stop = threading.Event()
    hook = Hook(
        made_clip("h264-ts").read_bytes(),
        lambda pid: (stop.set(), os.kill(pid, signal.SIGSTOP)),
        after=10_000,
    )
    video = deepsport.open(hook, isolate=ONE)
    hook.after = 0
    with pytest.raises(errors.DecodeCancelledError):
        video.at([40], cancel=stop)
    hook.after = 10_000
    assert video.at([40]).status == ("ok",)


def test_opening_in_a_child_refuses_what_it_would_not_hear(made_clip):
    with pytest.raises(errors.InvalidRequestError, match="valid is one of them"):
        deepsport.open(made_clip("h264-ts"), isolate=ONE, cancel=threading.Event())


def test_a_batch_in_children_takes_an_event_all_the_same(made_clip):
    requests = [BatchRequest(made_clip("h264-ts"), indices=(3,))]
    [item] = decode_many(requests, isolate=ONE, cancel=threading.Event())
    assert item.error is None
    assert item.frames.indices.tolist() == [3]


def test_errors_of_files_are_those_of_open(tmp_path, made_clip):
    nothing = tmp_path / "nothing.mp4"
    nothing.write_bytes(b"no video at all")
    with pytest.raises(errors.NotAVideoError):
        deepsport.open(nothing, isolate=ONE)
    with pytest.raises(errors.NotAVideoError):
        deepsport.open(tmp_path, isolate=ONE)
    with pytest.raises(errors.VideoNotFoundError):
        deepsport.open(tmp_path / "none.mp4", isolate=ONE)
    with pytest.raises(errors.LimitExceededError):
        deepsport.open(made_clip("h264-no-b"), isolate=ONE, max_pixels=100)
    with pytest.raises(errors.VideoIOError, match="gone away"):
        deepsport.open(Hook(b"x" * 999, lambda _: (_ for _ in ()).throw(OSError("gone away"))),
                       isolate=ONE)  # fmt: skip
    with pytest.raises(errors.InvalidRequestError, match="valid is the CPU"):
        deepsport.open(made_clip("h264-no-b"), isolate=ONE)._get_on("cuda", None, None, None, True)


def test_threads_have_a_child_each_up_to_the_limit(made_clip):
    limits = Isolation(processes=2)
    videos = [deepsport.open(made_clip(n), isolate=limits) for n in ("h264-no-b", "h264-mkv")]
    plain = [deepsport.open(video.path).at(range(0, 50, 9)).data for video in videos]
    with ThreadPoolExecutor(4) as threads:
        for k, batch in enumerate(
            threads.map(lambda k: videos[k % 2].at(range(0, 50, 9)), range(8))
        ):
            np.testing.assert_array_equal(batch.data, plain[k % 2])
    assert 1 <= len(pool_for(limits).process_ids) <= 2


def test_more_videos_than_a_child_keeps_open_are_opened_again(made_clip):
    path = made_clip("h264-no-b")
    videos = [deepsport.open(path, isolate=ONE) for _ in range(10)]
    want = deepsport.open(path).at([7]).data
    for video in videos:
        np.testing.assert_array_equal(video.at([7]).data, want)


CONFINED = """
import ctypes, os, socket, subprocess, sys, threading
from deepsport._core import isolation
import deepsport.isolation.child as child
child._warm_up()
outside = sys.argv[1]
kept = os.open(outside, os.O_RDONLY)
why = isolation.confine_this_thread()
if why:
    print("no filter:", why); raise SystemExit(77)
def refused(name, what):
    try:
        what()
    except (PermissionError, RuntimeError) as error:
        return
    print("allowed:", name); os._exit(1)
refused("reading a file", lambda: os.open(outside, os.O_RDONLY))
refused("writing a file", lambda: os.open(outside + ".new", os.O_WRONLY | os.O_CREAT))
refused("a socket", lambda: socket.socket())
refused("a local socket", lambda: socket.socketpair())
refused("a program", lambda: os.execv("/bin/true", ["true"]))
refused("a process", os.fork)
refused("killing the parent", lambda: os.kill(os.getppid(), 0))
refused("removing a file", lambda: os.unlink(outside))
import resource
try:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    print("allowed: limits"); os._exit(1)
except (PermissionError, ValueError, OSError):
    pass
assert os.pread(kept, 4, 0) == b"open"         # what was open goes on
thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
bytearray(64 << 20)
print("confined", flush=True)
os._exit(0)
"""


def test_a_child_can_open_nothing_and_reach_nobody(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("open")
    done = subprocess.run(
        [sys.executable, "-c", CONFINED, str(outside)], capture_output=True, text=True, timeout=120
    )
    if done.returncode == 77:
        pytest.skip(done.stdout)
    assert (done.returncode, done.stdout.strip()) == (0, "confined"), done.stderr
    assert outside.exists()


@pytest.mark.parametrize("name", clips.real_names("broken/"))
def test_hostile_clips_end_the_same_in_a_child(name, real_clip):
    path = real_clip(name)

    def attempt(**how):
        try:
            video = deepsport.open(path, deadline_seconds=30, **how)
            batch = video.at(range(video.frame_count), strict=False, deadline_seconds=30)
        except errors.VideoError as error:
            return type(error), str(error)
        return batch.status, batch.data.tobytes()

    assert attempt() == attempt(isolate=ONE)
