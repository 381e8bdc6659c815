"""Read spans of time from text, and measure how well spans overlap."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from deepsport.evaluate.choice import normalise
from deepsport.evaluate.number import to_seconds

__all__ = ["read_spans", "span_iou", "union_seconds"]

Interval = tuple[float, float]

_TIME = r"(?:(?:\d{1,3}:)?\d{1,3}:[0-5]\d(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_UNIT = r"(?:\s*(?:seconds?|secs?|s)\b)?"
_SPAN = re.compile(
    rf"(?<![\w.:-])({_TIME}){_UNIT}\s*(?:-|~|to|until|through|and|,|\.\.)\s*({_TIME}){_UNIT}(?![\w:])"
)


def read_spans(answer: str) -> tuple[tuple[Interval, ...] | None, str]:
    """Read ``12.0-15.5``, ``[12, 15.5]``, ``0:12 to 0:15``; several one after another.

    Returns
    -------
    spans : tuple of (float, float) or None
        Seconds, ``[start, stop)``, in the order written; None when there is none or one ends
        before it starts.
    rule : str
        ``spans``; or ``empty``, ``no span``, ``reversed``, ``unit`` (frames instead of seconds).

    Examples
    --------
    >>> read_spans("from 12.0 s to 15.5 s")
    (((12.0, 15.5),), 'spans')
    """
    plain = normalise(answer)
    if not plain:
        return None, "empty"
    if "frame" in plain:
        return None, "unit"
    spans = []
    for match in _SPAN.finditer(plain):
        start, stop = to_seconds(match.group(1)), to_seconds(match.group(2))
        if start is None or stop is None:
            continue
        if stop < start:
            return None, "reversed"
        spans.append((start, stop))
    return (tuple(spans), "spans") if spans else (None, "no span")


def union_seconds(spans: Iterable[Interval]) -> float:
    """Return the length of the union of spans, in seconds."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted(spans):
        if stop > end:
            total += stop - max(start, end)
            end = stop
    return total


def span_iou(first: Sequence[Interval], second: Sequence[Interval]) -> float:
    """Return intersection over union of two sets of spans in time, in [0, 1].

    Each side is the union of its spans; two empty or zero-length sides that agree exactly give 1.

    Examples
    --------
    >>> span_iou([(0.0, 2.0)], [(1.0, 3.0)])
    0.3333333333333333
    """
    union = union_seconds([*first, *second])
    if union == 0.0:
        return 1.0 if sorted(first) == sorted(second) else 0.0
    overlap = union_seconds(first) + union_seconds(second) - union
    return max(0.0, overlap) / union
