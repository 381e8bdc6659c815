"""The deterministic score of an answer, where its kind has one: that of `deepsport.reward`."""

from __future__ import annotations

from deepsport.reward import RolloutText, score_rollouts
from deepsport.task import Kind, Task

__all__ = ["GRADED", "score_answer"]

#: kinds whose answers are more or less right: overlap, edit distance, distance on a scale
GRADED = frozenset({Kind.INTERVAL, Kind.EVENTS, Kind.RATING, Kind.FEEDBACK})


def score_answer(task: Task, answer: str) -> float | None:
    """Return the accuracy of an answer, 0..1; None for open text, which needs a judge."""
    if task.kind is Kind.TEXT:
        return None
    item = RolloutText(
        turns=(f"<think>-</think><answer>{answer}</answer>",),
        kind=task.kind,
        truth=task.truth,
        options=task.options,
    )
    return float(score_rollouts([item]).accuracy[0])
