"""Damaged and cut videos: frames or a typed error, never a crash, a hang or memory without bound."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import deepsport
from deepsport.errors import LimitExceededError

SCRIPT = Path(__file__).with_name("hostile.py")
# One of each container and codec; the sweep of all is slow, that of the first two is not.
RECIPES = [
    "h264-b-pyramid", "h264-ts", "h264-fragmented", "h264-mkv", "h264-flv", "hevc-b", "vp9", "av1-webm",
    "mpeg4-avi", "mpeg2-ts",
]  # fmt: skip
FLIPS = 200  # of each: 2,000 together


def sweep(clip, *mode, cwd):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(clip), *mode],
        capture_output=True, text=True, timeout=500, cwd=cwd,
    )  # fmt: skip
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stderr[-3000:]}"
    found = json.loads(done.stdout)
    assert 0 < found["resident_mib"] < 512
    return found["outcomes"]


def slow_after(names, quick):
    return [
        name if k < quick else pytest.param(name, marks=pytest.mark.slow)
        for k, name in enumerate(names)
    ]


@pytest.mark.parametrize("recipe", slow_after(RECIPES, 2))
def test_every_prefix_gives_frames_or_a_typed_error(made_clip, tmp_path, recipe):
    outcomes = sweep(made_clip(recipe), "prefixes", cwd=tmp_path)
    assert sum(outcomes.values()) == 100
    assert outcomes["NotAVideoError"] >= 1  # the empty prefix, at least


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_changed_bytes_give_frames_or_a_typed_error(made_clip, tmp_path, recipe):
    outcomes = sweep(made_clip(recipe), "flips", "7", str(FLIPS), cwd=tmp_path)
    assert sum(outcomes.values()) == FLIPS
    # a few changed bytes leave something to see of most copies
    assert outcomes.get("frames", 0) + outcomes.get("damaged frames", 0) > FLIPS // 4


@pytest.mark.parametrize("recipe", ["h264-b-pyramid", "mpeg2-ts", "mpeg4-avi", "vp9", "theora"])
def test_a_limit_of_exactly_its_pixels_lets_a_video_through(made_clip, recipe):
    # FFmpeg counts the margins that some decoders add; a caller counts the picture
    exactly = 192 * 108
    video = deepsport.open(made_clip(recipe), max_pixels=exactly, index_cache=False)
    assert video.at([0, 20]).status == ("ok", "ok")
    with pytest.raises(LimitExceededError, match="limit is"):
        deepsport.open(made_clip(recipe), max_pixels=exactly - 1, index_cache=False)


@pytest.mark.parametrize("name", ["h264-ts", "h264-mkv"])
def test_an_index_file_does_not_switch_limits_off(name, made_clip, tmp_path):
    path = made_clip(name)
    how = {"index_cache": tmp_path, "keep_after_seconds": 0}
    video = deepsport.open(path, **how)
    assert list(tmp_path.iterdir()), "the index was not kept"
    with pytest.raises(LimitExceededError, match="max_pixels"):
        deepsport.open(path, max_pixels=video.width * video.height - 1, **how)
    with pytest.raises(LimitExceededError, match="max_packets"):
        deepsport.open(path, max_packets=10, **how)
