"""Rows of the page's tables, ready to print: numbers as text, positions as percentages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from deepsport.errors import SettingsError
from deepsport.evaluate.compare import holm
from deepsport.evaluate.fingerprint import differences
from deepsport.evaluate.rescore import compare_slices
from deepsport.evaluate.rows import Row
from deepsport.evaluate.run_folder import Run
from deepsport.evaluate.table import percent

__all__ = [
    "axis_tables",
    "confusion_tables",
    "difference_text",
    "headline",
    "looking_blocks",
    "notes",
    "p_text",
    "signed",
    "subject",
    "whisker",
]

AXES = {
    "sport": "Sport",
    "kind": "Kind of answer",
    "dimension": "Dimension",
    "source": "Source",
    "family": "Family of questions",
    "difficulty": "Difficulty",
    "length": "Length of video",
}
SURE = 0.05  #: p-value below which a difference is coloured
_CHANCE_WORDS = {
    "at": "At chance, as the interval does not exclude the score of a blind guess",
    "below": "Below chance, a blind guess would score more",
}
FAULTS = ("media_error", "api_error", "timeout", "judge_fail", "internal")


def whisker(estimate: Mapping[str, Any]) -> dict[str, Any]:
    """Return an interval as positions from 0 to 100 and as text."""
    mean, low, high = estimate["mean"], estimate["low"], estimate["high"]
    return {
        "mean": None if mean is None else round(100 * mean, 2),
        "low": None if low is None else round(100 * low, 2),
        "width": None if low is None else round(100 * (high - low), 2),
        "text": percent(mean),
        "range": "" if low is None else f"{percent(low)}\u2009\u2013\u2009{percent(high)}",
        "count": estimate["count"],
        "clusters": estimate["clusters"],
        "exact": estimate["method"] == "exact",
    }


def headline(
    names: Sequence[str],
    runs: Sequence[Run],
    scores: Sequence[Mapping[str, Any]],
    rows: Sequence[Sequence[Row]],
) -> list[dict[str, Any]]:
    """Return one row a run; the difference is to the first run, paired by question."""
    out = []
    for number, (name, run, score) in enumerate(zip(names, runs, scores, strict=True)):
        overall, looking = score["overall"], score["looking"]
        row = {
            "number": number,
            "name": name,
            "policy": run.info.policy,
            "control": run.info.control,
            "note": run.info.note,
            "score": whisker(overall["strict"]),
            "lenient": percent(overall["lenient"]),
            "balanced": percent(overall.get("balanced")),
            "coverage": percent(overall["coverage"]),
            "answered": percent(overall["answered"]),
            "chance": overall["chance"],
            "against_chance": overall["against_chance"],
            "frames": _number(looking["frames"], 1),
            "calls": _number(looking["calls"], 2),
            "hit": whisker(looking["hit_rate"]) if looking["with_evidence"] else None,
            "at_k": score["at_k"],
            "difference": None,
        }
        if number and rows[0]:
            result = compare_slices(rows[0], rows[number], seed=run.info.seed)["all"][""]
            if result.difference.count:
                row["difference"] = {
                    **difference_text(result.difference.to_json(), result.cluster_p),
                    "gained": result.gained,
                    "lost": result.lost,
                    "p": p_text(result.cluster_p),
                    "mcnemar": p_text(result.mcnemar_p),
                    "detectable": percent(
                        None if math.isnan(result.detectable) else result.detectable
                    ),
                }
        out.append(row)
    return out


def difference_text(estimate: Mapping[str, Any], p: float) -> dict[str, Any]:
    """Return a difference as text; better or worse only where interval and test agree."""
    sure = p < SURE
    low, high = estimate["low"], estimate["high"]
    return {
        "text": signed(estimate["mean"]),
        "range": "" if low is None else f"{signed(low)} to {signed(high)}",
        "better": sure and low is not None and low > 0,
        "worse": sure and high is not None and high < 0,
    }


def signed(value: float | None) -> str:
    """Return a difference of shares in points, with its sign."""
    return "\u2013" if value is None else f"{100 * value:+.1f}".replace("-", "\u2212")


def p_text(value: float) -> str:
    """Return a p-value as text; empty when it is unknown."""
    return "" if math.isnan(value) else "<0.001" if value < 0.001 else f"{value:.3f}"


def _number(value: float | None, digits: int) -> str:
    return "\u2013" if value is None else f"{value:.{digits}f}"


def subject(runs: Sequence[Run], name: str = "") -> int:
    """Return the number of the run a report is about: the named, else the last that is no control.

    Raises
    ------
    SettingsError
        When no run has that name.
    """
    names = [run.info.name for run in runs]
    if name:
        if name not in names:
            raise SettingsError(f"subject {name!r} is no run, valid are {', '.join(names)}")
        return names.index(name)
    plain = [number for number, run in enumerate(runs) if not run.info.control]
    return plain[-1] if plain else len(runs) - 1


def axis_tables(
    names: Sequence[str],
    scores: Sequence[Mapping[str, Any]],
    rows: Sequence[Sequence[Row]],
    chosen: int,
) -> list[dict[str, Any]]:
    """Return a table for each axis with more than one value: a row a value, a whisker a run.

    The p-values are of the run the report is about against the first.
    """
    last = None
    if chosen and rows[0] and rows[chosen]:
        last = compare_slices(rows[0], rows[chosen])
    out = []
    for axis, title in AXES.items():
        values = sorted({value for score in scores for value in score["slices"].get(axis, {})})
        if len(values) < 2 and axis not in ("sport", "kind"):
            continue
        adjusted: dict[str, float] = {}
        if last is not None and axis in last:
            parts = last[axis]
            adjusted = dict(zip(parts, holm([p.cluster_p for p in parts.values()]), strict=True))
        lines = []
        for value in values:
            blocks = [score["slices"].get(axis, {}).get(value) for score in scores]
            some = next(block for block in blocks if block)
            lines.append(
                {
                    "name": value,
                    "count": max(b["strict"]["count"] for b in blocks if b),
                    "clusters": max(b["strict"]["clusters"] for b in blocks if b),
                    "chance": round(100 * (some["chance"] or 0.0), 2),
                    "runs": [whisker(block["strict"]) if block else None for block in blocks],
                    "p": p_text(adjusted[value]) if value in adjusted else "",
                }
            )
        if lines:
            out.append(
                {
                    "axis": axis,
                    "title": title,
                    "lines": lines,
                    "compared": f"{names[chosen]} against {names[0]}" if adjusted else "",
                    "macro": [percent(score["macro"].get(axis)) for score in scores],
                }
            )
    return out


def confusion_tables(
    names: Sequence[str], scores: Sequence[Mapping[str, Any]], chosen: int
) -> dict[str, Any] | None:
    """Return the confusions of the run the report is about, cells with their share of the row."""
    found = scores[chosen].get("confusion") or {}
    tables = []
    for family, block in found.items():
        lines = []
        for right, counts in zip(block["classes"], block["table"], strict=True):
            total = sum(counts) or 1
            cells = [
                {"count": c, "share": round(100 * c / total), "right": given == right}
                for given, c in zip(block["answers"], counts, strict=True)
            ]
            lines.append({"name": right, "cells": cells, "total": sum(counts)})
        tables.append({"family": family, "answers": block["answers"], "lines": lines})
    return {"name": names[chosen], "tables": tables} if tables else None


def looking_blocks(
    names: Sequence[str], runs: Sequence[Run], scores: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return for each run how looking and answering went together; runs without evidence are out."""
    out = []
    for number, (name, run, score) in enumerate(zip(names, runs, scores, strict=True)):
        looking = score["looking"]
        total = sum(sum(cells.values()) for cells in looking["table"].values())
        if not total or (run.info.control and not looking["used_tool"]):
            continue  # a control that could not look
        cells = [
            {
                "look": look,
                "right": right,
                "count": looking["table"][look][right],
                "share": round(100 * looking["table"][look][right] / total, 2),
            }
            for look in ("hit", "miss", "no look")
            for right in ("right", "wrong")
        ]
        out.append(
            {
                "number": number,
                "name": name,
                "cells": cells,
                "total": total,
                "used": percent(looking["used_tool"]),
                "hit": percent(looking["hit_rate"]["mean"]),
                "when_looked": percent(looking["hit_rate_when_looked"]),
                "first": percent(looking["first_call_hit_rate"]),
                "tiou": percent(looking["tiou"]),
                "seen_at_start": percent(looking["seen_at_start"]),
                "seen": percent(looking["seen"]),
                "to_hit": _number(looking["median_frames_to_hit"], 0),
                "refused": looking["rejected_calls"],
                "repeated": looking["repeated_calls"],
            }
        )
    return out


def notes(
    names: Sequence[str], runs: Sequence[Run], scores: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return what a reader must know before believing the numbers."""
    out = []
    for standing, words in _CHANCE_WORDS.items():
        found = [
            f"{name} ({percent(score['overall']['chance'])} %)"
            for name, score in zip(names, scores, strict=True)
            if score["overall"]["against_chance"] == standing
        ]
        if found:
            out.append({"kind": "chance", "text": f"{words}: {', '.join(found)}."})
    for name, score in zip(names, scores, strict=True):
        faults = sum(score["outcomes"].get(fault, 0) for fault in FAULTS)
        if faults:
            out.append(
                {
                    "kind": "coverage",
                    "text": f"{name}: {faults} of {score['attempts']} attempts failed for reasons "
                    "that are not the model's and are left out of its score.",
                }
            )
        if score["tasks_attempted"] < score["tasks"]:
            out.append(
                {
                    "kind": "coverage",
                    "text": f"{name} is not finished: {score['tasks_attempted']} of "
                    f"{score['tasks']} questions were played.",
                }
            )
    for name, run in zip(names[1:], runs[1:], strict=True):
        other = differences(runs[0].info.fingerprint, run.info.fingerprint)
        if run.info.control:  # a control is meant to differ
            other = [d for d in other if not d.startswith(("control", "tool.", "prompt", "tasks"))]
        if other:
            out.append(
                {
                    "kind": "differs",
                    "text": f"{names[0]} and {name} differ in more than the model: "
                    + "; ".join(other),
                }
            )
    return out
