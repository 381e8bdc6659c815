"""How well numbers agree with true numbers over many questions: rank correlation and distances."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["relative_l2", "spearman"]


def spearman(found: ArrayLike, truth: ArrayLike) -> float | None:
    """Return Spearman's rank correlation with ties averaged; None when a side is constant.

    Examples
    --------
    >>> spearman([1, 2, 3], [10, 20, 15])
    0.5
    """
    a, b = _ranks(found), _ranks(truth)
    if a.size < 2:
        return None
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale else None


def _ranks(values: ArrayLike) -> NDArray[np.float64]:
    x = np.asarray(values, dtype=np.float64)
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(counts).astype(np.float64)
    return (last - (counts - 1) / 2)[inverse.reshape(-1)]


def relative_l2(found: ArrayLike, truth: ArrayLike, low: float, high: float) -> float | None:
    """Return the relative L2 distance times 100 (Yu et al. 2021, "CoRe"); smaller is better.

    The mean of ``(|found - truth| / (high - low)) ** 2``, with the range of the true scores.
    """
    a, b = np.asarray(found, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if a.size == 0 or high <= low:
        return None
    return float(100.0 * np.mean((np.abs(a - b) / (high - low)) ** 2))
