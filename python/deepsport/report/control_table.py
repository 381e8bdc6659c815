"""What a score rests on: each run against its own controls, question by question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from deepsport.evaluate.rescore import compare_slices
from deepsport.evaluate.rows import Row
from deepsport.evaluate.run_folder import Run, RunInfo
from deepsport.report.tables import difference_text, p_text, whisker

__all__ = ["control_table"]

_MEANING = {
    "no-tool": "what the frame tool adds to the same first frames",
    "no-frames": "what seeing adds to the question alone",
    "one-frame": "what more than one frame adds",
    "shuffled-frames": "what the order of frames adds",
    "shuffled-options": "what rests on the order of the options",
}


def control_table(
    names: Sequence[str],
    runs: Sequence[Run],
    scores: Sequence[Any],
    rows: Sequence[Sequence[Row]],
) -> list[dict[str, Any]]:
    """Return a row for each control whose plain run is there: both scores and what is gained."""
    out = []
    for number, run in enumerate(runs):
        plain = _plain(runs, run.info)
        if plain is None or not rows[number] or not rows[plain]:
            continue
        result = compare_slices(rows[number], rows[plain], seed=run.info.seed)["all"][""]
        if not result.difference.count:
            continue
        estimate = result.difference.to_json()
        out.append(
            {
                "number": plain,
                "run": names[plain],
                "control": run.info.control,
                "meaning": meaning(run.info.control),
                "score": whisker(scores[plain]["overall"]["strict"]),
                "without": whisker(scores[number]["overall"]["strict"]),
                "gain": difference_text(estimate, result.cluster_p),
                "p": p_text(result.cluster_p),
                "detectable": ""
                if math.isnan(result.detectable)
                else f"{100 * result.detectable:.1f}",
            }
        )
    return out


def meaning(control: str) -> str:
    """Say what the difference to a control is the worth of."""
    if control.startswith("uniform-"):
        return f"what choosing frames adds to {control.removeprefix('uniform-')} uniform ones"
    return _MEANING.get(control, "")


def _plain(runs: Sequence[Run], control: RunInfo) -> int | None:
    """Return the number of the run that a control is the control of."""
    if not control.control:
        return None

    def key(info: RunInfo) -> tuple[Any, ...]:
        return info.policy, info.fingerprint.get("model"), info.fingerprint.get("sampling")

    same = [
        n for n, run in enumerate(runs) if not run.info.control and key(run.info) == key(control)
    ]
    return same[0] if same else None
