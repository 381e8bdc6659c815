"""Compare two runs on the questions they share: difference with interval, McNemar, Holm.

The difference is taken question by question, so what both runs find easy or hard cancels out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from deepsport.evaluate.bootstrap import (
    CONFIDENCE,
    RESAMPLES,
    Estimate,
    cluster_codes,
    cluster_mean,
)

__all__ = ["Comparison", "compare_scores", "holm", "mcnemar", "sign_flip"]

FLIPS = 10_000
POWER_FACTOR = 1.959964 + 0.841621  #: two-sided 5 %, power 80 %


@dataclass(frozen=True, slots=True)
class Comparison:
    """Second run minus first, on shared questions.

    Attributes
    ----------
    difference : Estimate
        Paired cluster bootstrap.
    gained, lost : int
        Questions that only the second, only the first answers rightly.
    mcnemar_p : float
        Exact, two-sided; treats questions as independent, so it is the optimistic one.
    cluster_p : float
        Sign-flip test over clusters; the one to trust when clusters hold several questions.
    detectable : float
        Smallest true difference found in four of five such comparisons (Miller 2024,
        arXiv 2411.00640, section 5); NaN for fewer than two clusters.
    """

    difference: Estimate
    gained: int
    lost: int
    mcnemar_p: float
    cluster_p: float
    detectable: float

    def to_json(self) -> dict[str, object]:
        """Return the comparison as plain JSON values."""
        return {
            "difference": self.difference.to_json(),
            "gained": self.gained,
            "lost": self.lost,
            "mcnemar_p": _probability(self.mcnemar_p),
            "cluster_p": _probability(self.cluster_p),
            "detectable": None if math.isnan(self.detectable) else round(self.detectable, 6),
        }


def _probability(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.4g}")


def compare_scores(
    first: Mapping[str, float],
    second: Mapping[str, float],
    groups: Mapping[str, str],
    rng: np.random.Generator,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare the scores of two runs, by task id, on the tasks both have.

    Parameters
    ----------
    first, second : mapping of str to float
        Score in [0, 1] by task id; 0.5 and more counts as right for McNemar.
    groups : mapping of str to str
        Cluster of each task.
    rng : Generator
    """
    shared = sorted(first.keys() & second.keys())
    a = np.array([first[i] for i in shared], dtype=np.float64)
    b = np.array([second[i] for i in shared], dtype=np.float64)
    codes = cluster_codes([groups.get(i) or i for i in shared]) if shared else np.zeros(0, np.intp)
    difference = cluster_mean(
        b - a, codes, rng, confidence=confidence, resamples=resamples, binary=False
    )
    gained = int(np.sum((b >= 0.5) & (a < 0.5)))
    lost = int(np.sum((a >= 0.5) & (b < 0.5)))
    return Comparison(
        difference,
        gained,
        lost,
        mcnemar(gained, lost),
        sign_flip(b - a, codes, rng),
        POWER_FACTOR * difference.standard_error,
    )


def mcnemar(gained: int, lost: int) -> float:
    """Return the exact two-sided p-value of McNemar's test from the discordant pairs.

    Examples
    --------
    >>> round(mcnemar(9, 1), 4)
    0.0215
    """
    total = gained + lost
    if total == 0:
        return 1.0
    if (
        total > 1000
    ):  # the exact sum underflows; the normal form with continuity is then exact enough
        z = (abs(gained - lost) - 1) / math.sqrt(total)
        return math.erfc(max(z, 0.0) / math.sqrt(2))
    tail = sum(math.comb(total, k) for k in range(min(gained, lost) + 1))
    return min(1.0, 2.0 * float(tail / 2**total))


def sign_flip(
    differences: ArrayLike, clusters: ArrayLike, rng: np.random.Generator, *, flips: int = FLIPS
) -> float:
    """Return the two-sided p-value of "no difference" by flipping the sign of whole clusters.

    All sign patterns are tried for up to 13 clusters with a difference, else `flips` random ones.
    """
    values = np.asarray(differences, dtype=np.float64)
    codes = np.asarray(clusters, dtype=np.intp)
    sums = np.bincount(codes, weights=values) if values.size else np.zeros(0)
    sums = sums[sums != 0.0]
    if sums.size == 0:
        return 1.0
    observed = abs(float(sums.sum())) - 1e-12
    if sums.size <= 13:
        patterns = 1 - 2 * ((np.arange(2**sums.size)[:, None] >> np.arange(sums.size)) & 1)
        return float(np.mean(np.abs(patterns @ sums) >= observed))
    extreme = 0
    step = max(1, (1 << 22) // sums.size)
    for start in range(0, flips, step):
        signs = rng.integers(2, size=(min(step, flips - start), sums.size), dtype=np.int8) * 2 - 1
        extreme += int(np.sum(np.abs(signs @ sums) >= observed))
    return (extreme + 1) / (flips + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Holm's method for as many tests; NaN stays NaN and is not one.

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    out = [math.nan] * len(p_values)
    running = 0.0
    for rank, (p, i) in enumerate(order):
        running = max(running, min(1.0, (len(order) - rank) * p))
        out[i] = running
    return out
