"""Average precision of events spotted in time, as the SoccerNet challenges define it.

The definition (SoccerNet/Evaluation/ActionSpotting.py of github.com/SoccerNet/SoccerNet): a
tolerance is the *full* width of the window around a true event; each true event, in order of time,
takes the surest free prediction of its class inside; precision and recall at 200 confidences from
0 to 1; 11-point interpolation; the trapezoid mean over tolerances of 5 to 60 s (loose) or 1 to 5 s
(tight); the mean over classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["LOOSE_SECONDS", "TIGHT_SECONDS", "average_map", "average_precision"]

LOOSE_SECONDS = tuple(range(5, 61, 5))
TIGHT_SECONDS = (1, 2, 3, 4, 5)
_THRESHOLDS = np.linspace(0.0, 1.0, 200)

TrueEvent = tuple[str, float]  #: label, seconds
FoundEvent = tuple[str, float, float]  #: label, seconds, confidence in [0, 1]


def average_map(
    truth: Sequence[Sequence[TrueEvent]],
    found: Sequence[Sequence[FoundEvent]],
    *,
    tight: bool,
) -> float | None:
    """Return the average mAP over videos, in [0, 1]; None when there is no true event.

    Parameters
    ----------
    truth : sequence of sequence of (str, float)
        Events of each video: label and seconds.
    found : sequence of sequence of (str, float, float)
        Predictions of each video: label, seconds, confidence. Classes that never truly happen are
        left out, as a class without true events has no recall.
    tight : bool
        Tolerances of 1 to 5 s instead of 5 to 60 s.
    """
    labels = sorted({label for events in truth for label, _ in events})
    if not labels:
        return None
    curve = [
        float(np.mean([average_precision(truth, found, label, width) for label in labels]))
        for width in (TIGHT_SECONDS if tight else LOOSE_SECONDS)
    ]
    return float(np.mean([(a + b) / 2 for a, b in itertools.pairwise(curve)]))


def average_precision(
    truth: Sequence[Sequence[TrueEvent]],
    found: Sequence[Sequence[FoundEvent]],
    label: str,
    width_seconds: float,
) -> float:
    """Return the 11-point average precision of one class at one tolerance."""
    confidences: list[float] = []
    matched: list[bool] = []
    total = 0
    for events, predictions in zip(truth, found, strict=True):
        times = sorted(seconds for name, seconds in events if name == label)
        own = sorted((s, c) for name, s, c in predictions if name == label)
        total += len(times)
        confidences += [confidence for _, confidence in own]
        matched += _match(times, own, width_seconds)
    if not total or not confidences:
        return 0.0
    return _eleven_points(np.array(confidences), np.array(matched), total)


def _match(
    times: Sequence[float], predictions: Sequence[tuple[float, float]], width: float
) -> list[bool]:
    taken = [False] * len(predictions)
    for time in times:
        best, chosen = -1.0, None
        for i, (seconds, confidence) in enumerate(predictions):
            near = abs(seconds - time) <= width / 2
            if near and confidence > best and not taken[i]:
                best, chosen = confidence, i
        if chosen is not None:
            taken[chosen] = True
    return taken


def _eleven_points(
    confidences: NDArray[np.float64], matched: NDArray[np.bool_], total: int
) -> float:
    kept = confidences[None, :] >= _THRESHOLDS[:, None]
    right = (kept & matched[None, :]).sum(axis=1)
    # SoccerNet keeps a phantom detection of confidence -1 in the list; no threshold is that low
    precision = right / np.maximum(kept.sum(axis=1), 1)
    recall = right / total
    best = [float(precision[recall >= j / 10].max(initial=0.0)) for j in range(11)]
    return sum(best) / 11
