"""The class of a task: does a given model solve it from the first frames alone?

DeepSport v2 (arXiv 2511.12908v2) rewards looking on tasks that the base model fails on the first
frames, and not looking on those it solves; VideoBrain calls them Active and Direct. The class is
found by a job that plays tasks several times without the tool, and is stored with the task, with the
model and the settings that said so.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from deepsport.distil.answers import GRADED, score_answer
from deepsport.distil.filters import Score
from deepsport.distil.keep import Opinion
from deepsport.distil.presets import FilterSettings
from deepsport.errors import SettingsError
from deepsport.task import Task
from deepsport.trajectory import Status, Trajectory

__all__ = ["classify", "solved_at_first", "withheld_answers"]

_KEY = "first_frames"


def solved_at_first(task: Task) -> bool | None:
    """Return whether the first frames alone were enough; None when nobody has tried."""
    found = task.provenance.get(_KEY)
    return None if found is None else bool(found["solved"])


def classify(
    tasks: Iterable[Task],
    trajectories: Iterable[Trajectory],
    *,
    min_share: float = 0.5,
    opinions: Mapping[tuple[str, int], Opinion] | None = None,
    score: Score = score_answer,
) -> list[Task]:
    """Return the tasks with their class, in their order.

    Parameters
    ----------
    tasks : iterable of Task
    trajectories : iterable of Trajectory
        Attempts without a tool call; faults are left aside, and a task without any other attempt
        keeps the class it had.
    min_share : float
        Share of right attempts from which a task counts as solved.
    opinions : mapping, optional
        A judge's scores, for open text.
    score : callable
        As in :func:`deepsport.distil.keep`.

    Raises
    ------
    SettingsError
        When an attempt did look: it says nothing about the first frames.
    """
    right: dict[str, list[bool]] = defaultdict(list)
    said_by: dict[str, dict[str, Any]] = {}
    by_id = {task.task_id: task for task in tasks}
    for t in trajectories:
        if t.windows:
            raise SettingsError(
                f"task {t.task_id!r}, attempt {t.attempt} looked at {t.windows}; valid are attempts "
                "from the first frames alone: deepsport distil run ... --tool max_calls=0"
            )
        task = by_id.get(t.task_id)
        if task is None or t.status is Status.FAULT:
            continue
        points = _points(task, t, (opinions or {}).get((t.task_id, t.attempt)), score)
        if points is not None:
            defaults = FilterSettings()
            least = defaults.min_graded_score if task.kind in GRADED else defaults.min_judge_score
            right[t.task_id].append(points >= least)
            said_by[t.task_id] = {"model": t.policy, "settings": dict(t.settings)}
    return [
        _with_class(task, right[task.task_id], min_share, said_by[task.task_id])
        if right.get(task.task_id)
        else task
        for task in by_id.values()
    ]


def withheld_answers(trajectories: Iterable[Trajectory]) -> dict[str, str]:
    """Return the answer given from the first frames alone, by task; empty where there was none.

    Of several attempts the first without a fault counts.
    """
    found: dict[str, tuple[int, str]] = {}
    for t in trajectories:
        before = found.get(t.task_id)
        if t.status is not Status.FAULT and (before is None or t.attempt < before[0]):
            found[t.task_id] = (t.attempt, t.answer or "")
    return {task_id: answer for task_id, (_, answer) in found.items()}


def _points(
    task: Task, trajectory: Trajectory, opinion: Opinion | None, score: Score
) -> float | None:
    if trajectory.status is not Status.ANSWERED:
        return 0.0
    points = score(task, trajectory.answer or "")
    if points is None and opinion is not None and opinion.scores:
        points = sum(opinion.scores) / len(opinion.scores)
    return points


def _with_class(
    task: Task, right: list[bool], min_share: float, said_by: Mapping[str, Any]
) -> Task:
    found = {
        "solved": sum(right) >= min_share * len(right),
        "right": sum(right),
        "of": len(right),
        "min_share": min_share,
        **said_by,
    }
    return dataclasses.replace(task, provenance={**task.provenance, _KEY: found})
