"""Read a list of events, with or without their times, and compare it with the true one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from deepsport.evaluate.choice import normalise
from deepsport.evaluate.number import to_seconds

__all__ = ["Event", "edit_score", "element_f1", "read_events"]


@dataclass(frozen=True, slots=True)
class Event:
    """One event read from an answer; `seconds` is None when no time was given."""

    label: str
    seconds: float | None = None


_SPLIT = re.compile(r"\s*(?:,|;|\n|->|\u2192|\bthen\b)\s*", re.IGNORECASE)
_LIST_MARK = re.compile(r"^\s*(?:\d+[.)]|[-\u2022*])\s+")
_AT = re.compile(
    r"^(.*?)\s*(?:\bat\b|@|\(|\[|:)\s*((?:\d{1,3}:)?\d{1,3}:[0-5]\d(?:\.\d+)?|\d+(?:\.\d+)?)\s*s?\s*[)\]]?$"
)


def read_events(answer: str) -> list[Event]:
    """Read ``serve, smash`` or ``serve @ 1.2 s, smash @ 0:03``; empty when there is nothing.

    Examples
    --------
    >>> read_events("Serve (1.2 s) -> Smash (3 s)")
    [Event(label='serve', seconds=1.2), Event(label='smash', seconds=3.0)]
    """
    events = []
    for part in _SPLIT.split(answer):
        plain = normalise(_LIST_MARK.sub("", part))
        if not plain:
            continue
        timed = _AT.match(plain)
        seconds = to_seconds(timed.group(2)) if timed else None
        label = normalise(timed.group(1)) if timed and seconds is not None else plain
        if label:
            events.append(Event(label, seconds))
    return events


def edit_score(found: Sequence[str], truth: Sequence[str]) -> float:
    """Return ``1 - Levenshtein / longer length`` of two label sequences, in [0, 1].

    The edit score of temporal segmentation (Lea et al. 2016, section 4.1), as F3Set uses it.

    Examples
    --------
    >>> edit_score(["serve", "smash"], ["serve", "lob", "smash"])
    0.6666666666666667
    """
    longest = max(len(found), len(truth))
    if longest == 0:
        return 1.0
    row = list(range(len(truth) + 1))
    for i, a in enumerate(found, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(truth, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return 1.0 - row[-1] / longest


def element_f1(found: Sequence[str], truth: Sequence[str]) -> float:
    """Return F1 of the labels as bags, order ignored."""
    if not found or not truth:
        return float(not found and not truth)
    left = list(truth)
    hits = 0
    for label in found:
        if label in left:
            left.remove(label)
            hits += 1
    return 2.0 * hits / (len(found) + len(truth))
