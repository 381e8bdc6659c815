"""The deterministic score of an answer, where its kind has one."""

from __future__ import annotations

import re

from deepsport.task import Kind, Task

__all__ = ["score_answer"]

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


def score_answer(task: Task, answer: str) -> float | None:
    """Return 1 for right, 0 for wrong, None for a kind that needs a judge."""
    truth = task.truth
    if task.kind in (Kind.CHOICE, Kind.MULTI_CHOICE):
        return float(_letters(task, answer) == set(truth.labels))
    if task.kind is Kind.YES_NO:
        word = re.match(r"\s*(yes|no)\b", answer.lower())
        return float(word is not None and word.group(1) == truth.labels[0])
    if task.kind in (Kind.NUMBER, Kind.RATING) and truth.value is not None:
        numbers = _NUMBER.findall(answer)
        return float(
            len(numbers) == 1 and abs(float(numbers[0]) - truth.value) <= truth.tolerance + 1e-9
        )
    if task.kind is Kind.EVENTS:
        said = [part.strip().lower() for part in answer.split(",")]
        return float(said == [label.lower() for label in truth.labels])
    return None


def _letters(task: Task, answer: str) -> set[str]:
    plain = answer.strip()
    for letter, option in zip(task.letters, task.options, strict=True):
        if plain.lower() == option.strip().lower():
            return {letter}
    return set(re.findall(r"\b([A-Z])\b", plain)) & set(task.letters)
