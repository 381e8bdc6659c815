"""The core against the plain Python specification: random texts, rollouts and groups."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from deepsport._core import reward as core
from deepsport.protocol import (
    Action,
    Argument,
    ArgumentKind,
    Reason,
    WindowUnit,
    render_call,
)
from deepsport.reward import (
    RewardSettings,
    RolloutText,
    advantages,
    edit_ratio,
    exact_match,
    read_letters,
    read_spans,
    reference,
    rouge_l,
    score_rollouts,
    span_iou,
    token_f1,
)
from deepsport.task import Kind, Span, Truth

few_words = st.lists(
    st.sampled_from(
        ["serve", "Smash", "the", "net", "é", "Mbappé", "player's", "3rd", "—", "\u00a0"]
    ),
    max_size=150,
).map(" ".join)
texts = st.text(st.characters(codec="utf-8"), max_size=60) | few_words
MEASURES = [exact_match, token_f1, rouge_l, edit_ratio]


@pytest.mark.parametrize("measure", MEASURES, ids=lambda m: m.__name__)
@settings(deadline=None)
@given(pairs=st.lists(st.tuples(texts, texts), max_size=8))
def test_text_measures_are_bit_for_bit_the_specification(measure, pairs):
    answers, references = [a for a, _ in pairs], [b for _, b in pairs]
    expected = [getattr(reference, measure.__name__)(a, b) for a, b in pairs]
    assert measure(answers, references).tolist() == expected


def test_text_measures_agree_on_texts_longer_than_a_machine_word():
    rng = random.Random(5)
    pairs = []
    for _ in range(30):
        one = [rng.choice("abcdefgh") for _ in range(rng.randrange(60, 400))]
        other = one[rng.randrange(20) :]
        for _ in range(rng.randrange(60)):
            other[rng.randrange(len(other))] = rng.choice("abcdefgh")
        pairs.append((" ".join(one), " ".join(other)))
    answers, references = map(list, zip(*pairs, strict=True))
    for measure in MEASURES:
        expected = [getattr(reference, measure.__name__)(a, b) for a, b in pairs]
        assert measure(answers, references).tolist() == expected


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["serve", "Smash", "the-net,", "3rd.", "U.S.", "x_y"]), max_size=90),
    st.lists(st.sampled_from(["serve", "smash", "the", "net", "3rd", "u", "s"]), max_size=90),
)
def test_rouge_l_is_that_of_the_rouge_score_package_on_ascii(answer, right):
    answer, right = " ".join(answer), " ".join(right)
    expected = rouge_scorer.RougeScorer(["rougeL"]).score(right, answer)["rougeL"].fmeasure
    assert rouge_l([answer], [right])[0] == pytest.approx(expected, abs=1e-15)


letter_text = st.text(st.sampled_from("ABCZabd ().:,-*'é]and\n"), max_size=12) | st.lists(
    st.sampled_from(
        ["The", "answer", "is", "A", "B", "(C)", "and", "not", "AC", "foul", "B.", "\\boxed{B}"]
    ),
    max_size=5,
).map(" ".join)


@given(
    letter_text,
    st.booleans(),
    st.lists(st.sampled_from(["foul", "a foul", "A", "net"]), max_size=5),
)
def test_letters_are_read_as_specified(answer, several, options):
    assert read_letters(answer, options, several=several) == reference.read_letters(
        answer, options, several=several
    )


number_text = st.text(st.sampled_from("0123459.,:-\u2212 )aQ"), max_size=16)


@given(number_text, st.booleans(), st.booleans(), st.booleans())
def test_numbers_are_read_as_specified(text, signs, thousands, clock):
    style = {"signs": signs, "thousands": thousands, "clock": clock}
    assert core.read_numbers(text, **style) == reference.read_numbers(text, **style)


@given(number_text)
def test_spans_are_read_as_specified(text):
    assert read_spans(text) == reference.read_spans(text)


spans = st.lists(
    st.tuples(st.floats(0, 100), st.floats(0.001, 50)).map(lambda s: (s[0], s[0] + s[1])),
    max_size=6,
)


@given(spans, spans)
def test_span_iou_is_the_specification_bit_for_bit(one, other):
    value = span_iou(one, other)
    assert value == reference.span_iou(one, other)
    assert value == pytest.approx(span_iou(other, one), abs=1e-12)
    assert 0 <= value <= 1 + 1e-12
    if one:
        assert span_iou(one, one) == pytest.approx(1)


windows = st.tuples(st.integers(-3, 120), st.integers(-3, 130))
thoughts = st.sampled_from(
    [
        "look",
        "",
        " ",
        "frames 10 to 40",
        "so B",
        "A player, then yes",
        "it is 3",
        "no, C",
        "I see 1:05",
    ]
)
calls = windows.map(render_call) | st.sampled_from(
    [
        "<tool_call>{}</tool_call>",
        "<tool_call>[",
        '<tool_call>{"action":"zoom"}</tool_call>',
        "text",
    ]
)
answers = st.sampled_from(
    ["A", "B", "(C)", "A and B", "AB", "yes", "No.", "3", "three", "-3", "1:05", "10-40", "12-20, 30 to 31",
     "serve, smash", "1. serve > net", "the player serves at the net", "é", "B. foul", "a foul", "A</think>B"]
)  # fmt: skip


@st.composite
def rollouts(draw):
    turns = [
        f"<think>{draw(thoughts)}</think>{draw(calls)}" for _ in range(draw(st.integers(0, 4)))
    ]
    if draw(st.integers(0, 9)):
        turns.append(f"<think>{draw(thoughts)}</think><answer>{draw(answers)}</answer>")
    if not draw(st.integers(0, 9)):
        turns.append(
            draw(st.sampled_from([b"\xff", "<answer>B", "", "<think>x</think>a<answer>B</answer>"]))
        )
    kind = draw(st.sampled_from(Kind))
    letters = draw(
        st.lists(st.sampled_from("ABC"), min_size=1, max_size=1 if kind is Kind.CHOICE else 3)
    )
    truth = {
        Kind.CHOICE: Truth(labels=tuple(letters)),
        Kind.MULTI_CHOICE: Truth(labels=tuple(letters)),
        Kind.FEEDBACK: Truth(labels=tuple(letters)),
        Kind.YES_NO: Truth(labels=draw(st.sampled_from([("yes",), ("no",)]))),
        Kind.NUMBER: Truth(value=draw(st.sampled_from([3.0, 65.0, -3.0])), tolerance=0.5, unit=draw(st.sampled_from(["", "s"]))),
        Kind.RATING: Truth(value=4.0, tolerance=draw(st.sampled_from([0.0, 1.0])), scale=draw(st.sampled_from([None, (0.0, 10.0)]))),
        Kind.INTERVAL: Truth(spans=(Span(11.0, 35.0), Span(30.0, 50.0))),
        Kind.EVENTS: Truth(labels=("Serve", "net")),
        Kind.TEXT: Truth(references=("The player serves.", "a smash at the net")),
    }[kind]  # fmt: skip
    return RolloutText(
        turns=tuple(turns),
        kind=kind,
        truth=truth,
        options=draw(st.sampled_from([(), ("a foul", "no foul", "foul"), ("x", "y")])),
        frame_count=draw(st.sampled_from([0, 100])),
        calls=draw(st.sampled_from([None, None, 0, 1, 2])),
        windows=draw(st.sampled_from([None, None, (), ((10, 40),)])),
        evidence=draw(st.sampled_from([(), ((20, 30),), ((0, 2), (90, 100))])),
        accuracy=draw(st.sampled_from([None, None, None, 0.25])),
        shown=draw(st.sampled_from([None, None, (), (19, 30), (3, 29)])),
    )


@settings(deadline=None, max_examples=300)
@given(st.lists(rollouts(), max_size=20), st.integers(1, 3))
def test_rollouts_are_scored_as_specified_on_any_number_of_threads(items, threads):
    parts = score_rollouts(items, threads=threads)
    for row, item in enumerate(items):
        expected = reference.score_rollout(item)
        assert (parts.reason[row] == 0) == expected.pop("well_formed"), item
        assert (parts.text_reason[row] == 0) == expected.pop("text_well_formed"), item
        for name, value in expected.items():
            assert getattr(parts, name)[row] == value, (name, item)


ZOOM = Action(
    "zoom",
    "",
    (
        Argument("frame", ArgumentKind.INTEGER),
        Argument("region", ArgumentKind.NUMBERS, least=4, most=4),
        Argument("why", ArgumentKind.TEXT, required=False),
    ),
    {"frame": 1, "region": [0, 0, 1, 1]},
)
DETECT = Action(
    "detect", "", (Argument("frame_range", ArgumentKind.WINDOW),), {"frame_range": [1, 2]}
)
json_values = st.sampled_from(
    [1, 2.5, "3", None, True, [1, 2, 3, 4], [1, 2.5, 3, 4], [1, 2], ["1"], {}]
)
other_calls = st.builds(
    lambda name, members: f"<tool_call>{json.dumps({'action': name, **members})}</tool_call>",
    st.sampled_from(["zoom", "detect", "choose_frames", "fly"]),
    st.dictionaries(
        st.sampled_from(["frame", "region", "why", "frame_range", "time_range"]),
        json_values,
        max_size=4,
    ),
)
verdicts = st.lists(
    st.sampled_from(
        [Reason.OK, Reason.WINDOW_REPEATED, Reason.REGION_EMPTY, Reason.CALL_OVER_BUDGET]
    ),
    max_size=4,
).map(tuple)


@settings(deadline=None, max_examples=200)
@given(rollouts(), st.lists(other_calls, max_size=3), verdicts, st.sampled_from(WindowUnit))
def test_tools_units_and_verdicts_are_scored_as_specified(item, calls, said, unit):
    turns = (*(f"<think>at 1 to 2.5</think>{call}" for call in calls), *item.turns)
    item = replace(item, turns=turns, verdicts=said)
    rules = RewardSettings(actions=("choose_frames", ZOOM, DETECT), unit=unit)
    parts = score_rollouts([item], settings=rules)
    expected = reference.score_rollout(item, rules)
    assert (parts.reason[0] == 0) == expected.pop("well_formed")
    assert (parts.text_reason[0] == 0) == expected.pop("text_well_formed")
    for name, value in expected.items():
        assert getattr(parts, name)[0] == value, name


@given(
    st.lists(st.tuples(st.floats(-2, 2), st.integers(0, 4), st.booleans()), max_size=40),
    st.sampled_from(["grpo", "dr-grpo", "leave-one-out"]),
)
def test_advantages_are_as_specified_to_a_few_ulps(rows, scheme):
    rewards, groups, masked = ([row[i] for row in rows] for i in range(3))
    found = advantages(rewards, groups, masked, scheme)
    expected = reference.advantages(rewards, groups, masked, scheme)
    # The same sums in the same order; only sqrt, division and ** may round differently.
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
