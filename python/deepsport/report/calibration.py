"""How sure a vote was against how often it was right, as a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from deepsport.report.curves import escape
from deepsport.report.scatter import Axes, keys

__all__ = ["calibration_figure"]


def calibration_figure(
    names: Sequence[str], scores: Sequence[Mapping[str, Any]]
) -> dict[str, str] | None:
    """Return right answers against the share of attempts behind the vote, for runs with several.

    On the diagonal, a vote that seven of ten attempts stand behind is right in seven of ten cases.
    """
    lines = [
        (number, name, score["voting"])
        for number, (name, score) in enumerate(zip(names, scores, strict=True))
        if score.get("voting")
    ]
    if not lines:
        return None
    axes = Axes(100.0, "per cent of the attempts behind the vote", "calibration of the vote")
    ideal = f"M{axes.x(0):.1f} {axes.y(0):.1f}L{axes.x(100):.1f} {axes.y(1):.1f}"
    parts = [f'<path class="line joined" d="{ideal}"><title>calibrated</title></path>']
    for number, name, voting in lines:
        for part in voting["calibration"]:
            radius = 3.0 + 7.0 * math.sqrt(part["count"] / voting["questions"])
            parts.append(
                f'<circle class="dot see r{number % 8}" cx="{axes.x(100 * part["share"]):.1f}" '
                f'cy="{axes.y(part["right"]):.1f}" r="{radius:.1f}"><title>{escape(name)}: '
                f"{part['count']} questions, {100 * part['share']:.0f} % agree, "
                f"{100 * part['right']:.0f} % right</title></circle>"
            )
    errors = [
        (number, f"{name}: error {100 * voting['calibration_error']:.1f} points", None)
        for number, name, voting in lines
    ]
    return {"title": "Calibration of the vote", "svg": axes.draw(parts) + keys(errors)}
