"""The funnel of filters as text bars and as a picture."""

from __future__ import annotations

from pathlib import Path

from deepsport.distil.keep import Funnel
from deepsport.errors import MissingExtraError, SettingsError

__all__ = ["explain", "plot"]

_BAR = 40
_EXAMPLES = 2


def explain(funnel: Funnel) -> str:
    """Return the funnel in words and bars, with examples of every reason."""
    width = max([len(stage.name) for stage in funnel.stages] + [8])
    most = max(1, funnel.entered)
    lines = [_row("came in", funnel.entered, most, width)]
    examples: dict[str, list[str]] = {}
    for (task_id, attempt), objection in funnel.objections.items():
        found = examples.setdefault(objection.reason, [])
        if len(found) < _EXAMPLES:
            found.append(f"{task_id}#{attempt}: {' '.join(objection.detail.split())[:100]}")
    for stage in funnel.stages:
        lines.append(_row(stage.name, stage.passed, most, width))
        for reason, count in stage.reasons.most_common():
            lines.append(f"{'':<{width}}   -{count} {reason}")
            lines += [f"{'':<{width}}      {example}" for example in examples.get(reason, [])]
    return "\n".join(lines)


def _row(name: str, count: int, most: int, width: int) -> str:
    bar = "█" * round(_BAR * count / most)
    return f"{name:<{width}} {count:>7} {count / most:>6.1%} {bar}".rstrip()


def plot(funnel: Funnel, path: Path | str) -> None:
    """Write the funnel as a picture; the suffix says in which format.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    SettingsError
        When there is no such format.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            "deepsport[distil] is needed to plot a funnel: pip install 'deepsport[distil]'"
        ) from error
    names = ["came in", *(stage.name for stage in funnel.stages)]
    counts = [funnel.entered, *(stage.passed for stage in funnel.stages)]
    reasons = [
        "",
        *(", ".join(f"{r} {n}" for r, n in s.reasons.most_common(3)) for s in funnel.stages),
    ]
    figure = Figure(figsize=(9, 0.4 * len(names) + 1), layout="constrained")
    axes = figure.subplots()
    axes.barh(range(len(names)), counts, color="#3b6fb6")
    for row, (count, reason) in enumerate(zip(counts, reasons, strict=True)):
        text = f" {count}" + (f"  (without {reason})" if reason else "")
        axes.text(count, row, text, va="center", fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, max(1, funnel.entered) * 1.6)
    axes.set_xlabel("trajectories")
    axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path, dpi=150)
    except ValueError as error:
        raise SettingsError(f"plot {path}: {error}") from error
