"""Presets: their tables by hand, what they admit, and two collapses that were seen in training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deepsport.protocol import render_answer, render_call, render_turn
from deepsport.reward import PRESETS, Preset, RolloutText, advantages, score_rollouts, weighted
from deepsport.reward.behaviour import (
    BEHAVIOURS,
    HACKS,
    hack_table,
    payment,
    payment_table,
    sample_class_table,
)
from deepsport.task import Truth

DOCS = Path(__file__).parents[2] / "docs" / "rewards.md"


def totals(preset: str | Preset, *items: RolloutText) -> list[float]:
    return [round(float(total), 12) for total in score_rollouts(items, preset).total]


def rollout(answer: str, *windows: tuple[int, int], thought: str = "look", **more) -> RolloutText:
    turns = [render_turn(f"from {a} to {b}", render_call((a, b))) for a, b in windows]
    turns.append(f"<think>{thought}</think>{render_answer(answer)}")
    fields = {"kind": "choice", "truth": Truth(labels=("B",)), "frame_count": 300, **more}
    return RolloutText(turns=tuple(turns), **fields)


@pytest.mark.parametrize(
    ("solved", "payments"),
    [
        (True, [1.55, 1.05, 0.05, 0.05]),  # Direct
        (None, [1.55, 1.55, 0.05, 0.05]),  # Adaptive
        (False, [1.05, 1.55, 0.05, 0.25]),  # Active
    ],
)
def test_videobrain_pays_by_its_published_table(solved, payments):
    items = [rollout("B"), rollout("B", (30, 90)), rollout("A"), rollout("A", (30, 90))]
    assert totals("videobrain", *(replace(i, solved_at_first=solved) for i in items)) == payments


def test_videobrain_gives_no_bonus_for_partial_credit_and_nothing_for_blank_thoughts():
    partial = rollout("B", (30, 90), accuracy=0.9)
    assert totals("videobrain", partial, replace(partial, solved_at_first=False)) == [0.95, 1.15]
    assert totals("videobrain", rollout("B", thought=" ")) == [0.0]


def test_deepsport_v2_rewards_the_tool_where_the_first_frames_fail():
    looked, guessed = rollout("B", (30, 90)), rollout("B")
    assert totals("deepsport-v2", replace(looked, solved_at_first=False)) == [1.5]
    assert totals("deepsport-v2", replace(guessed, solved_at_first=False)) == [1.0]
    assert totals("deepsport-v2", replace(looked, solved_at_first=True)) == [1.0]
    assert totals("deepsport-v2", replace(guessed, solved_at_first=True)) == [1.5]


def test_deepeyes_needs_more_than_half_right_for_its_bonus():
    half, more = rollout("B", (30, 90), accuracy=0.5), rollout("B", (30, 90), accuracy=0.6)
    assert totals("deepeyes", half, more) == [0.4, 1.68]


def test_framethinker_wants_the_range_at_the_end_of_the_thought():
    said = rollout("B", (30, 90))
    other = RolloutText(
        turns=(render_turn("30 to 80", render_call((30, 90))), *rollout("B").turns),
        kind="choice",
        truth=Truth(labels=("B",)),
        frame_count=300,
    )
    assert totals("framethinker", said, other, rollout("B", (30, 38)), rollout("B", (30, 39))) == [
        1.02,
        0.0,
        0.0,
        1.02,
    ]


def test_temporal_dual_adds_the_overlap_of_the_windows_with_the_event():
    item = rollout("B", (90, 150), evidence=((100, 130),))
    assert totals("temporal-dual", item, replace(item, evidence=())) == [1.5, 1.0]


def test_consistency_pays_a_right_answer_that_its_thought_names():
    named, other = rollout("B", thought="So it is B."), rollout("B", thought="So it is A.")
    assert totals("consistency", named, other) == [1.0, 0.8]


def test_a_weighted_sum_of_parts_is_a_preset():
    item = rollout("B", (90, 150), thought="B", evidence=((100, 130),))
    repeated = rollout("B", (90, 150), (90, 150), evidence=((100, 130),))
    mine = weighted(
        "mine", accuracy=0.5, well_formed=0.1, used_tool=0.02, used_tool_and_right=0.2,
        window_hit=0.04, evidence_iou=0.08, consistent=1.0, malformed=-0.3,
    )  # fmt: skip
    # 0.5 + 0.1 + 0.02 + 0.2 + 0.04 + 0.08 * 30 / 60 + 1
    assert totals(mine, item, repeated) == [1.9, -0.3]
    assert totals(weighted("plain"), repeated) == [1.0]


def test_guarded_pays_narrow_windows_that_show_the_event():
    event = ((100, 130),)
    narrow = rollout("B", (100, 130), evidence=event)  # a tenth of the video: 1 + 0.5 * 0.9
    broad = rollout("B", (60, 180), evidence=event)  # two fifths: 1 + 0.5 * 0.6
    unknown = rollout("B", (100, 130))  # the event's time is unknown: 1 + 0.25 * 0.9
    assert totals("deepsport-guarded", narrow, broad, unknown) == [1.45, 1.3, 1.225]
    many = rollout("B", (100, 130), (2, 80), (140, 200), evidence=event)  # together over half
    assert totals("deepsport-guarded", many, rollout("B", thought="\n")) == [1.0, -0.05]


def test_guarded_pays_nothing_unwanted():
    for name, admits in HACKS.items():
        assert not admits(lambda b, r: payment("deepsport-guarded", b, right=r)), name


@pytest.mark.parametrize("preset", PRESETS)
def test_a_right_answer_is_never_paid_less_than_a_wrong_one(preset):
    for behaviour in BEHAVIOURS:
        assert payment(preset, behaviour, right=True) >= payment(preset, behaviour, right=False)


@pytest.mark.parametrize("table", [payment_table, sample_class_table, hack_table])
def test_the_tables_in_the_docs_are_what_the_code_pays(table):
    assert table() in DOCS.read_text(encoding="utf-8")


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_every_preset_names_its_source_in_the_docs(preset):
    assert f"`{preset.name}`" in DOCS.read_text(encoding="utf-8")
    assert preset.source


# --- collapses seen in training ------------------------------------------------------------------


def answer_after(window: tuple[int, int] | None, event: tuple[int, int], rng) -> str:
    """Right when a shown frame lies in the event, else a guess among four."""
    seen = window is not None and any(
        event[0] <= frame < event[1]
        for frame in np.linspace(window[0] + 1, window[1] - 1, 8).astype(int)
    )
    return "B" if seen or rng.random() < 0.25 else "A"


def mean_total(preset: str, choose_window) -> float:
    rng = np.random.default_rng(11)
    items = []
    for _ in range(400):
        start = int(rng.integers(0, 270))
        event = (start, start + 30)
        window = choose_window(event, rng)
        items.append(rollout(answer_after(window, event, rng), window, evidence=(event,)))
    return float(score_rollouts(items, preset).total.mean())


def widest(event, rng):
    return (2, 300)


def guided(event, rng):
    """Finds the right 60 frames four times in ten, as a policy that has begun to learn."""
    if rng.random() < 0.4:
        start = max(2, event[0] - 15)
    else:
        start = int(rng.integers(2, 240))
    return (start, min(300, start + 60))


def test_the_wide_window_hack_pays_under_v1_and_not_under_guarded():
    assert mean_total("deepsport-v1", widest) > mean_total("deepsport-v1", guided)
    assert mean_total("deepsport-guarded", widest) < mean_total("deepsport-guarded", guided)


def train_bandit(preset: str) -> float:
    """GRPO on two choices, whether to call and whether the call is one the tool accepts.

    The policy starts as after a poor cold start: it calls four times in five, and nine of ten calls
    are refused. A refused caller answers from the first frames, right a quarter of the time; one
    who looked is right nine times in ten. Writing a window that is accepted is learnt more slowly than
    whether to write one. Returns the final probability to call.
    """
    rng = np.random.default_rng(3)
    call_logit, valid_logit = np.log(4.0), np.log(1 / 9)
    for _ in range(60):
        p_call, p_valid = 1 / (1 + np.exp(-call_logit)), 1 / (1 + np.exp(-valid_logit))
        calls = rng.random(64 * 8) < p_call
        valid = rng.random(64 * 8) < p_valid
        right = rng.random(64 * 8) < np.where(calls & valid, 0.9, 0.25)
        items = [
            rollout(
                "B" if r else "A",
                *([(90, 150) if v else (150, 90)] if c else []),
                evidence=((100, 130),),
            )
            for c, v, r in zip(calls, valid, right, strict=True)
        ]
        advantage = advantages(score_rollouts(items, preset).total, 8)
        call_logit += 2 * np.mean(advantage * (calls - p_call))
        valid_logit += 0.5 * np.mean(advantage * calls * (valid - p_valid))
    return float(1 / (1 + np.exp(-call_logit)))


def test_refused_calls_make_v1_abandon_the_tool_and_guarded_keep_it():
    assert train_bandit("deepsport-v1") < 0.1
    assert train_bandit("deepsport-guarded") > 0.9
