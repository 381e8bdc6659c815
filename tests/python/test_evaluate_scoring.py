"""Answers are read by certain rules before tolerant ones, and never guessed."""

from __future__ import annotations

import itertools
import random
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsport.evaluate.caption import CiderD, corpus_bleu, rouge_l, tokens
from deepsport.evaluate.choice import read_choice, read_yes_no
from deepsport.evaluate.events import Event, edit_score, element_f1, read_events
from deepsport.evaluate.interval import read_spans, span_iou
from deepsport.evaluate.number import read_number
from deepsport.evaluate.rating import relative_l2, spearman
from deepsport.evaluate.scoring import score, score_answer
from deepsport.evaluate.spotting import LOOSE_SECONDS, TIGHT_SECONDS, average_map
from deepsport.evaluate.verdict import Outcome, Verdict
from deepsport.task import Kind, Media, Span, Task, Truth
from deepsport.trajectory import Fault, Status, Trajectory, Turn

SHOTS = ("Clear", "Cross-court net shot", "Net shot", "Smash")


@pytest.mark.parametrize(
    ("answer", "letter", "rule"),
    [
        ("B", "B", "label"),
        ("b", "B", "label"),
        (" (B) ", "B", "label"),
        ("B.", "B", "label"),
        ("**B**", "B", "label"),
        ("\\boxed{B}", "B", "label"),
        ("$\\boxed{\\text{B}}$", "B", "label"),
        ("Option B", "B", "label"),
        ("The correct answer is B.", "B", "label"),
        ("O2", "B", "label"),
        ("\uff22", "B", "label"),  # full-width B
        ("A", "A", "label"),
        ("B. Cross-court net shot", "B", "label+text"),
        ("(D) because of the speed", "D", "label+text"),
        ("It is not A. I choose C", "C", "anchored"),
        ("I think the answer is (C), since the shuttle stays low.", "C", "anchored"),
        ("First I thought the answer is A, but the answer is D", "D", "anchored"),
        ("B because the shuttle crosses the court", "B", "label+text"),
        ("B, as the shuttle crosses the court", "B", "label+text"),
        ("I think it's D.", "D", "anchored"),
        ("Of all of these, B is the correct answer", "B", "anchored"),
        ("I am going with D", "D", "anchored"),
        ("A is not right, C is right", "C", "anchored"),
        ("net shot", "C", "text"),
        ("Net Shot.", "C", "text"),
        ("cross\u2011court net shot", "B", "text"),
        ("A cross-court net shot", "B", "text inside"),
        ("It was a net shot, not a smash", "C", "text inside"),
        ("A smash", "D", "text inside"),  # the article is not an option
        ("cros-court net shott", "B", "fuzzy"),
    ],
)
def test_an_answer_is_read_by_the_first_rule_that_decides(answer, letter, rule):
    assert read_choice(answer, SHOTS) == read_choice(answer, SHOTS)
    reading = read_choice(answer, SHOTS)
    assert (reading.labels, reading.rule) == ((letter,), rule)


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("E", "no such option"),
        ("B. Net shot", "conflict"),
        ("a net shot or a smash", "ambiguous"),
        ("Certainly a backhand drive", "nothing matched"),
        ("!!!!!!", "empty"),
        ("not B", "nothing matched"),
        ("It is not a smash", "nothing matched"),
        ("about a dozen", "nothing matched"),
        ("A or B", "nothing matched"),
        ("A, B or C", "nothing matched"),
        ("It isn\u2019t B.", "nothing matched"),
        ("it is a fast one", "nothing matched"),
        ("A player hits the shuttle", "nothing matched"),
        ("I'd say A, B or C", "nothing matched"),
    ],
)
def test_what_cannot_be_read_is_no_answer(answer, rule):
    reading = read_choice(answer, SHOTS)
    assert (reading.labels, reading.rule) == (None, rule)


def test_options_that_are_numbers_are_read_as_text():
    counts = ("2", "4", "3", "1")
    assert read_choice("4", counts).labels == ("B",)
    assert read_choice("B", counts).labels == ("B",)
    assert read_choice("B. 4", counts).labels == ("B",)
    assert read_choice("B. 2", counts).rule == "conflict"
    assert read_choice("The player hits 3 times", counts).labels == ("C",)
    assert read_choice("7", counts).labels is None


def test_options_that_are_letters_are_read_as_text_when_they_are_no_label():
    assert read_choice("Z", ("X", "Z")).labels == ("B",)


def test_options_that_carry_their_own_label_are_compared_without_it():
    assert read_choice("net shot", ("A. Clear", "B. Net shot")).labels == ("B",)


@pytest.mark.parametrize("answer", ["A, C", "A and C", "AC", "(A) (C)", "C; A", "answer: A & C"])
def test_several_letters_are_a_set(answer):
    assert read_choice(answer, SHOTS, several=True).labels == ("A", "C")


def test_a_word_is_not_a_run_of_letters():
    assert read_choice("CAB", ("x1", "y1", "z1")).labels is None


@given(st.text(max_size=200))
def test_reading_any_text_gives_letters_of_the_options_or_none(text):
    labels = read_choice(text, SHOTS).labels
    assert labels is None or set(labels) <= set("ABCD")
    read_number(text, "s")
    read_spans(text)
    read_events(text)
    read_yes_no(text)


@given(st.permutations(SHOTS), st.integers(0, 3))
def test_an_option_s_own_text_and_letter_are_read_back(options, which):
    letter = "ABCD"[which]
    for answer in (options[which], letter, f"{letter}. {options[which]}"):
        assert read_choice(answer, options).labels == (letter,)


@pytest.mark.parametrize(
    ("answer", "word", "rule"),
    [
        ("yes", "yes", "label"),
        ("No.", "no", "label"),
        ("No, the ball was out", "no", "leading"),
        ("True", "yes", "label"),
        ("I looked; the answer is no", "no", "anchored"),
        ("I would say yes", "yes", "single"),
    ],
)
def test_yes_and_no_are_read(answer, word, rule):
    reading = read_yes_no(answer)
    assert (reading.labels, reading.rule) == ((word,), rule)


def test_yes_and_no_together_are_no_answer():
    assert read_yes_no("maybe yes, maybe no").labels is None
    assert read_yes_no("nothing known").labels is None


@pytest.mark.parametrize(
    ("answer", "unit", "value"),
    [
        ("12", "", 12),
        ("twelve hits", "", 12),
        ("twenty-one", "", 21),
        ("-3.5", "", -3.5),
        ("1,234", "", 1234),
        ("12,5", "", 12.5),
        ("12.5 s", "s", 12.5),
        ("1:05", "s", 65),
        ("1:02:03.5", "s", 3723.5),
        ("500 ms", "s", 0.5),
        ("2 min", "s", 120),
        ("180 cm", "m", 1.8),
        ("36 km/h", "m/s", 10),
        ("The answer is 7, although 3 were replays", "", 7),
        ("7 out of 10", "", 7),
        ("8/10", "", 8),
        ("1e3", "", 1000),
        ("5 hits, yes 5", "", 5),
    ],
)
def test_numbers_are_read_in_the_unit_asked_for(answer, unit, value):
    assert read_number(answer, unit).value == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("answer", "unit", "rule"),
    [
        ("", "", "empty"),
        ("many", "", "no number"),
        ("3 or 4", "", "ambiguous"),
        ("40 frames", "s", "unit"),
        ("1:05", "m", "unit"),
        ("1e999", "", "not finite"),
    ],
)
def test_a_number_that_is_not_sure_is_no_answer(answer, unit, rule):
    reading = read_number(answer, unit)
    assert (reading.value, reading.rule) == (None, rule)


@pytest.mark.parametrize(
    "answer",
    ["12.0-15.5", "[12, 15.5]", "12 s to 15.5 s", "0:12 - 0:15.5", "from 12 until 15.5 seconds"],
)
def test_spans_are_read_in_many_forms(answer):
    assert read_spans(answer)[0] == ((12.0, 15.5),)


def test_several_spans_are_read_in_order_and_a_reversed_one_is_refused():
    assert read_spans("1-2, 5.5-6")[0] == ((1.0, 2.0), (5.5, 6.0))
    assert read_spans("9-3") == (None, "reversed")
    assert read_spans("frames 120-180") == (None, "unit")
    assert read_spans("at the end") == (None, "no span")


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)), min_size=1, max_size=5),
)
def test_overlap_of_spans_equals_counting_seconds(first, second):
    first = [(a, a + n) for a, n in first]
    second = [(a, a + n) for a, n in second]
    one = {s for a, b in first for s in range(a, b)}
    two = {s for a, b in second for s in range(a, b)}
    assert span_iou(first, second) == pytest.approx(len(one & two) / len(one | two))


def test_events_are_read_with_and_without_times():
    assert read_events("1. Serve\n2. Smash") == [Event("serve"), Event("smash")]
    assert read_events("serve @ 1.5 s, smash (0:03)") == [Event("serve", 1.5), Event("smash", 3.0)]


@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(st.sampled_from("abc"), max_size=8))
def test_edit_score_agrees_with_rapidfuzz(a, b):
    from rapidfuzz.distance import Levenshtein

    assert edit_score(a, b) == pytest.approx(Levenshtein.normalized_similarity(a, b))


def test_f1_of_labels_ignores_their_order():
    assert element_f1(["a", "b", "b"], ["b", "a"]) == pytest.approx(4 / 5)
    assert element_f1([], ["a"]) == 0.0


def test_rouge_l_agrees_with_google_s_rouge_score():
    from rouge_score import rouge_scorer

    reference = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    rng = random.Random(1)
    words = ["net", "shot", "smash", "a", "player", "2", "hits", "left-back", "Court,"]
    for _ in range(300):
        a = " ".join(rng.choices(words, k=rng.randint(1, 25)))
        b = " ".join(rng.choices(words, k=rng.randint(1, 25)))
        assert rouge_l(a, [b]) == pytest.approx(reference.score(b, a)["rougeL"].fmeasure)


def reference_cider_d(candidates, groups):
    """CIDEr-D written from the formulas of the paper, n-gram by n-gram, without shortcuts."""
    import math
    from collections import Counter

    def grams(text, n):
        words = tokens(text)
        return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))

    out = []
    for candidate, group in zip(candidates, groups, strict=True):
        total = 0.0
        for n in (1, 2, 3, 4):

            def weigh(counts, n=n):
                return {
                    g: c
                    * (
                        math.log(len(groups))
                        - math.log(max(1, sum(any(g in grams(r, n) for r in h) for h in groups)))
                    )
                    for g, c in counts.items()
                }

            for reference in group:
                c, r = weigh(grams(candidate, n)), weigh(grams(reference, n))
                lengths = (
                    math.sqrt(sum(v * v for v in c.values())),
                    math.sqrt(sum(v * v for v in r.values())),
                )
                if not all(lengths):
                    continue
                dot = sum(min(c[g], r[g]) * r[g] for g in c.keys() & r.keys())
                gap = len(tokens(candidate)) - len(tokens(reference))
                total += math.exp(-(gap**2) / 72) * dot / (lengths[0] * lengths[1]) / len(group)
        out.append(10 * total / 4)
    return out


def test_cider_d_agrees_with_its_formula_on_random_texts():
    rng = random.Random(2)
    words = ["net", "shot", "smash", "wins", "the", "point", "late", "wide"]

    def text():
        return " ".join(rng.choices(words, k=rng.randint(1, 12)))

    groups = [[text() for _ in range(rng.randint(1, 3))] for _ in range(25)]
    candidates = [text() for _ in groups]
    scorer = CiderD(groups)
    got = [scorer.score(c, g) for c, g in zip(candidates, groups, strict=True)]
    assert got == pytest.approx(reference_cider_d(candidates, groups))


def test_a_caption_equal_to_its_only_reference_has_cider_d_of_ten():
    scorer = CiderD([["a late smash down the line wins"], ["the serve goes wide of the court"]])
    text = "a late smash down the line wins"
    assert scorer.score(text, [text]) == pytest.approx(10.0)


def test_bleu_of_the_reference_itself_is_100():
    text = "the smash wins the point"
    assert corpus_bleu([text], [[text, "other words"]])["bleu"] == pytest.approx(100.0)


def test_spearman_agrees_with_scipy_on_random_numbers_with_ties():
    from scipy import stats

    rng = np.random.default_rng(3)
    for _ in range(200):
        n = int(rng.integers(3, 40))
        a, b = rng.integers(0, 6, n), rng.normal(size=n).round(1)
        if len(set(a)) > 1 and len(set(b)) > 1:
            assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)


def test_spearman_of_constant_answers_is_unknown_not_zero():
    assert spearman([3, 3, 3], [1, 2, 3]) is None


def test_relative_l2_by_hand():
    assert relative_l2([10.0, 0.0], [0.0, 0.0], 0.0, 100.0) == pytest.approx(0.5)


def soccernet_average_map(truth, found, tight, rate=2, seconds=200):
    """The vector form of SoccerNet's evaluation, written from its definition."""
    labels = sorted({name for events in truth for name, _ in events})
    widths = TIGHT_SECONDS if tight else LOOSE_SECONDS
    curve = []
    for width in widths:
        per_class = []
        for label in labels:
            detections, total = [], 0
            for events, predictions in zip(truth, found, strict=True):
                target = np.zeros(seconds * rate)
                detection = -np.ones(seconds * rate)
                for name, at in events:
                    if name == label:
                        target[int(at * rate)] = 1
                for name, at, confidence in predictions:
                    if name == label:
                        detection[int(at * rate)] = confidence
                gt = np.where(target != 0)[0]
                pred = np.where(detection >= 0)[0]
                hit = np.zeros(len(pred))
                for g in gt:
                    best, where = -1.0, None
                    for k, p in enumerate(pred):
                        free = abs(p - g) <= width * rate / 2 and not hit[k]
                        if free and detection[p] > best:
                            best, where = detection[p], k
                    if where is not None:
                        hit[where] = 1
                total += len(gt)
                detections += [(detection[p], h) for p, h in zip(pred, hit, strict=True)]
            points = []
            for threshold in np.linspace(0, 1, 200):
                kept = [h for c, h in detections if c >= threshold]
                points.append((sum(kept) / total, sum(kept) / len(kept) if kept else 0.0))
            per_class.append(
                sum(max((p for r, p in points if r >= j / 10), default=0.0) for j in range(11)) / 11
            )
        curve.append(np.mean(per_class))
    return sum((a + b) / 2 for a, b in itertools.pairwise(curve)) / (len(curve) - 1)


@pytest.mark.parametrize("tight", [True, False])
def test_spotting_map_agrees_with_soccernet_s_vector_form(tight):
    rng = np.random.default_rng(4)
    for _ in range(4):
        truth, found = [], []
        for _ in range(2):
            slots = rng.permutation(390)
            events = [("goal" if rng.random() < 0.5 else "foul", int(s) / 2) for s in slots[:6]]
            near = [
                (name, float(np.clip(at + rng.integers(-6, 7) / 2, 0, 199)), round(rng.random(), 3))
                for name, at in events
            ]
            noise = [("goal", int(s) / 2, round(rng.random(), 3)) for s in slots[6:9]]
            unique = {(name, at): c for name, at, c in [*near, *noise]}
            truth.append(events)
            found.append([(name, at, float(c)) for (name, at), c in unique.items()])
        expected = soccernet_average_map(truth, found, tight)
        assert average_map(truth, found, tight=tight) == pytest.approx(expected)


def test_spotting_map_of_the_truth_is_one_and_without_truth_is_unknown():
    truth = [[("goal", 3.0), ("foul", 60.0)]]
    assert average_map(truth, [[("goal", 3.0, 1.0), ("foul", 60.0, 1.0)]], tight=True) == 1.0
    assert average_map([[]], [[("goal", 3.0, 1.0)]], tight=True) is None


def make_task(kind, *, options=(), **truth):
    return Task("t", kind, "What?", Truth(**truth), (Media("a.mp4"),), options=options)


@pytest.mark.parametrize(
    ("task", "answer", "score", "correct"),
    [
        (make_task(Kind.CHOICE, options=SHOTS, labels=("B",)), "(B)", 1.0, True),
        (make_task(Kind.CHOICE, options=SHOTS, labels=("B",)), "C", 0.0, False),
        (make_task(Kind.CHOICE, options=SHOTS, labels=("B",)), "B and C", 0.0, False),
        (make_task(Kind.MULTI_CHOICE, options=SHOTS, labels=("A", "C")), "C, A", 1.0, True),
        (make_task(Kind.MULTI_CHOICE, options=SHOTS, labels=("A", "C")), "A", 0.0, False),
        (make_task(Kind.YES_NO, labels=("no",)), "no foul", 1.0, True),
        (make_task(Kind.NUMBER, value=10.0, tolerance=0.5, unit="s"), "10.5 s", 1.0, True),
        (make_task(Kind.NUMBER, value=10.0, tolerance=0.5, unit="s"), "10.6 s", 0.0, False),
        (make_task(Kind.NUMBER, value=0.0), "none", 1.0, True),
        (make_task(Kind.RATING, value=8.0, scale=(0.0, 10.0)), "6 out of 10", 0.8, False),
        (make_task(Kind.INTERVAL, spans=(Span(1.0, 3.0),)), "2-4", 1 / 3, False),
        (make_task(Kind.EVENTS, labels=("Serve", "Smash")), "serve, smash", 1.0, True),
        (make_task(Kind.TEXT, references=("A late smash.",)), "a late smash", 1.0, True),
    ],
)
def test_each_kind_is_scored(task, answer, score, correct):
    verdict = score_answer(task, answer)
    assert verdict.outcome is Outcome.OK
    assert verdict.score == pytest.approx(score)
    assert verdict.correct is correct


def test_counts_record_off_by_one():
    verdict = score_answer(make_task(Kind.NUMBER, value=9.0), "10")
    assert verdict.parts == {"abs_error": 1.0, "off_by_one": 1.0}


def played(status=Status.ANSWERED, answer=None, text="<think></think>hm", **rest):
    turns = (Turn("system", ""), Turn("user", "?"), Turn("assistant", text))
    return Trajectory("t", "h", "p", 0, turns, status, answer=answer, **rest)


CHOICE = make_task(Kind.CHOICE, options=SHOTS, labels=("B",))


def test_a_fault_is_never_a_wrong_answer():
    for kind, outcome in [
        ("decode", "media_error"),
        ("network", "api_error"),
        ("timeout", "timeout"),
        ("internal", "internal"),
    ]:
        verdict = score(CHOICE, played(Status.FAULT, fault=Fault(kind, "x")))
        assert verdict.outcome == outcome
        assert verdict.strict is None


def test_an_unread_answer_counts_zero_in_strict_and_is_absent_from_lenient():
    verdict = score(CHOICE, played(answer="who knows"))
    assert (verdict.outcome, verdict.strict, verdict.score) == (Outcome.PARSE_FAIL, 0.0, None)


def test_a_refusal_is_told_from_an_unreadable_answer():
    verdict = score(CHOICE, played(answer="I'm sorry, I cannot answer that."))
    assert verdict.outcome is Outcome.REFUSED


def test_an_answer_outside_of_the_protocol_counts_in_lenient_only():
    verdict = score(CHOICE, played(Status.MALFORMED, text="<answer>B</answer> and more"))
    assert (verdict.outcome, verdict.strict, verdict.score) == (Outcome.MALFORMED, 0.0, 1.0)


def test_an_unclosed_answer_is_a_status_not_a_guess():
    verdict = score(CHOICE, played(Status.TRUNCATED, text="<think>so</think><answer>B"))
    assert (verdict.outcome, verdict.score) == (Outcome.TRUNCATED, None)


@given(st.text(alphabet=string.printable, max_size=300))
def test_any_answer_to_any_kind_gets_a_verdict_that_survives_json(answer):
    for task in (
        CHOICE,
        make_task(Kind.NUMBER, value=1.0, unit="s"),
        make_task(Kind.RATING, value=1.0, scale=(0.0, 5.0)),
        make_task(Kind.INTERVAL, spans=(Span(1.0, 3.0),)),
        make_task(Kind.EVENTS, labels=("a",)),
        make_task(Kind.TEXT, references=("a b c",)),
    ):
        verdict = score_answer(task, answer)
        assert verdict.score is None or 0.0 <= verdict.score <= 1.0
        assert Verdict.from_json(verdict.to_json()).to_json() == verdict.to_json()


def test_a_very_long_answer_is_scored_quickly_and_without_recursion():
    for text in ("A" * 100_000, "1-2," * 50_000, "( " * 50_000, "a, " * 50_000, "1 " * 50_000):
        for task in (
            CHOICE,
            make_task(Kind.NUMBER, value=1.0),
            make_task(Kind.EVENTS, labels=("a",)),
            make_task(Kind.INTERVAL, spans=(Span(1.0, 3.0),)),
        ):
            score_answer(task, text)


@pytest.mark.parametrize(
    ("answer", "overlap", "correct"),
    [
        ("A, C", 1.0, True),
        ("A", 2 / 3, False),  # 2 * 1 / (1 + 2)
        ("A, B, C", 0.8, False),  # 2 * 2 / (3 + 2)
        ("B", 0.0, False),
    ],
)
def test_feedback_counts_the_aspects_named_in_common(answer, overlap, correct):
    truth = Truth(labels=("A", "C"))
    options = ("right wrist", "left foot", "waist")
    task = Task("t", Kind.FEEDBACK, "What to correct?", truth, (Media("a.mp4"),), options)
    verdict = score_answer(task, answer)
    assert verdict.score == pytest.approx(overlap)
    assert verdict.correct is correct


def test_every_kind_of_task_has_a_scorer():
    from deepsport.evaluate.scoring import _SCORERS

    assert set(_SCORERS) == set(Kind)
