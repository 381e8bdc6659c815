"""Attempts as flat rows: the little of a run that tables, intervals and comparisons need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deepsport.evaluate.attempt import Attempt
from deepsport.evaluate.looking import Look
from deepsport.evaluate.verdict import Outcome
from deepsport.task import Kind, Task

__all__ = ["LENGTHS", "Row", "best_constants", "chance_score", "make_row", "rows_of"]

#: lengths of videos: below how many seconds, and the name of the slice
LENGTHS = ((10.0, "0 to 10 s"), (60.0, "10 to 60 s"), (600.0, "60 to 600 s"))
LONGEST = "600 s and more"


@dataclass(frozen=True, slots=True)
class Row:
    """One attempt, flat.

    `strict` is None for a fault, `lenient` whenever no answer was found; see
    :class:`deepsport.evaluate.verdict.Verdict`. `truth_class` is the right answer as text where
    answers fall into classes, for balanced accuracy.
    """

    task_id: str
    attempt: int
    group: str
    outcome: Outcome
    rule: str
    strict: float | None
    lenient: float | None
    correct: bool
    chance: float
    truth_class: str
    look: Look
    has_evidence: bool
    slices: Mapping[str, str]
    read: Any = None
    parts: Mapping[str, float] = field(default_factory=dict)
    usage: Mapping[str, float] = field(default_factory=dict)


def chance_score(task: Task) -> float:
    """Return the expected score of a blind guess: 1/options, 1/2 for yes or no, else 0."""
    if task.kind is Kind.CHOICE:
        return 1.0 / len(task.options)
    if task.kind is Kind.MULTI_CHOICE:
        return 1.0 / (2 ** len(task.options) - 1)
    return 0.5 if task.kind is Kind.YES_NO else 0.0


def best_constants(tasks: Iterable[Task]) -> dict[str, float]:
    """Return by task how often the best single number would be right in its family.

    What guessing 1 / options is for a choice, this is for a count or a time: the score of who
    knows the distribution of the answers and nothing of the video. Other kinds are left out, and
    so are families of one task, where the best constant is the answer itself.
    """
    families: dict[tuple[str, str], list[Task]] = {}
    for task in tasks:
        if task.kind is Kind.NUMBER:
            families.setdefault((task.source, task.family), []).append(task)
    out: dict[str, float] = {}
    for found in families.values():
        if len(found) < 2:
            continue
        low = np.array([(t.truth.value or 0.0) - t.truth.tolerance for t in found])
        high = np.array([(t.truth.value or 0.0) + t.truth.tolerance for t in found])
        # the interval that most others overlap begins at one of the lower ends
        starts = np.sort(low)
        begun = np.searchsorted(starts, starts, side="right")
        ended = np.searchsorted(np.sort(high), starts, side="left")
        share = float((begun - ended).max()) / len(found)
        out.update({task.task_id: share for task in found})
    return out


def make_row(task: Task, attempt: Attempt) -> Row:
    """Flatten one attempt at a task."""
    verdict = attempt.verdict
    return Row(
        task_id=task.task_id,
        attempt=attempt.trajectory.attempt,
        group=task.group or task.media[0].path,
        outcome=verdict.outcome,
        rule=verdict.rule,
        strict=verdict.strict,
        lenient=None if verdict.faulted else verdict.score,
        correct=verdict.outcome is Outcome.OK and bool(verdict.correct),
        chance=chance_score(task),
        truth_class=_truth_class(task),
        look=attempt.look(task),
        has_evidence=bool(task.evidence),
        slices={
            "kind": task.kind.value,
            "sport": task.sport,
            "source": task.source,
            "dimension": task.dimension.value if task.dimension else "",
            "family": task.family,
            "difficulty": task.difficulty,
            "length": _length(attempt),
        },
        read=verdict.read,
        parts=verdict.parts,
        usage={**attempt.trajectory.usage, "wall_seconds": attempt.wall_seconds},
    )


def rows_of(tasks: Mapping[str, Task], attempts: Iterable[Attempt]) -> list[Row]:
    """Flatten attempts, the newest record of each; those at unknown or changed tasks are left out."""
    rows: dict[tuple[str, int], Row] = {}
    hashes = {task_id: task.content_hash for task_id, task in tasks.items()}
    for attempt in attempts:
        task = tasks.get(attempt.key[0])
        if task is not None and attempt.trajectory.task_hash == hashes[task.task_id]:
            rows[attempt.key] = make_row(task, attempt)
    return list(rows.values())


def _length(attempt: Attempt) -> str:
    """Name the class of a video's length, so that names sort by it; empty when it is unknown."""
    if attempt.video is None:
        return ""
    seconds = attempt.video.duration_seconds
    return next((name for most, name in LENGTHS if seconds < most), LONGEST)


def _truth_class(task: Task) -> str:
    if task.kind is Kind.CHOICE:
        return task.options[task.letters.index(task.truth.labels[0])].strip().casefold()
    return task.truth.labels[0] if task.kind is Kind.YES_NO else ""
