"""Scores as plain text for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["percent", "score_lines", "with_interval"]


def percent(value: float | None) -> str:
    """Return a share as a percentage with one decimal, a dash for None.

    Examples
    --------
    >>> percent(0.4567)
    '45.7'
    """
    return "\u2013" if value is None else f"{100 * value:.1f}"


def with_interval(estimate: Mapping[str, Any]) -> str:
    """Return ``45.7 [40.1, 51.0]``.

    Examples
    --------
    >>> with_interval({"mean": 0.5, "low": None, "high": None})
    '50.0'
    """
    text = percent(estimate["mean"])
    if estimate["low"] is None:
        return text
    return f"{text} [{percent(estimate['low'])}, {percent(estimate['high'])}]"


def score_lines(scores: Mapping[str, Any]) -> list[str]:
    """Return the summary of a run as lines of text."""
    overall = scores["overall"]
    strict = overall["strict"]
    lines = [
        (
            f"score     {with_interval(strict)} % of {strict['count']} questions in "
            f"{strict['clusters']} videos or matches (strict; 95 % interval)"
        ),
        (
            f"lenient   {percent(overall['lenient'])} %   coverage {percent(overall['coverage'])} %   "
            f"answered {percent(overall['answered'])} %   chance {percent(overall['chance'])} %"
        ),
    ]
    if overall["against_chance"] == "at":
        lines.append("          at chance: the interval does not exclude a blind guess")
    elif overall["against_chance"] == "below":
        lines.append("          below chance: a blind guess would score more")
    looking = scores["looking"]
    lines.append(
        f"looking   {looking['frames'] or 0:.1f} frames and {looking['calls'] or 0:.2f} calls a "
        f"question; {percent(looking['used_tool'])} % use the tool"
    )
    if looking["with_evidence"]:
        lines.append(
            f"          window on the event: {with_interval(looking['hit_rate'])} % of "
            f"{looking['with_evidence']} with known evidence"
        )
    if scores.get("voting"):
        last = scores["voting"]["curve"][-1]
        any_right = scores["at_k"].get(f"pass@{last['k']}")
        lines.append(
            f"vote      {percent(last['score'])} % by majority of {last['k']} attempts; at least "
            f"one of them right {percent(any_right)} %"
        )
        if scores["voting"].get("judge"):
            best = scores["voting"]["judge"][-1]
            lines.append(
                f"          {percent(best['score'])} % by a judge's pick among {best['k']}"
            )
    outcomes = ", ".join(f"{count} {name}" for name, count in scores["outcomes"].items())
    lines.append(f"attempts  {scores['attempts']}: {outcomes}")
    for axis, blocks in scores["slices"].items():
        if len(blocks) > 1:
            lines.append(f"by {axis}")
            lines += [
                f"  {name:<32.32} {with_interval(block['strict']):>22}  n={block['strict']['count']}"
                for name, block in blocks.items()
            ]
    return lines
