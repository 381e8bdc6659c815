"""Scores of a run: overall and by slice, with intervals, chance, coverage and what was looked at.

Works on rows (`deepsport.evaluate.rows`) and returns plain JSON values, the content of
``scores.json``. A question counts once: the mean over its attempts.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepsport.evaluate.bootstrap import RESAMPLES, cluster_codes, cluster_mean
from deepsport.evaluate.confusion import confusions
from deepsport.evaluate.corpus import corpus_measures
from deepsport.evaluate.rows import Row, best_constants
from deepsport.evaluate.verdict import Outcome
from deepsport.evaluate.voting import voting
from deepsport.task import Task

__all__ = ["SCORES_SCHEMA", "SLICES", "summarise", "task_scores"]

SCORES_SCHEMA = "deepsport.scores/1"
SLICES = ("kind", "sport", "source", "dimension", "family", "difficulty", "length")
MOST_FRAME_CLASSES = 8
MOST_CLASSES = 40  #: balanced accuracy is for classes that repeat


def task_scores(rows: Sequence[Row]) -> dict[str, float]:
    """Return the strict score of each task, the mean over its attempts; faults left out."""
    scores: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.strict is not None:
            scores[row.task_id].append(row.strict)
    return {task_id: sum(values) / len(values) for task_id, values in scores.items()}


def summarise(
    tasks: Mapping[str, Task],
    rows: Sequence[Row],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    votes: Mapping[int, Mapping[str, int]] | None = None,
) -> dict[str, Any]:
    """Summarise a run.

    Parameters
    ----------
    tasks : mapping of str to Task
        Every task of the run, also those without an attempt yet.
    rows : sequence of Row
    seed : int
        Of the bootstrap.
    votes : mapping of int to mapping of str to int, optional
        Attempts that a judge picked, by number of attempts and task.
    """
    constants = best_constants(tasks.values())
    rows = [
        dataclasses.replace(row, chance=constants[row.task_id]) if row.task_id in constants else row
        for row in rows
    ]
    rng = np.random.default_rng(seed)
    slices: dict[str, dict[str, Any]] = {}
    for axis in SLICES:
        # lengths came later: with draws of their own, all other intervals stayed what they were
        draws = np.random.default_rng(seed) if axis == "length" else rng
        parts: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if row.slices.get(axis):
                parts[row.slices[axis]].append(row)
        if parts:
            slices[axis] = {name: _block(parts[name], draws, resamples) for name in sorted(parts)}
    asked = {row.task_id for row in rows}
    return {
        "schema": SCORES_SCHEMA,
        "tasks": len(tasks),
        "tasks_attempted": len(asked),
        "attempts": len(rows),
        "outcomes": dict(Counter(row.outcome.value for row in rows).most_common()),
        "rules": dict(Counter(row.rule for row in rows).most_common()),
        "overall": _block(rows, rng, resamples),
        "macro": _macro(slices),
        "slices": slices,
        "looking": _looking(rows, rng, resamples),
        "by_frames": _by_frames(rows, rng, resamples),
        "corpus": corpus_measures(tasks, rows),
        "usage": _usage(rows),
        "at_k": _at_k(rows),
        "voting": voting(rows, votes),
        "confusion": confusions(tasks, rows),
    }


def _block(rows: Sequence[Row], rng: np.random.Generator, resamples: int) -> dict[str, Any]:
    """Score one slice."""
    scored = [row for row in rows if row.strict is not None]
    strict = _estimate(scored, lambda row: row.strict, rng, resamples)
    lenient = [row.lenient for row in rows if row.lenient is not None]
    chance = _mean([row.chance for row in scored])
    block: dict[str, Any] = {
        "strict": strict,
        "lenient": _round(_mean(lenient)),
        "right": _round(_mean([float(row.correct) for row in scored])),
        "coverage": _round(len(scored) / len(rows)) if rows else None,
        "answered": _round(_mean([float(row.outcome is Outcome.OK) for row in scored])),
        "chance": _round(chance),
        "beats_chance": _beats(strict, chance),
        "against_chance": _against(strict, chance),
        "frames": _round(_mean([row.look.frames for row in scored])),
        "calls": _round(_mean([row.look.calls for row in scored])),
    }
    balanced = _balanced(scored)
    if balanced is not None:
        block["balanced"] = _round(balanced)
    return block


def _estimate(
    rows: Sequence[Row], value: Any, rng: np.random.Generator, resamples: int
) -> dict[str, Any]:
    """Estimate the mean over tasks of the mean over attempts."""
    sums: dict[str, list[float]] = {}
    groups: dict[str, str] = {}
    for row in rows:
        total = sums.setdefault(row.task_id, [0.0, 0.0])
        total[0] += float(value(row))
        total[1] += 1.0
        groups[row.task_id] = row.group
    values = np.array([total / count for total, count in sums.values()])
    codes = cluster_codes([groups[i] for i in sums]) if sums else np.zeros(0, dtype=np.intp)
    return cluster_mean(values, codes, rng, resamples=resamples).to_json()


def _beats(strict: Mapping[str, Any], chance: float) -> bool | None:
    """Say whether the interval lies above a blind guess; None when that cannot be said."""
    if strict["low"] is None or math.isnan(chance):
        return None
    return bool(strict["low"] > chance)


def _against(strict: Mapping[str, Any], chance: float) -> str | None:
    """Say where the interval lies: ``"above"`` a blind guess, ``"at"`` it or ``"below"`` it."""
    if strict["low"] is None or math.isnan(chance):
        return None
    return "above" if strict["low"] > chance else "below" if strict["high"] < chance else "at"


def _balanced(rows: Sequence[Row]) -> float | None:
    """Return the mean over true classes of the share answered rightly, where classes repeat."""
    classes: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if not row.truth_class:
            return None
        classes[row.truth_class].append(float(row.correct))
    if not 2 <= len(classes) <= min(MOST_CLASSES, len(rows) // 2):
        return None
    return float(np.mean([np.mean(values) for values in classes.values()]))


def _macro(slices: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    """Return the mean over the values of each axis, every value counting the same."""
    return {
        axis: _round(
            _mean([b["strict"]["mean"] for b in blocks.values() if b["strict"]["mean"] is not None])
        )
        for axis, blocks in slices.items()
    }


def _looking(rows: Sequence[Row], rng: np.random.Generator, resamples: int) -> dict[str, Any]:
    """Say how often the tool was used, where it was pointed, and whether that helped."""
    rows = [row for row in rows if row.strict is not None]
    known = [row for row in rows if row.has_evidence]
    looked = [row for row in known if row.look.calls > row.look.rejected]
    found = [row.look.frames_to_hit for row in known if row.look.frames_to_hit is not None]
    table: dict[str, dict[str, int]] = {
        name: {"right": 0, "wrong": 0} for name in ("hit", "miss", "no look")
    }
    for row in known:
        name = (
            "no look" if row.look.calls <= row.look.rejected else "hit" if row.look.hit else "miss"
        )
        table[name]["right" if row.correct else "wrong"] += 1
    return {
        "used_tool": _round(_mean([float(row.look.calls > 0) for row in rows])),
        "calls": _round(_mean([row.look.calls for row in rows])),
        "rejected_calls": sum(row.look.rejected for row in rows),
        "repeated_calls": sum(row.look.repeated for row in rows),
        "frames": _round(_mean([row.look.frames for row in rows])),
        "distinct_frames": _round(_mean([row.look.distinct_frames for row in rows])),
        "with_evidence": len(known),
        "hit_rate": _estimate(known, lambda row: bool(row.look.hit), rng, resamples),
        "hit_rate_when_looked": _round(_mean([float(bool(row.look.hit)) for row in looked])),
        "first_call_hit_rate": _round(_mean([float(bool(row.look.first_hit)) for row in looked])),
        "seen_at_start": _round(_mean([float(bool(row.look.seen_at_start)) for row in known])),
        "seen": _round(_mean([float(bool(row.look.seen)) for row in known])),
        "tiou": _round(_mean([row.look.tiou for row in looked if row.look.tiou is not None])),
        "median_frames_to_hit": float(np.median(found)) if found else None,
        "table": table,
    }


def _by_frames(
    rows: Sequence[Row], rng: np.random.Generator, resamples: int
) -> list[dict[str, Any]]:
    """Score attempts by the frames they were shown: who looked more often, was it right more often?

    Counts are rounded up to a multiple of 8, or of 16, 32 ... when that makes too many classes.
    """
    scored = [row for row in rows if row.strict is not None]
    step = 8
    while len({-(-row.look.frames // step) for row in scored}) > MOST_FRAME_CLASSES:
        step *= 2
    parts: dict[int, list[Row]] = defaultdict(list)
    for row in scored:
        parts[step * -(-row.look.frames // step)].append(row)
    return [
        {
            "up_to": up_to,
            "frames": _round(_mean([row.look.frames for row in some])),
            "attempts": len(some),
            "strict": _estimate(some, lambda row: row.strict, rng, resamples),
        }
        for up_to, some in sorted(parts.items())
    ]


def _usage(rows: Sequence[Row]) -> dict[str, Any]:
    totals: dict[str, float] = defaultdict(float)
    for row in rows:
        for name, amount in row.usage.items():
            totals[name] += amount
    return {
        name: {"total": round(total, 3), "mean": round(total / len(rows), 4)}
        for name, total in sorted(totals.items())
    }


def _at_k(rows: Sequence[Row]) -> dict[str, Any]:
    """Return pass@k, unbiased (Chen et al. 2021, equation 1), where tasks were tried often."""
    tries: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        if row.strict is not None:
            tries[row.task_id].append(row.correct)
    fewest = min((len(v) for v in tries.values()), default=0)
    if fewest < 2:
        return {}
    out: dict[str, Any] = {}
    for k in range(1, fewest + 1):
        chances = [
            1.0 - math.comb(len(v) - sum(v), k) / math.comb(len(v), k) for v in tries.values()
        ]
        out[f"pass@{k}"] = _round(float(np.mean(chances)))
    return out


def _mean(values: Sequence[float]) -> float:
    return float(sum(values) / len(values)) if values else math.nan


def _round(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)
