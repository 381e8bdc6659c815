"""Several attempts at a question made into one answer, and what that costs.

The vote picks one of the attempts: the one whose answer most others share (letters, words,
numbers), or the one closest to the others (spans, texts). Nothing is averaged, so the chosen
answer is one the policy gave.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deepsport.evaluate.caption import rouge_l
from deepsport.evaluate.interval import span_iou
from deepsport.evaluate.rows import Row
from deepsport.evaluate.verdict import Outcome
from deepsport.task import Kind

__all__ = ["majority", "voting"]

BINS = 5  #: of the calibration table
MOST_COMPARED = 32  #: attempts compared with one another for texts and spans


def majority(rows: Sequence[Row]) -> tuple[Row, float]:
    """Return the attempt that the vote picks, and the share of attempts that stand behind it.

    Parameters
    ----------
    rows : sequence of Row
        Attempts at one question in their order, none of them a fault. The earlier one wins a tie.
    """
    readable = [row for row in rows if row.outcome is Outcome.OK]
    if not readable:
        return rows[0], 0.0
    kind = readable[0].slices["kind"]
    if kind in (Kind.INTERVAL, Kind.TEXT):
        some = readable[:MOST_COMPARED]
        close = [sum(_closeness(kind, a.read, b.read) for b in some) for a in some]
        best = max(range(len(some)), key=lambda i: (close[i], -i))
        return some[best], close[best] / len(rows)
    names = [_name(row.read) for row in readable]
    counts = Counter(names)
    best = max(range(len(names)), key=lambda i: (counts[names[i]], -i))
    return readable[best], counts[names[best]] / len(rows)


def _name(read: Any) -> str:
    return f"{read:.6g}" if isinstance(read, int | float) else repr(read)


def _closeness(kind: str, a: Any, b: Any) -> float:
    if kind == Kind.TEXT:
        return rouge_l(str(a), [str(b)])
    return span_iou([tuple(s) for s in a], [tuple(s) for s in b])


def voting(
    rows: Sequence[Row], votes: Mapping[int, Mapping[str, int]] | None = None
) -> dict[str, Any]:
    """Return the score of the vote of the first 1, 2, ... attempts with its cost, and calibration.

    Empty when no question has two attempts. Only questions with as many unfaulted attempts as the
    one with the fewest (two at least) count, so that every point of the curve is over the same ones.

    Parameters
    ----------
    rows : sequence of Row
    votes : mapping of int to mapping of str to int, optional
        Attempts that a judge picked among the first so many; questions without a pick keep the
        majority's.
    """
    tries: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.attempt):
        if row.strict is not None:
            tries[row.task_id].append(row)
    several = [attempts for attempts in tries.values() if len(attempts) > 1]
    if not several:
        return {}
    most = min(len(attempts) for attempts in several)
    curve = [
        {"k": k, "score": _score(majority(a[:k])[0] for a in several), **_cost(several, k)}
        for k in range(1, most + 1)
    ]
    out = {"questions": len(several), "curve": curve, **_calibration(several)}
    if votes:
        out["judge"] = [
            {"k": k, "score": _score(_picked(a[:k], chosen) for a in several), **_cost(several, k)}
            for k, chosen in sorted(votes.items())
            if k <= most
        ]
    return out


def _picked(attempts: Sequence[Row], chosen: Mapping[str, int]) -> Row:
    """Return the judge's pick, or the majority's where there is none."""
    pick = chosen.get(attempts[0].task_id)
    return next((row for row in attempts if row.attempt == pick), majority(attempts)[0])


def _score(rows: Iterable[Row]) -> float:
    return round(_mean(row.strict or 0.0 for row in rows), 6)


def _cost(several: Sequence[Sequence[Row]], k: int) -> dict[str, float]:
    """Return what the first k attempts at a question cost on average."""
    tokens = (sum(row.usage.get("completion_tokens", 0) for row in a[:k]) for a in several)
    frames = (sum(row.look.frames for row in a[:k]) for a in several)
    return {"frames": round(_mean(frames), 3), "tokens": round(_mean(tokens), 3)}


def _calibration(several: Sequence[Sequence[Row]]) -> dict[str, Any]:
    """Compare how sure the vote was with how often it was right."""
    picked = [majority(attempts) for attempts in several]
    bins: list[list[tuple[float, float]]] = [[] for _ in range(BINS)]
    for row, share in picked:
        bins[min(BINS - 1, int(share * BINS))].append((share, float(row.correct)))
    table = [
        {
            "count": len(part),
            "share": round(_mean(s for s, _ in part), 6),
            "right": round(_mean(r for _, r in part), 6),
        }
        for part in bins
        if part
    ]
    # expected calibration error, Naeini et al. 2015
    error = sum(b["count"] * abs(b["share"] - b["right"]) for b in table) / len(picked)
    return {"calibration": table, "calibration_error": round(error, 6)}


def _mean(values: Any) -> float:
    some = list(values)
    return sum(some) / len(some) if some else 0.0
