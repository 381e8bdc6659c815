"""What a summary says: slices, balanced accuracy, looking, votes, calibration, confusion."""

from __future__ import annotations

import dataclasses
import math

import pytest

from deepsport.evaluate.attempt import Attempt, VideoFacts
from deepsport.evaluate.looking import look
from deepsport.evaluate.rows import make_row
from deepsport.evaluate.scoring import score
from deepsport.evaluate.summary import summarise
from deepsport.evaluate.voting import majority
from deepsport.task import Dimension, Kind, Media, Span, Task, Truth
from deepsport.trajectory import CallRecord, Fault, FrameRef, Status, Trajectory, Turn

MEDIA = (Media("a.mp4"),)


def yes_no(task_id, truth, **rest):
    return Task(task_id, Kind.YES_NO, "Is it?", Truth(labels=(truth,)), MEDIA, **rest)


def played(task, answer, attempt=0, *, windows=(), first=(0.0, 5.0, 10.0), fault=None):
    """A trajectory that was shown `first`, looked at windows of seconds, and answered."""
    turns = [
        Turn("system", ""),
        Turn("user", "<image>" * len(first), tuple(FrameRef(int(s * 10), s) for s in first)),
    ]
    for start, stop in windows:
        window = (int(start * 10), int(stop * 10))
        turns.append(Turn("assistant", "", call=CallRecord("choose_frames", {}, window)))
        middle = (start + stop) / 2
        turns.append(Turn("tool", "<image>", (FrameRef(int(middle * 10), middle),)))
    turns.append(Turn("assistant", f"<answer>{answer}</answer>"))
    status = Status.FAULT if fault else Status.ANSWERED
    trajectory = Trajectory(
        task.task_id,
        task.content_hash,
        "p",
        attempt,
        tuple(turns),
        status,
        answer=None if fault else answer,
        fault=fault,
        usage={"completion_tokens": 10.0},
    )
    return Attempt(trajectory, score(task, trajectory), None, tuple(windows))


def summary(pairs):
    tasks = {task.task_id: task for task, _ in pairs}
    return summarise(tasks, [make_row(task, attempt) for task, attempt in pairs], resamples=200)


def test_a_constant_answer_has_half_the_balanced_accuracy():
    tasks = [yes_no(f"q{i}", "yes" if i < 9 else "no", group=f"m{i}") for i in range(12)]
    result = summary([(task, played(task, "yes")) for task in tasks])["overall"]
    assert result["strict"]["mean"] == 0.75
    assert result["balanced"] == 0.5


def test_each_axis_is_sliced_and_its_macro_mean_counts_values_the_same():
    tasks = [
        yes_no(
            f"q{i}",
            "yes",
            sport="golf" if i < 6 else "diving",
            group=f"m{i}",
            dimension=Dimension.RULES,
        )
        for i in range(8)
    ]
    pairs = [(t, played(t, "yes" if t.sport == "golf" else "no")) for t in tasks]
    result = summary(pairs)
    assert result["slices"]["sport"]["golf"]["strict"]["mean"] == 1.0
    assert result["slices"]["sport"]["diving"]["strict"]["mean"] == 0.0
    assert result["overall"]["strict"]["mean"] == 0.75
    assert result["macro"]["sport"] == 0.5
    assert set(result["slices"]["dimension"]) == {"rules and procedure"}
    assert "family" not in result["slices"]


def test_looking_is_measured_against_the_annotated_event():
    task = yes_no("q", "yes", evidence=(Span(6.0, 7.0),))
    cases = {
        "hit": played(task, "yes", windows=[(1.0, 2.0), (6.5, 8.0)]),
        "edge": played(task, "yes", windows=[(7.0, 8.0)]),  # the event ends before it
        "none": played(task, "yes"),
    }
    looks = {name: attempt.look(task) for name, attempt in cases.items()}
    assert (looks["hit"].hit, looks["hit"].first_hit) == (True, False)
    assert looks["hit"].tiou == pytest.approx(0.5 / 2.0)  # [6.5, 8) and [6, 7)
    assert looks["edge"].hit is False
    assert looks["none"].hit is False
    assert looks["none"].tiou == 0.0
    assert looks["hit"].seen is False  # the middle of the window, 7.25 s, lies after the event


def test_frames_until_the_event_are_counted():
    task = yes_no("q", "yes", evidence=(Span(6.0, 7.0),))
    attempt = played(task, "yes", windows=[(1.0, 2.0), (6.0, 7.0)])
    assert attempt.look(task).frames_to_hit == 5  # three first frames, one wrong, then it
    assert attempt.look(task).seen_at_start is False
    early = played(task, "yes", first=(0.0, 6.5))
    assert early.look(task).seen_at_start is True


def test_an_event_without_length_is_a_moment():
    task = yes_no("q", "yes", evidence=(Span(6.0, 6.0),))
    trajectory = played(task, "yes", windows=[(5.0, 6.5)]).trajectory
    assert look(trajectory, [(5.0, 6.5)], task.evidence).hit is True
    assert look(trajectory, [(6.5, 7.0)], task.evidence).hit is False


def test_looking_and_answering_make_a_table():
    task_list = [
        yes_no(f"q{i}", "yes", evidence=(Span(6.0, 7.0),), group=f"m{i}") for i in range(5)
    ]
    plan = [("yes", [(6, 7)]), ("no", [(6, 7)]), ("no", [(1, 2)]), ("yes", []), ("no", [])]
    pairs = [
        (task, played(task, answer, windows=windows))
        for task, (answer, windows) in zip(task_list, plan, strict=True)
    ]
    looking = summary(pairs)["looking"]
    assert looking["table"] == {
        "hit": {"right": 1, "wrong": 1},
        "miss": {"right": 0, "wrong": 1},
        "no look": {"right": 1, "wrong": 1},
    }
    assert looking["used_tool"] == 0.6
    assert looking["hit_rate"]["mean"] == 0.4
    assert looking["hit_rate_when_looked"] == pytest.approx(2 / 3, abs=1e-6)


def test_a_fault_leaves_the_mean_and_lowers_coverage():
    tasks = [yes_no(f"q{i}", "yes", group=f"m{i}") for i in range(4)]
    pairs = [(task, played(task, "yes")) for task in tasks[:3]]
    pairs.append((tasks[3], played(tasks[3], "", fault=Fault("decode", "broken"))))
    result = summary(pairs)["overall"]
    assert result["strict"]["mean"] == 1.0
    assert result["coverage"] == 0.75


def test_the_vote_takes_the_answer_most_attempts_share():
    task = yes_no("q", "yes")
    rows = [make_row(task, played(task, a, k)) for k, a in enumerate(["no", "yes", "yes", "hm"])]
    row, share = majority(rows)
    assert (row.attempt, share) == (1, 0.5)
    row, share = majority(rows[:2])
    assert row.attempt == 0  # the earlier one wins a tie


def test_spans_and_texts_vote_for_the_one_closest_to_the_others():
    task = Task("q", Kind.INTERVAL, "When?", Truth(spans=(Span(1, 2),)), MEDIA)
    rows = [make_row(task, played(task, a, k)) for k, a in enumerate(["8-9", "1-2", "1-2.2"])]
    assert majority(rows)[0].attempt in (1, 2)


def test_votes_are_a_curve_over_attempts_with_their_cost():
    pairs = []
    for i in range(10):
        task = yes_no(f"q{i}", "yes", group=f"m{i}")
        answers = ["no", "yes", "yes"] if i < 5 else ["yes", "yes", "no"]
        pairs += [(task, played(task, answer, k)) for k, answer in enumerate(answers)]
    result = summary(pairs)
    curve = result["voting"]["curve"]
    assert [point["score"] for point in curve] == [0.5, 0.5, 1.0]
    assert [point["tokens"] for point in curve] == [10, 20, 30]
    assert result["at_k"]["pass@1"] == pytest.approx(2 / 3, abs=1e-6)
    assert result["at_k"]["pass@2"] == 1.0
    # two thirds stood behind each vote and all votes were right
    assert result["voting"]["calibration_error"] == pytest.approx(1 / 3, abs=1e-6)


def test_pass_at_k_agrees_with_counting_subsets():
    from itertools import combinations

    task = yes_no("q", "yes")
    answers = ["yes", "no", "no", "yes", "no"]
    result = summary([(task, played(task, a, k)) for k, a in enumerate(answers)])
    for k in range(1, 6):
        some = list(combinations(answers, k))
        expected = sum("yes" in part for part in some) / len(some)
        assert result["at_k"][f"pass@{k}"] == pytest.approx(expected, abs=1e-6)


def test_confusion_counts_what_was_answered_for_what():
    tasks = [yes_no(f"q{i}", "yes" if i < 3 else "no", family="foul") for i in range(6)]
    answers = ["yes", "no", "dunno", "no", "no", "yes"]
    result = summary([(t, played(t, a)) for t, a in zip(tasks, answers, strict=True)])
    assert result["confusion"]["foul"] == {
        "classes": ["no", "yes"],
        "answers": ["no", "yes", "(none read)"],
        "table": [[2, 1, 0], [1, 1, 1]],
    }


def test_ratings_have_a_rank_correlation_and_constant_ones_none():
    def rating(i):
        return Task(
            f"q{i}",
            Kind.RATING,
            "Score?",
            Truth(value=float(i), scale=(0.0, 10.0)),
            MEDIA,
            group=f"m{i}",
        )

    tasks = [rating(i) for i in range(5)]
    good = summary([(task, played(task, str(i * 2))) for i, task in enumerate(tasks)])
    assert good["corpus"]["rating"]["spearman"] == pytest.approx(1.0)
    flat = summary([(task, played(task, "5")) for task in tasks])
    assert "spearman" not in flat["corpus"]["rating"]


def test_an_empty_run_has_a_summary_without_numbers():
    result = summarise({}, [])
    assert result["overall"]["strict"]["mean"] is None
    assert result["attempts"] == 0
    assert not any(isinstance(v, float) and math.isnan(v) for v in result["overall"].values())


def test_scores_are_told_by_the_frames_that_were_shown():
    tasks = [yes_no(f"q{i}", "yes", group=f"m{i}") for i in range(6)]
    first = tuple(float(i) for i in range(8))
    answers = ["no", "no", "yes", "yes", "yes", "no"]
    found = summary(
        [
            (task, played(task, answer, first=first, windows=[(0.0, 1.0)] if i > 2 else ()))
            for i, (task, answer) in enumerate(zip(tasks, answers, strict=True))
        ]
    )["by_frames"]
    # 8 frames, or 9: one of a call beside them
    assert [(p["up_to"], p["frames"], p["attempts"]) for p in found] == [(8, 8.0, 3), (16, 9.0, 3)]
    assert [p["strict"]["mean"] for p in found] == [pytest.approx(1 / 3, abs=1e-6),
                                                    pytest.approx(2 / 3, abs=1e-6)]  # fmt: skip


def test_videos_are_sliced_by_their_length():
    pairs = []
    for i, seconds in enumerate((4.0, 10.0, 59.0, 600.0)):
        task = yes_no(f"q{i}", "yes", group=f"m{i}")
        attempt = played(task, "yes")
        facts = VideoFacts(int(25 * seconds), 25.0, seconds)
        pairs.append((task, dataclasses.replace(attempt, video=facts)))
    slices = summary(pairs)["slices"]["length"]
    assert {name: block["strict"]["count"] for name, block in slices.items()} == {
        "0 to 10 s": 1,
        "10 to 60 s": 2,
        "600 s and more": 1,
    }
