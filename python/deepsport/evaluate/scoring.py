"""Score one attempt: from a task and the trajectory on it to a verdict. Deterministic, no model.

Open text is compared with its references by ROUGE-L here; a judge may replace that verdict
afterwards (`deepsport.evaluate.judge`).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from deepsport.evaluate.caption import rouge_l
from deepsport.evaluate.choice import normalise, read_choice, read_yes_no
from deepsport.evaluate.events import edit_score, element_f1, read_events
from deepsport.evaluate.interval import read_spans, span_iou
from deepsport.evaluate.number import read_number
from deepsport.evaluate.verdict import Outcome, Verdict
from deepsport.task import Kind, Task
from deepsport.trajectory import Status, Trajectory

__all__ = ["SCORER_VERSION", "find_answer", "score", "score_answer"]

SCORER_VERSION = "1"  #: raised whenever an answer could get another verdict than before
TEXT_RIGHT = 0.5  #: ROUGE-L from which open text counts as right where no judge is asked
IOU_RIGHT = 0.5  #: overlap from which an interval counts as right
LONGEST_ANSWER = 8000  #: characters of an answer that are read
MOST_EVENTS = 512

_REFUSAL = re.compile(
    r"\b(?:i(?:'m| am) (?:sorry|unable|not able)|i can(?:not|'t) (?:answer|determine|assist|help)"
    r"|unable to (?:answer|determine)|cannot be determined|not enough information)\b",
    re.IGNORECASE,
)
_FAULTS = {
    "decode": Outcome.MEDIA_ERROR,
    "network": Outcome.API_ERROR,
    "judge": Outcome.JUDGE_FAIL,
    "timeout": Outcome.TIMEOUT,
    "tool": Outcome.INTERNAL,
    "internal": Outcome.INTERNAL,
}
_ENDINGS = {
    Status.MALFORMED: Outcome.MALFORMED,
    Status.TRUNCATED: Outcome.TRUNCATED,
    Status.BUDGET: Outcome.BUDGET,
}


def score(task: Task, trajectory: Trajectory) -> Verdict:
    """Return the verdict on one trajectory.

    Parameters
    ----------
    task : Task
    trajectory : Trajectory
        Of that task; whether the hashes agree is the caller's business.
    """
    if trajectory.status is Status.FAULT:
        kind = trajectory.fault.kind if trajectory.fault else "internal"
        return Verdict(_FAULTS.get(kind, Outcome.INTERNAL), rule="fault")
    answer = find_answer(trajectory)
    ending = _ENDINGS.get(trajectory.status)
    if answer is None:
        return Verdict(ending or Outcome.PARSE_FAIL, rule="no answer")
    verdict = score_answer(task, answer)
    if ending is None:
        return verdict
    return Verdict(
        ending, verdict.score, verdict.correct, verdict.rule, verdict.read, verdict.parts
    )


def find_answer(trajectory: Trajectory) -> str | None:
    """Return the answer, or the last closed ``<answer>`` of a reply that broke the protocol."""
    if trajectory.answer is not None:
        return trajectory.answer
    from deepsport.protocol import final_answer

    return final_answer(trajectory.replies[-1]) if trajectory.replies else None


def score_answer(task: Task, answer: str) -> Verdict:
    """Score the text of an answer against the truth of a task.

    Examples
    --------
    >>> from deepsport.task import Kind, Media, Task, Truth
    >>> task = Task("t", Kind.NUMBER, "How many?", Truth(value=3), (Media("a.mp4"),))
    >>> score_answer(task, "three hits").score
    1.0
    """
    answer = answer[:LONGEST_ANSWER]
    return _SCORERS[task.kind](task, answer)


def _unread(answer: str, rule: str) -> Verdict:
    refused = bool(_REFUSAL.search(answer))
    return Verdict(Outcome.REFUSED if refused else Outcome.PARSE_FAIL, rule=rule)


def _choice(task: Task, answer: str) -> Verdict:
    several = task.kind is Kind.MULTI_CHOICE
    reading = read_choice(answer, task.options, several=several)
    if reading.labels is None:
        return _unread(answer, reading.rule)
    found, right = set(reading.labels), set(task.truth.labels)
    correct = found == right
    parts = {"jaccard": len(found & right) / len(found | right)} if several else {}
    return Verdict(Outcome.OK, float(correct), correct, reading.rule, list(reading.labels), parts)


def _feedback(task: Task, answer: str) -> Verdict:
    """Score aspects to correct by their overlap (F1), as the reward does."""
    reading = read_choice(answer, task.options, several=True)
    if reading.labels is None:
        return _unread(answer, reading.rule)
    found, right = set(reading.labels), set(task.truth.labels)
    both = len(found & right)
    parts = {"precision": both / len(found), "recall": both / len(right)}
    overlap = 2 * both / (len(found) + len(right))
    return Verdict(Outcome.OK, overlap, found == right, reading.rule, list(reading.labels), parts)


def _yes_no(task: Task, answer: str) -> Verdict:
    reading = read_yes_no(answer)
    if reading.labels is None:
        return _unread(answer, reading.rule)
    correct = reading.labels == task.truth.labels
    return Verdict(Outcome.OK, float(correct), correct, reading.rule, list(reading.labels))


def _number(task: Task, answer: str) -> Verdict:
    reading = read_number(answer, task.truth.unit)
    if reading.value is None:
        return _unread(answer, reading.rule)
    assert task.truth.value is not None
    error = abs(reading.value - task.truth.value)
    parts = {"abs_error": error}
    if not task.truth.unit:
        parts["off_by_one"] = float(error <= 1.0 + 1e-9)
    # the small slack keeps 0.1 + 0.2 within a tolerance of 0.3
    correct = error <= task.truth.tolerance + 1e-9
    return Verdict(Outcome.OK, float(correct), correct, reading.rule, reading.value, parts)


def _rating(task: Task, answer: str) -> Verdict:
    reading = read_number(answer, task.truth.unit)
    if reading.value is None:
        return _unread(answer, reading.rule)
    truth = task.truth
    assert truth.value is not None
    error = abs(reading.value - truth.value)
    correct = error <= truth.tolerance + 1e-9
    width = truth.scale[1] - truth.scale[0] if truth.scale else 0.0
    closeness = max(0.0, 1.0 - error / width) if width > 0 else float(correct)
    return Verdict(
        Outcome.OK, closeness, correct, reading.rule, reading.value, {"abs_error": error}
    )


def _interval(task: Task, answer: str) -> Verdict:
    spans, rule = read_spans(answer)
    if spans is None:
        return _unread(answer, rule)
    truth = [(s.start_seconds, s.stop_seconds) for s in task.truth.spans]
    iou = span_iou(spans, truth)
    parts = {"tiou": iou, **{f"r@{at:g}": float(iou >= at) for at in (0.3, 0.5, 0.7)}}
    return Verdict(Outcome.OK, iou, iou >= IOU_RIGHT, rule, [list(s) for s in spans], parts)


def _events(task: Task, answer: str) -> Verdict:
    events = read_events(answer)[:MOST_EVENTS]
    if not events:
        return _unread(answer, "no event")
    found = [event.label for event in events]
    truth = [normalise(label) for label in task.truth.labels]
    edit = edit_score(found, truth)
    parts = {"edit": edit, "f1": element_f1(found, truth)}
    read = [[e.label, e.seconds] if e.seconds is not None else [e.label] for e in events]
    return Verdict(Outcome.OK, edit, found == truth, "events", read, parts)


def _text(task: Task, answer: str) -> Verdict:
    plain = normalise(answer)
    if not plain:
        return _unread(answer, "empty")
    if plain in {normalise(reference) for reference in task.truth.references}:
        return Verdict(Outcome.OK, 1.0, True, "exact", answer, {"rouge_l": 1.0})
    overlap = rouge_l(answer, task.truth.references)
    return Verdict(
        Outcome.OK, overlap, overlap >= TEXT_RIGHT, "rouge-l", answer, {"rouge_l": overlap}
    )


_SCORERS: dict[Kind, Callable[[Task, str], Verdict]] = {
    Kind.CHOICE: _choice,
    Kind.MULTI_CHOICE: _choice,
    Kind.FEEDBACK: _feedback,
    Kind.YES_NO: _yes_no,
    Kind.NUMBER: _number,
    Kind.RATING: _rating,
    Kind.INTERVAL: _interval,
    Kind.EVENTS: _events,
    Kind.TEXT: _text,
}
