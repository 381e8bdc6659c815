"""Near-duplicates: copies are found through size, rate and cuts; another rally is no copy."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import deepsport
from deepsport.sources.duplicates import (
    candidate_pairs,
    motion_likeness,
    near_duplicates,
    picture_hashes,
)
from material import clips
from rallies import draw_rally, write_rally


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rallies")
    one = draw_rally(1)
    write_rally(folder / "one.mp4", one)
    write_rally(folder / "small.mp4", one, size="96x54", crf=32)
    write_rally(folder / "cut.mp4", one[30:130], gop=250)
    write_rally(folder / "same-court.mp4", draw_rally(2))
    write_rally(folder / "elsewhere.mp4", draw_rally(1, court=7))
    return folder


def _pairs(folder, names, component=None):
    hashes = {name: picture_hashes(deepsport.open(folder / name)) for name in names}
    numbers = component or {name: i for i, name in enumerate(names)}
    return near_duplicates(hashes, numbers, folder.joinpath)


def test_copies_of_another_size_and_cut_are_found(folder):
    names = ["cut.mp4", "elsewhere.mp4", "one.mp4", "same-court.mp4", "small.mp4"]
    assert _pairs(folder, names) == [
        ("cut.mp4", "one.mp4"),
        ("cut.mp4", "small.mp4"),
        ("one.mp4", "small.mp4"),
    ]


def test_another_rally_on_the_same_court_is_a_candidate_but_no_copy(folder):
    names = ["one.mp4", "same-court.mp4"]
    hashes = {name: picture_hashes(deepsport.open(folder / name)) for name in names}
    assert candidate_pairs(hashes, {"one.mp4": 0, "same-court.mp4": 1})
    assert _pairs(folder, names) == []


def test_media_that_stay_together_anyway_are_not_compared(folder):
    assert _pairs(folder, ["one.mp4", "small.mp4"], {"one.mp4": 3, "small.mp4": 3}) == []


def test_black_frames_have_no_hash(tmp_path):
    path = write_rally(tmp_path / "black.mp4", np.zeros((50, 90, 160, 3), np.uint8))
    assert picture_hashes(deepsport.open(path)) == ()


def test_likeness_is_one_for_a_shifted_copy_and_small_for_noise():
    rng = np.random.default_rng(0)
    motion = rng.normal(size=(40, 60))
    assert motion_likeness(motion, motion[7:]) == pytest.approx(1.0)
    assert motion_likeness(motion[7:], motion) == pytest.approx(1.0)
    assert motion_likeness(motion, rng.normal(size=(40, 60))) < 0.2
    assert motion_likeness(np.zeros((10, 4)), np.zeros((10, 4))) == -1.0


def test_seventeen_real_rallies_are_no_copies_and_a_renamed_one_is(tmp_path):
    real = clips("finebadminton")
    names = sorted(path.name for path in real.glob("*.mp4"))
    for name in names:
        (tmp_path / name).symlink_to(real / name)
    shutil.copy(real / names[3], tmp_path / "copy.mp4")
    assert _pairs(tmp_path, [*names, "copy.mp4"]) == [(names[3], "copy.mp4")]
