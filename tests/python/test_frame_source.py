"""One frame source for many threads: videos side by side, every frame decoded once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

import deepsport
from deepsport.tool import FrameSource


@pytest.fixture
def videos(monkeypatch):
    """Stand-ins for videos whose decoding a test can hold up."""
    world = SimpleNamespace(decoded=[], wait=lambda path: None)

    def open_(path, **_):
        def at(indices, size):
            world.wait(path.name)
            world.decoded += [(path.name, i) for i in indices]
            width, height = size
            data = np.stack([np.full((height, width, 3), i, np.uint8) for i in indices])
            return SimpleNamespace(data=data, status=["ok"] * len(indices))

        return SimpleNamespace(at=at)

    monkeypatch.setattr(deepsport, "open", open_)
    return world


def test_two_videos_are_decoded_at_the_same_time(videos, tmp_path):
    both = threading.Barrier(2, timeout=20)  # breaks, and raises, unless both decode at once
    videos.wait = lambda path: both.wait()
    source = FrameSource(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        first, *others = (f"{number}.mp4" for number in range(50))
        # a few names share a lock
        other = next(n for n in others if source._path_lock(n) is not source._path_lock(first))
        jobs = [pool.submit(source.frames, name, [1, 2], (4, 2)) for name in (first, other)]
        for job in jobs:
            assert [int(frame[0, 0, 0]) for frame in job.result()] == [1, 2]


def test_threads_that_want_the_same_frames_decode_them_once(videos, tmp_path):
    source = FrameSource(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(source.frames, "a.mp4", [3, 5, 3], (4, 2)) for _ in range(40)]
        for job in jobs:
            assert [int(frame[0, 0, 0]) for frame in job.result()] == [3, 5, 3]
    assert sorted(videos.decoded) == [("a.mp4", 3), ("a.mp4", 5)]
    assert (source.hits, source.misses) == (78, 2)


def test_frames_beyond_the_cache_are_returned_all_the_same(videos, tmp_path):
    source = FrameSource(tmp_path, cache_bytes=50)  # two frames of 4 x 2
    frames = source.frames("a.mp4", [1, 2, 3, 4], (4, 2))
    assert [int(frame[0, 0, 0]) for frame in frames] == [1, 2, 3, 4]
    source.frames("a.mp4", [4], (4, 2))
    assert len(videos.decoded) == 4
