"""Learning curves as inline figures: SVG drawn here, coloured by the page's style."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deepsport.errors import RecordFormatError

__all__ = ["curve_charts", "escape", "nice_ticks", "read_curve_file"]

WIDTH, HEIGHT = 340, 190
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 12, 26
POINTS = 400  #: points of a line after thinning

#: what is drawn first, and in one figure: title -> name -> label
GROUPS: dict[str, dict[str, str]] = {
    "Loss": {"loss": "training", "eval_loss": "validation"},
    "Reward": {"reward": "total"},
    "Reward parts": {
        "reward_accuracy": "accuracy", "reward_answer": "answer", "reward_tool": "tool use",
        "reward_tool_use": "tool use", "reward_format": "format", "reward_grounding": "grounding",
    },
    "Tool calls an episode": {"calls": "calls"},
    "Window on the event": {"window_hit": "share of episodes that looked"},
    "Episodes that look": {"called": "share"},
    "Window width": {"window_frames": "mean", "window_frames_p10": "10 %",
                     "window_frames_p90": "90 %"},
    "Where windows lie": {"window_middle_p10": "10 %", "window_middle_p50": "half",
                          "window_middle_p90": "90 %"},
    "Episodes that answer": {"answered": "share"},
    "Refused calls": {"rejected": "share"},
    "Entropy": {"entropy": "entropy"},
    "KL to the reference": {"kl": "KL"},
    "Gradient norm": {"grad_norm": "norm"},
    "Learning rate": {"learning_rate": "rate", "lr": "rate"},
    "Masked rollouts": {"masked": "share"},
    "Time a step": {"generate_seconds": "generate", "tool_seconds": "tool",
                    "score_seconds": "score", "train_seconds": "train"},
    "Frames shown a second of play": {"frames_per_second": "frames"},
    "Reply length": {"reply_tokens": "tokens", "completion_tokens": "tokens", "completion_length": "tokens",
                     "completions/mean_length": "tokens"},
}  # fmt: skip
_UNDRAWN = {"step", "schema", "seconds", "time", "epoch"}


def read_curve_file(path: Path | str) -> list[dict[str, Any]]:
    """Read a curve: one JSON object a line with a ``step``; a half-written last line is left out.

    Raises
    ------
    RecordFormatError
        Naming file and line, when a line is no such object.
    """
    records = []
    lines = Path(path).read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            if not isinstance(record, dict) or not isinstance(record.get("step"), int | float):
                raise ValueError("valid is an object with a number as step")  # noqa: TRY004
        except ValueError as error:
            if number == len(lines):
                break
            raise RecordFormatError(f"{path}, line {number}: {error}") from error
        records.append(record)
    return records


def curve_charts(curves: Mapping[str, Path | str]) -> list[dict[str, Any]]:
    """Return for each curve its title and figures, the known ones first."""
    out = []
    for title, path in curves.items():
        records = read_curve_file(path)
        numbers = _columns(records)
        figures = []
        drawn: set[str] = set()
        for heading, members in GROUPS.items():
            lines = {label: numbers[name] for name, label in members.items() if name in numbers}
            drawn.update(members)
            if lines:
                figures.append({"title": heading, "svg": line_chart(lines, heading)})
        rest = [name for name in numbers if name not in drawn]
        extra = [
            {"title": name.replace("_", " "), "svg": line_chart({name: numbers[name]}, name)}
            for name in rest
        ]
        steps = len({record["step"] for record in records})
        out.append({"title": title, "steps": steps, "figures": figures, "extra": extra})
    return out


def _columns(records: Iterable[Mapping[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    out: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        for name, value in record.items():
            plain = isinstance(value, int | float) and not isinstance(value, bool)
            if name not in _UNDRAWN and plain and math.isfinite(value):
                out.setdefault(name, []).append((float(record["step"]), float(value)))
    return {name: sorted(points) for name, points in out.items()}


def line_chart(lines: Mapping[str, Sequence[tuple[float, float]]], title: str) -> str:
    """Return an SVG of lines over steps: faint as measured, strong as smoothed."""
    everything = [point for points in lines.values() for point in points]
    x_low, x_high = min(p[0] for p in everything), max(p[0] for p in everything)
    low, high = min(p[1] for p in everything), max(p[1] for p in everything)
    if low >= 0 and high <= 1 and high > 0.25:
        low, high = 0.0, 1.0  # shares are read on their own scale
    elif low > 0 and low < 0.6 * high:
        low = 0.0
    ticks = nice_ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (step - x_low) / ((x_high - x_low) or 1.0)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / ((high - low) or 1.0)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)} over steps">'
    ]
    parts += [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" '
        f'y2="{y(tick):.1f}"/><text class="tick" x="{LEFT - 6}" y="{y(tick) + 3.5:.1f}" '
        f'text-anchor="end">{_label(tick)}</text>'
        for tick in ticks
    ]
    parts += [
        f'<text class="tick" x="{x(tick):.1f}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{_label(tick)}</text>"
        for tick in nice_ticks(x_low, x_high)
        if x_low <= tick <= x_high and tick == int(tick)
    ]
    for number, (label, points) in enumerate(lines.items()):
        thin = _thin(points)
        smooth = _smooth(thin)
        name = f"{escape(label)}, last {points[-1][1]:.4g}"
        if len(points) > 12:
            parts.append(_path(thin, x, y, f"line c{number} raw"))
        parts.append(_path(smooth if len(points) > 12 else thin, x, y, f"line c{number}", name))
        if len(points) == 1:
            parts.append(
                f'<circle class="dot c{number}" cx="{x(points[0][0]):.1f}" '
                f'cy="{y(points[0][1]):.1f}" r="3"/>'
            )
    parts.append("</svg>")
    if len(lines) > 1:
        keys = "".join(
            f'<span class="key"><i class="c{n}"></i>{escape(label)}</span>'
            for n, label in enumerate(lines)
        )
        parts.append(f'<div class="keys">{keys}</div>')
    return "".join(parts)


def _path(points: Sequence[tuple[float, float]], x: Any, y: Any, css: str, title: str = "") -> str:
    d = "M" + "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in points)
    inside = f"<title>{title}</title>" if title else ""
    return f'<path class="{css}" d="{d}">{inside}</path>'


def _thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Average neighbouring points until at most `POINTS` are left."""
    width = math.ceil(len(points) / POINTS)
    parts = [points[i : i + width] for i in range(0, len(points), width)]
    return [(sum(a for a, _ in p) / len(p), sum(b for _, b in p) / len(p)) for p in parts]


def _smooth(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Average over the neighbours on both sides, about a twelfth of the curve, so without lag."""
    reach = max(1, len(points) // 24)
    out = []
    for place, (step, _) in enumerate(points):
        near = min(reach, place, len(points) - 1 - place)  # as far to the left as to the right
        part = [value for _, value in points[place - near : place + near + 1]]
        out.append((step, sum(part) / len(part)))
    return out


def nice_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Return about `count` round numbers that span an interval.

    Examples
    --------
    >>> nice_ticks(0.0, 1.0)
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    if not high > low:
        high = low + (abs(low) or 1.0)
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough * (1 - 1e-9))
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _label(value: float) -> str:
    if value and abs(value) < 1e-3:
        return f"{value:.0e}".replace("e-0", "e\u2212").replace("e-", "e\u2212")
    return f"{value:g}".replace("-", "\u2212")


def escape(text: str) -> str:
    """Return text that may stand in an SVG."""
    return (
        text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    )
