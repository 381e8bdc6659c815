"""Splits: whole groups, shares near what was asked, nothing shared; and the check that says so."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsport.errors import SettingsError
from deepsport.sources.split import (
    check_leakage,
    components,
    hold_out_sports,
    keep_official_splits,
    split_by_group,
)
from deepsport.task import Kind, Media, Task, Truth

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def _task(number, group="", path="", sha="", split="", sport="", also_in=()):
    return Task(
        f"t{number}",
        Kind.TEXT,
        f"What happens, {number}?",
        Truth(references=("x",)),
        (Media(path or f"{number}.mp4", sha256=sha),),
        group=group,
        split=split,
        sport=sport,
        also_in=also_in,
    )


@given(groups=st.lists(st.integers(0, 30), min_size=1, max_size=200), seed=st.integers(0, 5))
def test_no_group_is_in_two_splits_and_no_task_is_lost(groups, seed):
    tasks = [_task(i, f"match {g}") for i, g in enumerate(groups)]
    done = split_by_group(tasks, SHARES, seed)
    assert [t.task_id for t in done] == [t.task_id for t in tasks]
    assert check_leakage(done) == []
    assert {t.split for t in done} <= set(SHARES)


@given(seed=st.integers(0, 3), shuffle=st.randoms())
def test_the_order_of_tasks_does_not_change_their_split(seed, shuffle):
    tasks = [_task(i, f"match {i % 17}") for i in range(120)]
    shuffled = shuffle.sample(tasks, len(tasks))
    one = {t.task_id: t.split for t in split_by_group(tasks, SHARES, seed)}
    assert one == {t.task_id: t.split for t in split_by_group(shuffled, SHARES, seed)}


def test_shares_are_met_within_one_group_of_tasks():
    rng = random.Random(1)
    tasks = [_task(i, f"match {rng.randrange(200)}") for i in range(5000)]
    largest = max(Counter(t.group for t in tasks).values())
    counts = Counter(t.split for t in split_by_group(tasks, SHARES, 0))
    for split, share in SHARES.items():
        assert abs(counts[split] - share * 5000) <= largest


def test_every_split_gets_something_when_there_are_enough_groups():
    tasks = [_task(i, f"match {i % 3}") for i in range(9)]
    assert {t.split for t in split_by_group(tasks, SHARES, 0)} == set(SHARES)


def test_another_seed_gives_another_split():
    tasks = [_task(i, f"match {i}") for i in range(50)]
    assert split_by_group(tasks, SHARES, 0) != split_by_group(tasks, SHARES, 1)


def test_groups_are_joined_by_file_by_content_by_further_groups_and_by_duplicates():
    tasks = [
        _task(0, "a", path="same.mp4"),
        _task(1, "b", path="same.mp4"),
        _task(2, "c", sha="11"),
        _task(3, "d", sha="11"),
        _task(4, "e", also_in=("f",)),
        _task(5, "f"),
        _task(6, "g", path="left.mp4"),
        _task(7, "h", path="right.mp4"),
        _task(8, "i"),
    ]
    assert components(tasks, [("left.mp4", "right.mp4")]) == [0, 0, 1, 1, 2, 2, 3, 3, 4]


@pytest.mark.parametrize("fractions", [{}, {"train": 0.0}, {"train": 1.5, "test": -0.5}])
def test_impossible_shares_are_refused(fractions):
    with pytest.raises(SettingsError):
        split_by_group([_task(0)], fractions)


def test_each_kind_of_leak_is_found_and_named():
    tasks = [
        _task(0, "match", split="train"),
        _task(1, "match", split="test"),
        _task(2, path="clip.mp4", split="train"),
        _task(3, path="clip.mp4", split="test"),
        _task(4, sha="22", split="train"),
        _task(5, sha="22", split="test"),
        _task(6, path="left.mp4", split="train"),
        _task(7, path="right.mp4", split="test"),
        _task(8, path="q.mp4", split="train"),
        _task(9, path="fine.mp4"),
    ]
    found = {(k.what, k.key) for k in check_leakage(tasks, [("left.mp4", "right.mp4")])}
    assert found == {
        ("group", "match"),
        ("media path", "clip.mp4"),
        ("media content", "22"),
        ("near-duplicate media", "left.mp4 ~ right.mp4"),
    }


def test_soccerbench_test_clips_leave_the_soccerreplay_train_side():
    tasks = [
        _task("replay", "soccer/2016 a b", split="train"),
        _task("bench", "soccer/2016 a b", split="test"),
        _task("unsplit", "soccer/2016 a b"),
        _task("other", "soccer/2016 c d", split="train"),
        _task("open", "soccer/2016 e f"),
    ]
    settled, open_tasks, removed = keep_official_splits(tasks)
    assert {t.task_id: t.split for t in settled} == {
        "tbench": "test",
        "tunsplit": "test",
        "tother": "train",
    }
    assert [t.task_id for t in open_tasks] == ["topen"]
    assert [t.task_id for t in removed] == ["treplay"]


def test_a_held_out_sport_is_in_test_only():
    tasks = [_task(i, split="train", sport=s) for i, s in enumerate(["diving", "soccer", "diving"])]
    done = hold_out_sports(tasks, ["diving"])
    assert [t.split for t in done] == ["test", "train", "test"]
    with pytest.raises(SettingsError, match="diving, soccer"):
        hold_out_sports(tasks, ["curling"])
