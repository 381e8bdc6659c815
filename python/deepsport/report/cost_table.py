"""What a question costs in each run: frames, calls, tokens, money, seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["cost_table"]

#: heading, name in the usage, digits, and what it means
_COLUMNS = (
    ("Prompt tokens", "prompt_tokens", 0, "sent to the model, all turns"),
    ("Reply tokens", "completion_tokens", 0, "written by the model"),
    ("US dollars", "dollars", 4, "by the prices given to the run"),
    ("Decoding s", "decode_seconds", 3, "opening and decoding video"),
    ("Model s", "model_seconds", 2, "a batch's seconds are shared out among its replies"),
    ("Wall s", "wall_seconds", 2, "from being taken up to its record, waiting for others included"),
)


def cost_table(
    names: Sequence[str], scores: Sequence[Mapping[str, Any]]
) -> dict[str, list[Any]] | None:
    """Return the mean cost of an attempt, a row a run; columns that no run knows are left out."""
    known = [column for column in _COLUMNS if any(column[1] in s["usage"] for s in scores)]
    rows = []
    for number, (name, score) in enumerate(zip(names, scores, strict=True)):
        looking = score["looking"]
        cells = [_text(looking["frames"], 1), _text(looking["calls"], 2)]
        cells += [_text(score["usage"].get(key, {}).get("mean"), d) for _, key, d, _ in known]
        rows.append({"number": number, "name": name, "cells": cells})
    heads = [("Frames", "shown, repeated ones counted again"), ("Calls", "of the frame tool")]
    heads += [(title, meaning) for title, _, _, meaning in known]
    return {"heads": heads, "rows": rows} if rows else None


def _text(value: float | None, digits: int) -> str:
    return "\u2013" if value is None else f"{value:,.{digits}f}"
