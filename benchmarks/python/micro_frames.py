"""Single calls under pytest-benchmark: open, plan and decode, convert, cut into patches.

nox -s bench_micro -- --benchmark-min-rounds=5
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import clips
import deepsport
from deepsport.frames import PatchLayout, QwenImageProcessor, patches

FOLDER = Path("build/bench-clips")


@pytest.fixture(scope="module")
def clip():
    """A minute of 720p, made once."""
    return clips.make("h264-720p", FOLDER)


@pytest.fixture(scope="module")
def video(clip):
    return deepsport.open(clip, index_cache=False)


def test_open(benchmark, clip):
    opened = benchmark(lambda: deepsport.open(clip, index_cache=False))
    assert opened.frame_count > 1700


def test_open_by_packet_scan(benchmark, clip):
    benchmark(lambda: deepsport.open(clip, index_cache=False, sample_tables=False))


@pytest.mark.parametrize("size", [None, (588, 336)])
def test_a_window_of_sixteen(benchmark, video, size):
    window = list(range(900, 960, 4))
    assert len(benchmark(lambda: video.at(window, size))) == 15


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_window_to_patches(benchmark, video, dtype):
    window = list(range(900, 960, 4))
    benchmark(lambda: patches(video, window, max_pixels=640 * 360, dtype=dtype))


def test_pictures_in_memory_to_patches(benchmark):
    picture = np.random.default_rng(1).integers(0, 255, (720, 1280, 3), np.uint8)
    process = QwenImageProcessor(PatchLayout.QWEN25_VL)
    benchmark(lambda: process([picture]))
