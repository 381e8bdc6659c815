"""Rewards by hand-made examples: answers of every kind, the paper's equations, groups, faults."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from deepsport.errors import SettingsError
from deepsport.protocol import ProtocolForm, Reason, render_answer, render_call
from deepsport.reward import (
    MovingScale,
    RewardSettings,
    RolloutText,
    advantages,
    edit_ratio,
    evidence_frames,
    matched_iou,
    moving_advantages,
    read_letters,
    read_spans,
    recall_at_iou,
    rollout_text,
    rouge_l,
    score_rollouts,
    span_iou,
    temporal_iou,
    token_f1,
)
from deepsport.reward.rollout import _KIND_CODES
from deepsport.task import Kind, Media, Span, Task, Truth
from deepsport.trajectory import (
    IMAGE_MARK,
    CallRecord,
    Fault,
    FrameRef,
    Status,
    Trajectory,
    Turn,
)

THINK = "<think>look</think>"


def turns(answer: str, *windows: tuple[int, int]) -> tuple[str, ...]:
    return (*(THINK + render_call(w) for w in windows), THINK + render_answer(answer))


def choice(answer: str, *windows: tuple[int, int], **more) -> RolloutText:
    fields = {"kind": "choice", "truth": Truth(labels=("B",)), "frame_count": 300, **more}
    return RolloutText(turns=turns(answer, *windows), **fields)


def accuracy(answer: str, kind: str, truth: Truth, **more) -> float:
    item = RolloutText(turns=turns(answer), kind=kind, truth=truth, **more)
    return float(score_rollouts([item]).accuracy[0])


def test_the_papers_equations_hold_case_by_case():
    rollouts = [
        choice("B", (30, 90)),  # right with the tool: 1 + 0.5
        choice("A", (30, 90)),  # wrong with the tool: curiosity
        choice("B"),  # right without
        choice("A"),  # wrong without
        choice("B", (30, 90), (30, 90)),  # a repeated window is a format error
        choice("B", (30, 90), accuracy=0.6),  # judged 0.6: 0.6 + 0.3
        choice("B", (30, 90), accuracy=0.4),  # below the gate: 0.4 + 0.03
    ]
    parts = score_rollouts(rollouts)
    np.testing.assert_allclose(parts.total, [1.5, 0.03, 1.0, 0.0, -0.05, 0.9, 0.43], rtol=1e-15)
    assert parts.tool.tolist() == [0.5, 0.03, 0.0, 0.0, 0.5, 0.3, 0.03]
    assert parts.format.tolist() == [1, 1, 1, 1, 0, 1, 1]
    assert parts.calls.tolist() == [1, 1, 0, 0, 1, 1, 1]
    assert parts.reason[4] == Reason.WINDOW_REPEATED
    assert parts.reason_turn.tolist() == [-1, -1, -1, -1, 1, -1, -1]


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ((), Reason.ROLLOUT_EMPTY),
        ((THINK + render_call((1, 9)),), Reason.ROLLOUT_UNANSWERED),
        ((THINK + "<answer>B</answer>", THINK + "<answer>B</answer>"), Reason.ROLLOUT_GOES_ON),
        ((THINK + render_call((90, 30)), THINK + "<answer>B</answer>"), Reason.WINDOW_REVERSED),
        (("<answer>B</answer>",), Reason.THINK_MISSING),
        ((THINK + "<answer>B",), Reason.ANSWER_UNCLOSED),
        ((THINK + render_call((1, 9)), "cut off"), Reason.THINK_MISSING),
    ],
)
def test_a_rollout_is_malformed_for_a_stated_reason(texts, reason):
    parts = score_rollouts(
        [RolloutText(turns=texts, kind="choice", truth=Truth(labels=("B",)), frame_count=300)]
    )
    assert parts.reason[0] == reason
    assert parts.total[0] == -0.05


def test_calls_that_were_executed_but_never_written_are_malformed():
    assert score_rollouts([choice("B", calls=1)]).reason[0] == Reason.ROLLOUT_CALLS_MISMATCH
    refused = choice("B", (30, 90), calls=0)
    assert score_rollouts([refused]).total[0] == 1.0


def test_accuracy_is_told_also_where_the_format_is_broken():
    item = RolloutText(
        turns=("no thought <answer>B</answer>",), kind="choice", truth=Truth(labels=("B",))
    )
    parts = score_rollouts([item])
    assert parts.accuracy[0] == 1.0
    assert parts.total[0] == -0.05


@pytest.mark.parametrize(
    ("answer", "letters", "rule"),
    [
        ("B", "B", "label"),
        (" (b) ", "B", "label"),
        ("**B**", "B", "label"),
        ("\\boxed{B}", "B", "label"),
        ("Option B", "B", "label"),
        ("The correct answer is B.", "B", "label"),
        ("A and C", "AC", "label"),
        ("B. penalty kick", "B", "anchor"),
        ("(B) penalty kick", "B", "anchor"),
        ("Penalty kick!", "C", "option_text"),
        ("A player is offside", "", "none"),
        ("not B", "", "none"),
        ("I think so", "", "none"),
        ("E", "", "none"),
        ("foul", "", "none"),  # two options read "foul"
        ("It could be A or B", "", "none"),
    ],
)
def test_letters_are_found_and_never_guessed(answer, letters, rule):
    options = ("foul", "Foul.", "penalty kick", "offside")
    assert read_letters(answer, options) == (frozenset(letters), rule)


@pytest.mark.parametrize(
    ("answer", "right"),
    [("A,C", 1), ("C and A", 1), ("AC", 1), ("A", 0), ("A, B, C", 0), ("CA", 0)],
)
def test_several_right_options_are_wanted_all_and_only(answer, right):
    assert accuracy(answer, "multi_choice", Truth(labels=("A", "C"))) == right


def test_feedback_counts_what_is_partly_right():
    truth = Truth(labels=("A", "C"))
    assert accuracy("A, C", "feedback", truth) == 1
    assert accuracy("A, B, D", "feedback", truth) == pytest.approx(0.4)  # P 1/3, R 1/2


def test_every_kind_of_task_has_a_score():
    assert set(_KIND_CODES) == set(Kind)


def test_naming_two_letters_of_a_single_choice_is_wrong():
    assert accuracy("A, B", "choice", Truth(labels=("B",))) == 0


@pytest.mark.parametrize(
    ("answer", "right"),
    [("Yes", 1), ("yes, he is", 1), ("The answer is yes.", 1), ("no", 0), ("maybe yes", 0)],
)
def test_yes_or_no_is_the_first_word(answer, right):
    assert accuracy(answer, "yes_no", Truth(labels=("yes",))) == right


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("1,234", 1),
        ("1234.4 points", 1),
        ("about 1233.5", 1),
        ("1233.4", 0),
        ("1234 (1234)", 1),
        ("1234 or 1235", 0),
        ("-1234", 0),
        ("none", 0),
    ],
)
def test_a_number_is_right_within_its_tolerance(answer, right):
    assert accuracy(answer, "number", Truth(value=1234.0, tolerance=0.5)) == right


def test_a_tolerance_holds_in_decimal():
    assert abs(1.6 - 1.5) > 0.1  # in binary
    assert accuracy("1.6", "number", Truth(value=1.5, tolerance=0.1)) == 1


def test_number_words_and_clock_times_are_numbers():
    assert accuracy("Three.", "number", Truth(value=3.0)) == 1
    assert accuracy("1:05", "number", Truth(value=65.0, unit="s")) == 1
    assert accuracy("1:05", "number", Truth(value=65.0)) == 0


@pytest.mark.parametrize(
    ("answer", "score"), [("7", 1), ("8", 0.5), ("6.5", 0.75), ("9", 0), ("11", 0)]
)
def test_a_rating_falls_linearly_and_is_half_right_at_its_tolerance(answer, score):
    assert accuracy(answer, "rating", Truth(value=7.0, tolerance=1.0, scale=(0, 10))) == score


@pytest.mark.parametrize(
    ("answer", "iou"),
    [
        ("10-20", 1),
        ("from 15 s to 25 s", 1 / 3),
        ("[[0, 10]]", 0),
        ("0:15 - 0:20", 0.5),
        ("20-10", 0),
        ("10", 0),
        ("10-12, 14-20", 0.8),
    ],
)
def test_an_interval_is_scored_by_its_iou(answer, iou):
    truth = Truth(spans=(Span(10, 20),))
    assert accuracy(answer, "interval", truth) == pytest.approx(iou, abs=1e-15)


def test_spans_of_a_hedging_list_are_not_read():
    assert read_spans(", ".join(f"{i}-{i}.5" for i in range(64))) is not None
    assert read_spans(", ".join(f"{i}-{i}.5" for i in range(65))) is None


def test_events_are_compared_in_their_order():
    truth = Truth(labels=("serve", "net cord", "smash"))
    assert accuracy("1. Serve, 2. net-cord, 3. smash", "events", truth) == 1
    assert accuracy("serve > smash", "events", truth) == pytest.approx(2 / 3)
    assert accuracy("smash → net cord → serve", "events", truth) == pytest.approx(1 / 3)


def test_text_measures_by_hand():
    # the cat sat / the cat was here: 2 shared words, LCS 2 -> P 2/3, R 2/4, F 4/7
    assert token_f1(["The cat sat."], ["the cat was here"])[0] == pytest.approx(4 / 7)
    assert rouge_l(["The cat sat."], ["the cat was here"])[0] == pytest.approx(4 / 7)
    assert rouge_l(["sat cat the"], ["the cat sat"])[0] == pytest.approx(1 / 3)
    assert edit_ratio(["kitten"], ["sitting"])[0] == pytest.approx(4 / 7)
    assert edit_ratio([""], [""])[0] == 1


def test_an_open_answer_takes_its_best_reference():
    item = RolloutText(
        turns=turns("a smash"), kind=Kind.TEXT, truth=Truth(references=("net", "a smash"))
    )
    parts = score_rollouts([item])
    assert (parts.accuracy[0], parts.exact[0], parts.token_f1[0]) == (1, 1, 1)


def test_a_very_long_answer_is_cut_not_compared_whole():
    answer = "é " * 200_000
    item = RolloutText(turns=turns(answer), kind=Kind.TEXT, truth=Truth(references=("é",)))
    words = 32768 // 3 + 1  # 32,768 bytes hold 10,922 "é " and the 2 bytes of another
    assert score_rollouts([item]).token_f1[0] == pytest.approx(2 / (words + 1))


def test_windows_are_compared_with_the_evidence():
    near, beside, wide = (
        choice("B", window, evidence=((100, 110),)) for window in ((90, 120), (10, 60), (2, 300))
    )
    parts = score_rollouts([near, beside, wide])
    assert parts.window_hit.tolist() == [True, False, False]  # 8 frames of 298 jump over ten
    np.testing.assert_allclose(parts.evidence_iou, [10 / 30, 0, 10 / 298])
    np.testing.assert_allclose(parts.window_share, [0.1, 50 / 300, 298 / 300])
    assert parts.shortest_window.tolist() == [30, 50, 298]


def test_windows_really_shown_count_instead_of_those_asked_for():
    narrowed = choice("B", (2, 300), windows=((100, 130),), evidence=((100, 110),))
    parts = score_rollouts([narrowed])
    assert parts.window_hit[0]
    assert parts.window_frames[0] == 30


def test_evidence_is_seen_in_frames_that_were_shown_and_in_no_others():
    window = {"windows": ((90, 120),), "evidence": ((100, 110),)}
    cut = choice("B", (90, 120), shown=(90, 94), **window)  # a budget left two frames of eight
    seen = choice("B", (90, 120), shown=(90, 109), **window)
    unshown = choice("B", (90, 120), shown=(), **window)  # `detect` answers in words
    elsewhere = choice(
        "B", windows=(), evidence=((100, 110),), shown=(104,)
    )  # `zoom` has no window
    parts = score_rollouts([cut, seen, unshown, elsewhere])
    assert parts.window_hit.tolist() == [False, True, False, True]
    assert parts.evidence_iou[:3].tolist() == [10 / 30] * 3
    with pytest.raises(SettingsError, match="frame -1 is said to be shown; valid is 0"):
        score_rollouts([choice("B", shown=(-1,))])


def test_a_trajectory_tells_which_frames_the_tool_showed():
    task = Task("t1", Kind.CHOICE, "Who?", Truth(labels=("B",)), (Media("a.mp4"),), ("x", "y"))
    look, answer = turns("B", (90, 120))
    call = CallRecord("choose_frames", {"frame_range": [90, 120]}, (90, 120), verdict="ok")
    conversation = (  # a budget of frames left two of eight
        Turn("user", IMAGE_MARK, (FrameRef(105, 3.5),)),
        Turn("assistant", look, call=call),
        Turn("tool", IMAGE_MARK * 2, (FrameRef(91, 3.0), FrameRef(93, 3.1))),
        Turn("assistant", answer),
    )
    trajectory = Trajectory("t1", "", "p", 0, conversation, Status.ANSWERED, answer="B")
    item = rollout_text(task, trajectory, frame_count=300, evidence=((100, 110),))
    assert item.windows == ((90, 120),)
    assert item.shown == (91, 93)  # not the first frames, which nobody looked for
    assert not score_rollouts([item]).window_hit[0]


def test_native_calls_are_read_with_the_native_setting():
    call = render_call((30, 90), ProtocolForm.NATIVE)
    item = RolloutText(
        turns=(THINK + call, THINK + "<answer>B</answer>"),
        kind="choice",
        truth=Truth(labels=("B",)),
    )
    assert score_rollouts([item]).total[0] == -0.05
    native = RewardSettings(form=ProtocolForm.NATIVE)
    assert score_rollouts([item], settings=native).total[0] == 1.5


def test_a_masked_rollout_earns_nothing_and_its_truth_is_not_asked_for():
    parts = score_rollouts(
        [
            choice("B", (30, 90), masked=True),
            RolloutText(turns=(), kind="choice", truth=Truth(labels=("?!",)), masked=True),
        ]
    )
    for name in ("accuracy", "format", "tool", "total"):
        assert getattr(parts, name).tolist() == [0, 0]
    assert parts.masked.all()
    assert advantages(
        [*parts.total, 1.0, 0.0], 4, [True, True, False, False], "dr-grpo"
    ).tolist() == [0, 0, 0.5, -0.5]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"kind": "essay"}, "kind is 'essay'"),
        ({"kind": "choice"}, "valid are letters"),
        ({"kind": "choice", "truth": Truth(labels=("A", "B"))}, "or kind multi_choice"),
        ({"kind": "yes_no", "truth": Truth(labels=("maybe",))}, "valid are"),
        ({"kind": "number", "truth": Truth(value=math.nan)}, "finite number"),
        ({"kind": "number", "truth": Truth(value=1.0, tolerance=math.nan)}, "tolerance is nan"),
        ({"kind": "rating", "truth": Truth(value=1.0, scale=(5, 5))}, "low < high"),
        ({"frame_count": -1}, "valid are 0 and more"),
        ({"calls": -1}, "valid are 0 and more"),
        ({"windows": ((9, 3),)}, "window is"),
        ({"kind": "interval"}, "no span"),
        ({"kind": "events"}, "no event"),
        ({"kind": "text"}, "no reference"),
        ({"kind": "text", "accuracy": 1.5}, "valid is 0 to 1"),
        ({"kind": "choice", "truth": Truth(labels=("A",)), "evidence": ((5, 5),)}, "evidence"),
        ({"kind": "interval", "truth": Truth(spans=(Span(3, 3),))}, "start < stop"),
    ],
)
def test_a_truth_that_no_answer_could_meet_is_an_error_that_names_the_item(item, message):
    fine = choice("B")
    with pytest.raises(SettingsError, match=f"rollout 1.*{message}"):
        score_rollouts([fine, RolloutText(turns=("x",), **item)])


def test_one_text_instead_of_a_sequence_of_turns_is_an_error():
    with pytest.raises(SettingsError, match="sequence of texts"):
        score_rollouts([RolloutText(turns="<answer>B</answer>", kind="choice")])


def test_unknown_presets_and_threads_are_refused():
    with pytest.raises(SettingsError, match="deepsport-v1"):
        score_rollouts([], preset="v9")
    with pytest.raises(SettingsError, match="1 or more"):
        score_rollouts([], threads=0)


def test_an_empty_batch_has_empty_parts():
    assert len(score_rollouts([])) == 0


def test_order_of_a_batch_and_number_of_threads_do_not_matter():
    items = [choice("AB"[i % 2], (i, i + 20), evidence=((30, 40),)) for i in range(100)]
    one, many = score_rollouts(items), score_rollouts(items[::-1], threads=3)
    assert one.total.tolist() == many.total[::-1].tolist()
    assert one.window_hit.tolist() == many.window_hit[::-1].tolist()


def test_python_threads_may_score_at_the_same_time():
    batches = [[choice("AB"[(i + j) % 2], (j, i + 40)) for i in range(50)] for j in range(8)]
    alone = [score_rollouts(batch).total.tolist() for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = pool.map(lambda batch: score_rollouts(batch, threads=2).total.tolist(), batches)
        assert list(together) == alone


def test_a_trajectory_becomes_what_a_reward_reads():
    task = Task(
        "t1",
        Kind.CHOICE,
        "Which?",
        Truth(labels=("B",)),
        (Media("clip.mp4"),),
        ("a", "b"),
        family="foul",
    )
    asked = {"frame_range": [30, 90]}
    played = Trajectory(
        "t1", task.content_hash, "p", 0,
        (
            Turn("user", "Which?"),
            Turn("assistant", THINK + render_call((30, 90)), call=CallRecord("choose_frames", asked, (30, 90))),
            Turn("tool", "frames"),
            Turn("assistant", THINK + "<answer>B</answer>"),
        ),
        Status.ANSWERED, answer="B",
    )  # fmt: skip
    item = rollout_text(task, played, frame_count=300)
    assert (item.calls, item.windows, item.task, item.masked) == (1, ((30, 90),), "foul", False)
    assert score_rollouts([item]).total[0] == 1.5
    refused = Turn(
        "assistant",
        THINK + render_call((90, 30)),
        call=CallRecord("choose_frames", {}, rejected="no"),
    )
    guessed = Trajectory("t1", "", "p", 0, (refused, *played.turns[3:]), Status.ANSWERED)
    assert rollout_text(task, guessed).calls == 0
    failed = Trajectory("t1", "", "p", 0, (), Status.FAULT, fault=Fault("decode", "broken"))
    assert rollout_text(task, failed).masked


def test_evidence_in_seconds_becomes_the_frames_in_it():
    pts = np.arange(10) / 2.0
    spans = (Span(1.0, 2.0), Span(2.1, 2.4), Span(4.2, 99.0))
    assert evidence_frames(spans, pts) == ((2, 4), (9, 10))


# --- spans and groups ---


def test_iou_of_spans_by_hand():
    np.testing.assert_allclose(
        temporal_iou([[0, 10], [0, 10], [0, 1], [3, 3]], [[5, 15], [0, 10], [1, 2], [3, 3]]),
        [1 / 3, 1, 0, 0],
    )
    assert span_iou([(0, 10), (5, 20)], [(0, 20)]) == 1
    assert span_iou([(0, 1), (2, 3)], [(0, 3)]) == pytest.approx(2 / 3)
    assert span_iou([], []) == 0


def test_spans_are_matched_best_first_and_once():
    predicted, right = [(0, 10), (1, 9)], [(0, 9), (50, 60)]
    np.testing.assert_allclose(matched_iou(predicted, right), [0.9, 0])
    np.testing.assert_allclose(matched_iou([(0, 9), (1, 10)], [(0, 10), (0, 9)]), [0.9, 1])
    assert recall_at_iou([0.3, 0.6, 0.9, 0.0]) == {0.3: 0.75, 0.5: 0.5, 0.7: 0.25}


def test_advantages_by_hand():
    # mean 0.5; sample deviation sqrt(4 * 0.25 / 3)
    grpo = advantages([1, 0, 1, 0], 4)
    np.testing.assert_allclose(grpo, np.array([0.5, -0.5, 0.5, -0.5]) / (math.sqrt(1 / 3) + 1e-4))
    np.testing.assert_allclose(advantages([1, 0, 0], 3, scheme="leave-one-out"), [1, -0.5, -0.5])


def test_equal_rewards_and_lone_members_have_no_advantage():
    assert advantages([0.1, 0.1, 0.1], 3).tolist() == [0, 0, 0]
    assert advantages([0.7, 0.2], ["a", "b"]).tolist() == [0, 0]
    assert advantages([0.7, math.nan], 2, [False, True]).tolist() == [0, 0]


def test_a_masked_member_does_not_move_the_others():
    without = advantages([1, 0, 0.5], 3)
    with_masked = advantages([1, -99, 0, 0.5], 4, [False, True, False, False])
    assert with_masked.tolist() == [without[0], 0, without[1], without[2]]


def test_group_ids_may_be_interleaved():
    mixed = advantages([1, 5, 0, 7], ["x", "y", "x", "y"], scheme="dr-grpo")
    assert mixed.tolist() == [0.5, -1, -0.5, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2, 3], 2), "must divide"),
        (([1, 2], [0]), "1 group ids for 2"),
        (([1, math.inf], 2), "reward 1 is inf"),
        (([1, 2], 2, [True]), "mask of shape"),
        (([[1, 2]], 2), "one dimension"),
        (([1, 2], 2, None, "best"), "valid are grpo"),
    ],
)
def test_groups_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(SettingsError, match=message):
        advantages(*arguments)


def test_the_moving_scale_follows_each_task():
    rewards = [1, 0, 0.01, 0]
    tasks = ["hard", "hard", "easy", "easy"]
    found, scale = moving_advantages(rewards, 2, tasks, MovingScale())
    # first batch: moments of its own; std 0.5 and 0.005
    assert scale.std("hard") == pytest.approx(0.5)
    assert scale.std("easy") == pytest.approx(0.005)
    np.testing.assert_allclose(found, [1, -1, 1, -1], rtol=1e-3)
    later, scale = moving_advantages([1, 1, 0, 0], 2, tasks, scale)
    assert later.tolist() == [0, 0, 0, 0]
    mean, square = 0.99 * 0.5 + 0.01, 0.99 * 0.5 + 0.01
    assert scale.std("hard") == pytest.approx(math.sqrt(square - mean**2))


def test_a_group_beyond_the_guard_falls_back_to_its_own_deviation():
    calm = MovingScale({"t": (0.0, 1e-6)})
    found, _ = moving_advantages([1, 0], 2, ["t", "t"], calm)
    np.testing.assert_allclose(found, [1, -1], rtol=1e-5)


def test_masked_rows_leave_the_moving_scale_alone():
    found, scale = moving_advantages([9, 9], 2, ["t", "t"], MovingScale(), [True, True])
    assert found.tolist() == [0, 0]
    assert scale == MovingScale()
