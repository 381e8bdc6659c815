"""Figures of runs against what they cost: an SVG with a point and an interval for each.

Lines join what differs in the budget alone: a policy without tool at several numbers of frames,
the first 1, 2, ... attempts of a vote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deepsport.evaluate.run_folder import Run
from deepsport.report.curves import escape, nice_ticks

__all__ = ["Axes", "cost_figures", "frames_figure", "vote_figure"]

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 44, 16, 14, 40


class Axes:
    """Positions in a figure whose y axis is a percentage and whose x axis begins at 0."""

    def __init__(self, most: float, caption: str, label: str) -> None:
        self.ticks = nice_ticks(0.0, most or 1.0, 5)
        self.most = self.ticks[-1]
        self.caption, self.label = caption, label

    def x(self, value: float) -> float:
        """Return the horizontal position of a cost."""
        return LEFT + (WIDTH - LEFT - RIGHT) * value / self.most

    def y(self, share: float) -> float:
        """Return the vertical position of a score in [0, 1]."""
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)

    def draw(self, inside: Sequence[str]) -> str:
        """Return the figure."""
        parts = [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(self.label)}">'
        ]
        parts += [
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{self.y(s):.1f}" '
            f'y2="{self.y(s):.1f}"/><text class="tick" x="{LEFT - 6}" y="{self.y(s) + 3.5:.1f}" '
            f'text-anchor="end">{100 * s:g}</text>'
            for s in (0.0, 0.25, 0.5, 0.75, 1.0)
        ]
        parts += [
            f'<text class="tick" x="{self.x(t):.1f}" y="{HEIGHT - 22}" text-anchor="middle">'
            f"{t:g}</text>"
            for t in self.ticks
        ]
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(
            f'<text class="tick" x="{middle}" y="{HEIGHT - 5}" text-anchor="middle">'
            f"{escape(self.caption)}</text>"
        )
        return "".join([*parts, *inside, "</svg>"])


def cost_figures(
    names: Sequence[str], runs: Sequence[Run], scores: Sequence[Mapping[str, Any]]
) -> list[dict[str, str]]:
    """Return score against frames a question, and against tokens where runs counted them."""
    out = []
    frames = [score["looking"]["frames"] for score in scores]
    if len(scores) > 1 and any(frames):
        out.append(
            {"title": "Score against frames shown",
             "svg": _points(names, scores, frames, "frames a question", _fixed_budgets(runs))}
        )  # fmt: skip
    tokens = [score["usage"].get("completion_tokens", {}).get("mean") for score in scores]
    if len(scores) > 1 and sum(t is not None for t in tokens) > 1:
        out.append(
            {"title": "Score against tokens written",
             "svg": _points(names, scores, tokens, "tokens a question")}
        )  # fmt: skip
    return out


def _points(
    names: Sequence[str],
    scores: Sequence[Mapping[str, Any]],
    costs: Sequence[float | None],
    caption: str,
    joined: Sequence[Sequence[int]] = (),
) -> str:
    axes = Axes(max(c for c in costs if c is not None), caption, f"score against {caption}")
    parts: list[str] = []
    for group in joined:
        places = sorted(
            (axes.x(costs[n] or 0.0), axes.y(scores[n]["overall"]["strict"]["mean"]))
            for n in group
            if costs[n] is not None and scores[n]["overall"]["strict"]["mean"] is not None
        )
        if len(places) > 1:
            d = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
            parts.append(
                f'<path class="line joined" d="{d}"><title>without the tool</title></path>'
            )
    taken: list[tuple[float, float, float]] = []
    for number, (name, score, cost) in enumerate(zip(names, scores, costs, strict=True)):
        strict = score["overall"]["strict"]
        if cost is None or strict["mean"] is None:
            continue
        x, y = axes.x(cost), axes.y(strict["mean"])
        if strict["low"] is not None:
            parts.append(
                f'<line class="bar r{number % 8}" x1="{x:.1f}" x2="{x:.1f}" '
                f'y1="{axes.y(strict["low"]):.1f}" y2="{axes.y(strict["high"]):.1f}"/>'
            )
        left = x > WIDTH * 0.72
        height = _free_height(taken, x, y, len(name), left=left)
        parts.append(
            f'<circle class="dot r{number % 8}" cx="{x:.1f}" cy="{y:.1f}" r="5">'
            f"<title>{escape(name)}: {100 * strict['mean']:.1f} at {cost:.4g}</title></circle>"
            f'<text class="name" x="{x + (-9 if left else 9):.1f}" y="{height + 4:.1f}" '
            f'text-anchor="{"end" if left else "start"}">{escape(name)}</text>'
        )
    return axes.draw(parts)


def _fixed_budgets(runs: Sequence[Run]) -> list[list[int]]:
    """Return, for each policy, its runs that were shown a fixed number of frames and no more."""
    groups: dict[tuple[str, str], list[int]] = {}
    for number, run in enumerate(runs):
        control = run.info.control
        if control in ("no-frames", "one-frame", "no-tool") or control.startswith("uniform-"):
            key = (run.info.policy, str(run.info.fingerprint.get("model", "")))
            groups.setdefault(key, []).append(number)
    return list(groups.values())


def frames_figure(
    names: Sequence[str], scores: Sequence[Mapping[str, Any]]
) -> dict[str, str] | None:
    """Return the score of attempts by the frames they were shown, where that differs within a run."""
    lines = [
        (number, name, [p for p in score["by_frames"] if p["strict"]["mean"] is not None])
        for number, (name, score) in enumerate(zip(names, scores, strict=True))
    ]
    lines = [line for line in lines if len(line[2]) > 1]
    if not lines:
        return None
    axes = Axes(
        max(points[-1]["frames"] for _, _, points in lines),
        "frames shown in the attempt",
        "score by frames shown",
    )
    parts = []
    for number, name, points in lines:
        places = [(axes.x(p["frames"]), axes.y(p["strict"]["mean"]), p) for p in points]
        d = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in places)
        parts.append(f'<path class="line r{number % 8}" d="{d}"/>')
        for x, y, p in places:
            low, high = p["strict"]["low"], p["strict"]["high"]
            if low is not None:
                parts.append(
                    f'<line class="bar r{number % 8}" x1="{x:.1f}" x2="{x:.1f}" '
                    f'y1="{axes.y(low):.1f}" y2="{axes.y(high):.1f}"/>'
                )
            parts.append(
                f'<circle class="dot r{number % 8}" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>'
                f"{escape(name)}: {100 * p['strict']['mean']:.1f} of {p['attempts']} attempts with "
                f"{p['frames']:.1f} frames</title></circle>"
            )
    note = (
        '<p class="sub wrapped">Within a run the policy chose how much to look at, and may look '
        "longer where a question is harder: not what more frames would do.</p>"
    )
    return {"title": "Score by frames looked at", "svg": axes.draw(parts) + keys(lines) + note}


def keys(lines: Sequence[tuple[int, str, Any]], extra: str = "") -> str:
    """Return the legend of lines below a figure."""
    inside = "".join(
        f'<span class="key"><i class="r{number % 8}"></i>{escape(name)}</span>'
        for number, name, _ in lines
    )
    return f'<div class="keys">{inside}{extra}</div>'


def _free_height(
    taken: list[tuple[float, float, float]], x: float, y: float, letters: int, *, left: bool
) -> float:
    """Return a height near `y` where a label meets none of those before; remember it."""
    width = 9 + 6.6 * letters
    start, stop = (x - width, x) if left else (x, x + width)
    steps = (0, -13, 13, -26, 26, -39, 39, -52, 52)
    for step in steps:
        at = y + step
        inside = TOP <= at <= HEIGHT - BOTTOM
        if inside and all(abs(at - h) >= 12 or stop < a or b < start for a, b, h in taken):
            break
    else:
        at = y
    taken.append((start, stop, at))
    return at


def vote_figure(names: Sequence[str], scores: Sequence[Mapping[str, Any]]) -> dict[str, str] | None:
    """Return the score of the vote against frames, for runs with several attempts a question."""
    lines = [
        (number, name, score["voting"]["curve"])
        for number, (name, score) in enumerate(zip(names, scores, strict=True))
        if score.get("voting")
    ]
    if not lines:
        return None
    axes = Axes(
        max(curve[-1]["frames"] for _, _, curve in lines) or 1.0,
        "frames a question, all attempts together",
        "score of the vote against frames",
    )
    parts = []
    for number, name, curve in lines:
        points = [(axes.x(p["frames"]), axes.y(p["score"]), p) for p in curve]
        d = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in points)
        parts.append(f'<path class="line r{number % 8}" d="{d}"/>')
        parts += [
            f'<circle class="dot r{number % 8}" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>'
            f"{escape(name)}, {p['k']} attempts: {100 * p['score']:.1f}</title></circle>"
            for x, y, p in points
        ]
    judged = False
    for number, name, _ in lines:
        picks = scores[number]["voting"].get("judge") or []
        judged = judged or bool(picks)
        places = [(axes.x(p["frames"]), axes.y(p["score"]), p) for p in picks]
        if len(places) > 1:
            d = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in places)
            parts.append(f'<path class="line dashed r{number % 8}" d="{d}"/>')
        parts += [
            f'<rect class="dot r{number % 8}" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8">'
            f"<title>{escape(name)}, best of {p['k']} by a judge: {100 * p['score']:.1f}</title></rect>"
            for x, y, p in places
        ]
    extra = '<span class="key">\u25a0 dashed: best by a judge</span>' if judged else ""
    return {"title": "Vote of several attempts", "svg": axes.draw(parts) + keys(lines, extra)}
