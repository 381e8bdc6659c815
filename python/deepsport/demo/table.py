"""The result of a demo as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["table"]


def table(summary: Mapping[str, Any]) -> str:
    """Return accuracies with their intervals, and the gains with their verdicts."""
    lines = [
        (
            f"{summary['questions']} questions on {summary['matches']} matches that no training saw; "
            f"a guess is right {summary['chance']:.0%} of the time"
        ),
        "",
        f"{'':<14} {'accuracy':>8}  {'95 % interval':<15}  by question",
    ]
    for name, run in summary["runs"].items():
        accuracy = run["accuracy"]
        families = "  ".join(f"{k} {v:.0%}" for k, v in run["families"].items())
        lines.append(f"{name:<14} {accuracy['mean']:>8.1%}  {_interval(accuracy):<15}  {families}")
    lines.append("")
    for name, gain in summary["gains"].items():
        verdict = "beyond" if summary["beyond_interval"][name] else "NOT beyond"
        difference = gain["difference"]
        lines.append(
            f"{name}: {difference['mean']:+.1%} {_interval(difference)}, {verdict} its interval"
        )
    seconds = summary["seconds"]
    lines.append(
        f"{seconds['seconds']:.0f} s, {seconds['processor_seconds']:.0f} s of processor time"
    )
    return "\n".join(lines)


def _interval(estimate: Mapping[str, Any]) -> str:
    if estimate["low"] is None or estimate["high"] is None:
        return "[unknown]"
    return f"[{estimate['low']:.1%}, {estimate['high']:.1%}]"
