"""Memory of frames that were let go serves the next ones, within bounds."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest

import deepsport
from deepsport.frames import release_spare_memory

SIZE = (640, 360)
FRAME_BYTES = 640 * 360 * 3
MIB = 1 << 20


@pytest.fixture
def video(made_clip):
    release_spare_memory()
    yield deepsport.open(made_clip("h264-b-pyramid"))
    release_spare_memory()


def test_frames_let_go_leave_their_memory_to_the_next(video):
    frames = video.at([0, 9], SIZE).data
    first, want = frames.ctypes.data, frames.copy()
    del frames
    again = video.at([0, 9], SIZE).data
    assert again.ctypes.data == first
    np.testing.assert_array_equal(again, want)


def test_frames_that_are_held_are_left_alone(video):
    held = [video.at([i, i + 1], SIZE).data for i in range(3)]
    view = held.pop(1)[1, ::2]
    want = [one.copy() for one in (*held, view)]
    assert release_spare_memory() == 0
    for i in range(8):
        video.at([30 + i, 40], SIZE)
    for found, expected in zip((*held, view), want, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_request_much_smaller_does_not_take_a_long_array(video):
    long = video.at(range(12), SIZE).data.ctypes.data
    short = video.at(range(9), SIZE).data
    assert short.ctypes.data != long
    assert release_spare_memory() >= 12 * FRAME_BYTES


def test_what_is_kept_is_bounded_and_can_be_returned(video):
    held = [video.at(range(32), SIZE).data for _ in range(9)]  # 190 MiB
    assert release_spare_memory() == 0
    held.clear()
    kept = release_spare_memory()
    assert 64 * MIB < kept <= 128 * MIB
    assert release_spare_memory() == 0


def test_small_arrays_are_not_kept(video):
    video.at([0, 1])
    assert release_spare_memory() == 0


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_children_of_fork_ask_while_threads_take_and_let_go(video):
    want = video.at([0, 9], SIZE).data.copy()
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            video.at([0, 9], SIZE)

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in range(10):
            child = os.fork()
            if child == 0:
                signal.alarm(60)  # a hang must not outlive the test
                same = all(np.array_equal(video.at([0, 9], SIZE).data, want) for _ in range(3))
                os._exit(0 if same else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()
