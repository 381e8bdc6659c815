"""Filters of distillation: each reason, the funnel, the choice among good trajectories."""

from __future__ import annotations

import dataclasses

import pytest

from deepsport.distil import FilterSettings, Opinion, keep, preset
from deepsport.distil.choose import source_limits
from deepsport.distil.filters import evidence_seen
from deepsport.errors import RecordFormatError, SettingsError
from deepsport.task import Kind, Media, Span, Task, Truth
from deepsport.trajectory import CallRecord, Fault, FrameRef, Status, Trajectory, Turn

LOOK = '<think>The bounce is later.</think><tool_call>{"action":"choose_frames","frame_range":[%d,%d]}</tool_call>'


def choice(task_id="t1", source="s", **changes):
    values = {
        "task_id": task_id,
        "kind": Kind.CHOICE,
        "question": "Which side wins the point?",
        "truth": Truth(labels=("B",)),
        "media": (Media(f"{task_id}.mp4"),),
        "options": ("near", "far"),
        "source": source,
    }
    return Task(**{**values, **changes})


def played(task, answer="B", *, calls=((40, 60),), attempt=0, thought="I see it now.", **changes):
    """A trajectory that looks at windows of a 10 fps video, then answers."""
    turns = [Turn("system", "Look."), Turn("user", "<image>\nWhich?", (FrameRef(0, 0.0),))]
    for start, stop in calls:
        middle = (start + stop) // 2
        call = CallRecord("choose_frames", {"frame_range": [start, stop]}, (start, stop))
        turns.append(Turn("assistant", LOOK % (start, stop), call=call))
        turns.append(Turn("tool", "<image>", (FrameRef(middle, middle / 10),)))
    turns.append(Turn("assistant", f"<think>{thought}</think><answer>{answer}</answer>"))
    values = {
        "task_id": task.task_id,
        "task_hash": task.content_hash,
        "policy": "scripted",
        "attempt": attempt,
        "turns": tuple(turns),
        "status": Status.ANSWERED,
        "answer": answer,
    }
    return Trajectory(**{**values, **changes})


def reason_of(trajectory, task, settings="plain", **more):
    """The one reason why it was not kept, or an empty string."""
    kept, funnel = keep([trajectory], [task], settings, **more)
    assert len(kept) + funnel.reasons.total() == 1
    return "" if kept else next(iter(funnel.reasons))


def test_a_right_answer_after_a_look_is_kept():
    task = choice()
    assert reason_of(played(task), task) == ""


def test_a_fault_is_counted_as_the_fault_it_was():
    task = choice()
    lost = played(task, status=Status.FAULT, answer=None, fault=Fault("network", "no route"))
    assert reason_of(lost, task) == "fault_network"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status.MALFORMED, "ended_malformed"),
        (Status.BUDGET, "ended_budget"),
        (Status.TRUNCATED, "ended_truncated"),
    ],
)
def test_what_did_not_end_with_an_answer_is_not_kept(status, reason):
    task = choice()
    assert reason_of(played(task, status=status, answer=None), task) == reason


def test_a_malformed_turn_that_was_forgiven_is_still_not_learned_from():
    task = choice()
    good = played(task)
    turns = (
        *good.turns[:2],
        Turn("assistant", "It is B."),
        Turn("tool", "Use tags."),
        *good.turns[2:],
    )
    assert reason_of(dataclasses.replace(good, turns=turns), task) == "malformed_turn"


def test_the_form_of_calls_is_the_one_the_trajectory_was_made_with():
    task = choice()
    native = played(task, settings={"tool": {"form": "native", "require_think": True}})
    assert reason_of(native, task) == "malformed_turn"  # its calls are written in the paper's form


def test_a_wrong_answer_is_not_kept():
    task = choice()
    assert reason_of(played(task, "A"), task) == "wrong_answer"


@pytest.mark.parametrize(
    ("answer", "reason"), [("4-8", ""), ("6-9", "wrong_answer"), ("soon", "wrong_answer")]
)
def test_an_interval_is_right_from_half_an_overlap(answer, reason):
    # with [4, 7): 4-8 overlaps 3 of 4 seconds, 6-9 overlaps 1 of 5
    task = choice(kind=Kind.INTERVAL, truth=Truth(spans=(Span(4.0, 7.0),)), options=())
    assert reason_of(played(task, answer), task) == reason


def test_open_text_without_a_judge_is_not_kept_and_says_so():
    task = choice(kind=Kind.TEXT, truth=Truth(references=("A net error.",)), options=())
    assert reason_of(played(task, "A net error."), task) == "not_scorable"


def test_a_refused_call_is_not_kept():
    task = choice()
    turns = list(played(task).turns)
    refused = CallRecord("choose_frames", {}, rejected="start is behind the end")
    turns[2] = dataclasses.replace(turns[2], call=refused)
    turns[3] = Turn("tool", "start is behind the end")
    trajectory = played(task, turns=tuple(turns))
    assert reason_of(trajectory, task) == "rejected_call"
    assert reason_of(trajectory, task, FilterSettings(allow_rejected_calls=True)) == ""


def test_the_same_window_twice_is_not_kept():
    task = choice()
    twice = played(task, calls=((40, 60), (40, 60)))
    assert reason_of(twice, task) == "repeated_window"
    assert reason_of(twice, task, FilterSettings(allow_repeated_windows=True)) == ""


def test_the_number_of_calls_and_turns_is_bounded():
    task = choice()
    assert reason_of(played(task, calls=()), task, FilterSettings(min_calls=1)) == "too_few_calls"
    two = played(task, calls=((10, 20), (40, 60)))
    assert reason_of(two, task, FilterSettings(max_calls=1)) == "too_many_calls"
    assert reason_of(two, task, FilterSettings(max_turns=2)) == "too_many_turns"
    assert reason_of(two, task, FilterSettings(max_calls=2, max_turns=3)) == ""


def test_the_length_of_thoughts_and_replies_is_bounded():
    task = choice()
    short = played(task, calls=(), thought="B.")
    assert reason_of(short, task, FilterSettings(min_thought_chars=3)) == "thought_too_short"
    assert reason_of(short, task, FilterSettings(min_thought_chars=2)) == ""
    assert reason_of(short, task, FilterSettings(max_reply_chars=20)) == "too_long"


def test_thoughts_in_another_script_are_not_kept():
    task = choice()
    drifted = played(task, calls=(), thought="球在第四十帧落地，所以远端得分。")
    assert reason_of(drifted, task) == "other_language"
    assert reason_of(drifted, task, FilterSettings(scripts=("CJK", "LATIN"))) == ""
    assert reason_of(played(task, calls=(), thought="Müller schlägt ß."), task) == ""


def test_an_event_nobody_looked_at_is_not_kept():
    task = choice(evidence=(Span(5.0, 5.2), Span(9.0, 9.0)))
    settings = FilterSettings(min_evidence_seen=1.0, evidence_slack_seconds=0.1)
    assert reason_of(played(task, calls=((40, 62),)), task, settings) == "event_not_seen"
    assert reason_of(played(task, calls=((40, 62), (80, 100))), task, settings) == ""


def test_the_share_of_events_seen_counts_each_event_once():
    spans = (Span(1.0, 2.0), Span(4.0, 5.0), Span(8.0, 8.0))
    frames = (FrameRef(10, 1.0), FrameRef(19, 1.9), FrameRef(50, 5.0), FrameRef(81, 8.1))
    assert evidence_seen(spans, frames, 0.0) == pytest.approx(
        1 / 3
    )  # 5.0 is past the half-open end
    assert evidence_seen(spans, frames, 0.2) == pytest.approx(1.0)
    assert evidence_seen(spans, (FrameRef(10, 1.0, media=1),), 0.2) == 0.0


def test_a_judge_decides_on_open_text():
    task = choice(kind=Kind.TEXT, truth=Truth(references=("A net error.",)), options=())
    settings = FilterSettings(judge="text")
    trajectory = played(task, "Into the net.")

    def judged(*scores):
        return reason_of(trajectory, task, settings, opinions={("t1", 0): Opinion(scores)})

    assert reason_of(trajectory, task, settings) == "not_judged"
    assert judged(0.9, 0.8) == ""
    assert judged(0.1) == "judge_says_wrong"
    assert judged(1.0, 0.2) == "judge_inconsistent"


def test_paper_v1_lets_the_judge_overrule_the_deterministic_score():
    task = choice()
    opinions = {("t1", 0): Opinion((1.0,))}
    assert reason_of(played(task, "far"), task, "paper-v1", opinions=opinions) == ""
    assert reason_of(played(task, "A"), task, "paper-v1", opinions=opinions) == ""
    assert reason_of(played(task), task, "paper-v1", opinions={("t1", 0): Opinion((0.0,))}) == (
        "judge_says_wrong"
    )


def test_paper_v2_asks_text_and_then_vision():
    task = choice()

    def judged(**opinion):
        return reason_of(played(task), task, "paper-v2", opinions={("t1", 0): Opinion(**opinion)})

    assert judged(logic=True, vision=True) == ""
    assert judged(logic=False, vision=True) == "judge_rejects_logic"
    assert judged(logic=True, vision=False) == "judge_rejects_vision"
    assert judged(logic=True) == "not_judged"


def test_frames_that_did_not_change_the_answer_were_not_needed():
    task = choice()
    settings = FilterSettings(require_withheld_change=True)

    def withheld(answer):
        opinions = {("t1", 0): Opinion(withheld_answer=answer)}
        return reason_of(played(task), task, settings, opinions=opinions)

    assert withheld("b.") == "frames_not_needed"
    assert withheld("A") == ""
    assert reason_of(played(task), task, settings) == "not_judged"
    assert reason_of(played(task, calls=()), task, settings) == ""


def test_copies_on_the_same_video_are_dropped_and_on_other_videos_kept():
    one, other = choice("t1"), choice("t2")
    copies = [played(one, attempt=0), played(one, attempt=1), played(other)]
    kept, funnel = keep(copies, [one, other])
    assert {t.task_id for t in kept} == {"t1", "t2"}
    assert funnel.reasons == {"duplicate": 1}


def test_the_attempts_with_fewer_calls_are_kept_of_a_task():
    task = choice()
    attempts = [
        played(task, calls=((1, 9), (40, 60)), attempt=0, thought="After two looks, far side."),
        played(task, attempt=1, thought="One look was enough to see the far side win it."),
        played(task, calls=((5, 9), (70, 90), (40, 50)), attempt=2, thought="Three looks in all."),
    ]
    kept, _ = keep(attempts, [task], FilterSettings(max_per_task=2))
    assert [t.attempt for t in kept] == [0, 1]


def test_no_source_has_more_than_its_share():
    assert source_limits({"a": 100, "b": 10, "c": 10}, 0.5, None) == {"a": 20, "b": 10, "c": 10}
    assert source_limits({"a": 100, "b": 10}, 0.1, None) == {"a": 10, "b": 10}
    assert source_limits({"a": 100}, 0.3, None) == {"a": 100}
    assert source_limits({"a": 100, "b": 10}, 1.0, 30) == {"a": 30, "b": 10}


def test_balance_does_not_depend_on_the_order_of_the_list():
    tasks = [choice(f"a{i}", "a") for i in range(9)] + [choice(f"b{i}", "b") for i in range(3)]
    rows = [played(task) for task in tasks]
    settings = FilterSettings(max_source_share=0.5)
    kept, funnel = keep(rows, tasks, settings)
    again, _ = keep(rows[::-1], tasks, settings)
    assert funnel.reasons == {"enough_of_source": 6}
    assert {t.task_id for t in kept} == {t.task_id for t in again}


def test_the_funnel_adds_up_and_prints_every_reason():
    task, other = choice("t1"), choice("t2")
    rows = [played(task), played(other, "A"), played(other, attempt=1, status=Status.BUDGET)]
    _, funnel = keep(rows, [task, other])
    record = funnel.to_json()
    assert record["entered"] == 3
    assert record["kept"] == 1
    assert funnel.entered - funnel.reasons.total() == funnel.kept
    assert funnel.objections["t2", 0].reason == "wrong_answer"
    assert "ended_budget 1" in str(funnel)
    assert "wrong_answer 1" in str(funnel)


def test_a_trajectory_of_another_task_content_is_an_error():
    task = choice()
    with pytest.raises(RecordFormatError, match="made for content"):
        keep([played(task, task_hash="0" * 64)], [task])
    with pytest.raises(RecordFormatError, match="no such task"):
        keep([played(task)], [])
    with pytest.raises(RecordFormatError, match="occurs twice"):
        keep([played(task), played(task)], [task])


def test_settings_are_checked_and_survive_their_file():
    with pytest.raises(SettingsError, match="no filter preset"):
        preset("paper-v3")
    with pytest.raises(SettingsError, match="max_source_share"):
        FilterSettings(max_source_share=0)
    with pytest.raises(SettingsError, match="unknown filter settings"):
        FilterSettings.from_json({"min_scor": 1})
    for name in ("plain", "paper-v1", "paper-v2"):
        assert FilterSettings.from_json(preset(name).to_json()) == preset(name)
