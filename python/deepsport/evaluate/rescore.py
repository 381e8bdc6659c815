"""Score recorded attempts again, and compare recorded runs: no model, no video."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepsport.evaluate.attempt import Attempt, write_attempts
from deepsport.evaluate.compare import Comparison, compare_scores, holm
from deepsport.evaluate.fingerprint import differences
from deepsport.evaluate.rows import Row, make_row
from deepsport.evaluate.run_folder import Run, write_json
from deepsport.evaluate.scoring import score
from deepsport.evaluate.summary import SLICES, summarise, task_scores
from deepsport.evaluate.table import percent, with_interval
from deepsport.progress import Progress

__all__ = ["compare_runs", "compare_slices", "rescore"]


def rescore(folder: Path | str) -> tuple[int, dict[str, Any]]:
    """Score every attempt of a run again and rewrite its files.

    Verdicts of a judge are kept: asking it again is `deepsport judge`'s business.

    Returns
    -------
    changed : int
        Verdicts that are another than before.
    scores : dict
        The new content of ``scores.json``.
    """
    run = Run(folder)
    rows: dict[tuple[str, int], Row] = {}
    changed = 0
    hashes = {task_id: task.content_hash for task_id, task in run.tasks.items()}

    def scored() -> Iterator[Attempt]:
        nonlocal changed
        with Progress(f"rescore {run.info.name}") as bar:
            for attempt in run.attempts():
                bar.advance()
                task = run.tasks.get(attempt.key[0])
                if task is None or hashes[task.task_id] != attempt.trajectory.task_hash:
                    yield attempt  # at a task that is no longer part of the run
                    continue
                if not attempt.verdict.rule.startswith("judge"):
                    verdict = score(task, attempt.trajectory)
                    if verdict.to_json() != attempt.verdict.to_json():
                        changed += 1
                        attempt = attempt.with_verdict(verdict)
                rows[attempt.key] = make_row(task, attempt)
                yield attempt

    write_attempts(run.attempts_path, scored())
    scores = summarise(run.tasks, list(rows.values()), seed=run.info.seed, votes=run.votes())
    scores["run"] = run.info.to_json()
    write_json(run.folder / "scores.json", scores)
    return changed, scores


def compare_slices(
    first: Sequence[Row], second: Sequence[Row], *, seed: int = 0
) -> dict[str, dict[str, Comparison]]:
    """Compare two runs overall (``"all"``: ``""``) and by slice.

    Returns
    -------
    dict
        Axis to value to comparison.
    """
    rng = np.random.default_rng(seed)
    groups = {row.task_id: row.group for row in (*first, *second)}
    one, two = task_scores(first), task_scores(second)
    out = {"all": {"": compare_scores(one, two, groups, rng)}}
    for axis in SLICES:
        members: dict[str, set[str]] = defaultdict(set)
        for row in first:
            if row.slices.get(axis):
                members[row.slices[axis]].add(row.task_id)
        if len(members) > 1:
            out[axis] = {
                name: compare_scores(_only(one, ids), _only(two, ids), groups, rng)
                for name, ids in sorted(members.items())
            }
    return out


def _only(scores: Mapping[str, float], ids: set[str]) -> dict[str, float]:
    return {task_id: value for task_id, value in scores.items() if task_id in ids}


def compare_runs(first: Path | str, second: Path | str) -> list[str]:
    """Return lines of text: warnings, the difference overall and by slice, Holm-adjusted."""
    one, two = Run(first), Run(second)
    lines = [
        f"note: the runs differ in {line}"
        for line in differences(one.info.fingerprint, two.info.fingerprint)
    ]
    result = compare_slices(one.rows(), two.rows())
    overall = result.pop("all")[""]
    lines += [
        f"{two.info.name} minus {one.info.name}, on {overall.difference.count} shared questions",
        (
            f"difference {with_interval(overall.difference.to_json())} points; gained {overall.gained}, "
            f"lost {overall.lost}; p = {overall.cluster_p:.3g} over matches or videos "
            f"(McNemar {overall.mcnemar_p:.3g})"
        ),
    ]
    if not math.isnan(overall.detectable):
        lines.append(
            f"a true difference of {percent(overall.detectable)} points would be found in four of "
            "five such comparisons"
        )
    for axis, parts in result.items():
        adjusted = holm([part.cluster_p for part in parts.values()])
        lines.append(f"by {axis} (p adjusted by Holm)")
        lines += [
            f"  {name:<32.32} {with_interval(part.difference.to_json()):>24}  p = {p:.3g}"
            for (name, part), p in zip(parts.items(), adjusted, strict=True)
        ]
    return lines
