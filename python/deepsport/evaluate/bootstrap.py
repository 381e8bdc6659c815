"""Means with intervals when questions come in clusters: several of one match are not independent.

Clusters (matches, source videos) are drawn with replacement, all their questions with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepsport.errors import MissingExtraError, SettingsError

__all__ = ["Estimate", "cluster_codes", "cluster_mean", "cluster_standard_error"]

RESAMPLES = 2000
CONFIDENCE = 0.95
_CHUNK = 1 << 22  # cluster draws held in memory at once


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval.

    Attributes
    ----------
    mean, low, high : float
        NaN when there is nothing to estimate from; `low` and `high` are NaN for one cluster.
    standard_error : float
        Cluster-robust (CR1); NaN for one cluster.
    count, clusters : int
    method : str
        ``"bootstrap"``; ``"exact"`` where all scores are 0 or all are 1 and a bootstrap would
        claim certainty; ``"none"`` for fewer than two clusters.
    """

    mean: float
    low: float
    high: float
    standard_error: float
    count: int
    clusters: int
    method: str

    def to_json(self) -> dict[str, float | int | str | None]:
        """Return the estimate as plain JSON values; NaN becomes null."""
        return {
            "mean": _number(self.mean),
            "low": _number(self.low),
            "high": _number(self.high),
            "standard_error": _number(self.standard_error),
            "count": self.count,
            "clusters": self.clusters,
            "method": self.method,
        }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def cluster_codes(names: ArrayLike) -> NDArray[np.intp]:
    """Return for each name the number of its cluster, 0 to clusters - 1."""
    return np.unique(np.asarray(names), return_inverse=True)[1].reshape(-1)


def cluster_standard_error(values: ArrayLike, clusters: ArrayLike) -> float:
    """Return the cluster-robust standard error of a mean (CR1, as statsmodels' default).

    Parameters
    ----------
    values : float, (n,)
    clusters : int, (n,)
        From :func:`cluster_codes`.
    """
    x = np.asarray(values, dtype=np.float64)
    codes = np.asarray(clusters)
    groups = int(codes.max()) + 1 if codes.size else 0
    if groups < 2:
        return math.nan
    residuals = np.bincount(codes, weights=x - x.mean(), minlength=groups)
    # CR1: groups/(groups-1) * (n-1)/(n-k), where the one regressor is the mean, so the second is 1
    return float(math.sqrt(groups / (groups - 1) * np.sum(residuals**2)) / x.size)


def cluster_mean(
    values: ArrayLike,
    clusters: ArrayLike,
    rng: np.random.Generator,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    binary: bool | None = None,
) -> Estimate:
    """Estimate a mean with a cluster bootstrap interval.

    Parameters
    ----------
    values : float, (n,)
        One score a question.
    clusters : int, (n,)
        From :func:`cluster_codes`.
    rng : Generator
    confidence : float
    resamples : int
    binary : bool or None
        Whether scores lie in [0, 1], so that the interval is kept there; found out when None.

    Notes
    -----
    Percentile interval, widened for few clusters as Hesterberg (2015, "What teachers should know
    about the bootstrap", section 3.2.2) describes: the quantile taken is
    ``Phi(-sqrt(G / (G - 1)) * t)``, with `t` Student's quantile for G - 1 degrees of freedom.

    Raises
    ------
    SettingsError
        When the arrays disagree in length.
    """
    x = np.asarray(values, dtype=np.float64)
    codes = np.asarray(clusters, dtype=np.intp)
    if x.shape != codes.shape or x.ndim != 1:
        raise SettingsError(f"{x.shape} values with {codes.shape} clusters; valid is one each")
    if x.size == 0:
        return Estimate(math.nan, math.nan, math.nan, math.nan, 0, 0, "none")
    groups = int(codes.max()) + 1
    mean = float(x.mean())
    if groups < 2:
        return Estimate(mean, math.nan, math.nan, math.nan, x.size, groups, "none")
    bounded = bool(x.min() >= 0 and x.max() <= 1) if binary is None else binary
    if bounded and x.min() == x.max() and x[0] in (0.0, 1.0):
        low, high = exact_interval(groups if mean else 0, groups, confidence)
        return Estimate(mean, low, high, 0.0, x.size, groups, "exact")
    error = cluster_standard_error(x, codes)
    sums = np.bincount(codes, weights=x, minlength=groups).astype(np.float64)
    sizes = np.bincount(codes, minlength=groups).astype(np.float64)
    draws = resampled_ratios(sums, sizes, rng, resamples)
    tail = widened_tail(groups, confidence)
    low, high = (float(v) for v in np.quantile(draws, [tail, 1 - tail]))
    if bounded:
        low, high = max(0.0, low), min(1.0, high)
    return Estimate(mean, low, high, error, x.size, groups, "bootstrap")


def resampled_ratios(
    sums: NDArray[np.float64],
    sizes: NDArray[np.float64],
    rng: np.random.Generator,
    resamples: int,
) -> NDArray[np.float64]:
    """Return means of resampled clusters: float64, (resamples,)."""
    groups = sums.size
    out = np.empty(resamples)
    step = max(1, _CHUNK // groups)
    for start in range(0, resamples, step):
        stop = min(resamples, start + step)
        picked = rng.integers(groups, size=(stop - start, groups), dtype=np.int32)
        out[start:stop] = sums[picked].sum(axis=1) / sizes[picked].sum(axis=1)
    return out


@lru_cache(maxsize=512)
def widened_tail(groups: int, confidence: float) -> float:
    """Return the share to cut off at each end of the bootstrap draws."""
    special = _special()
    t = float(special.stdtrit(groups - 1, 0.5 + confidence / 2))
    return float(special.ndtr(-math.sqrt(groups / (groups - 1)) * t))


@lru_cache(maxsize=512)
def exact_interval(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a share."""
    special = _special()
    alpha = 1 - confidence
    low = (
        0.0
        if successes == 0
        else float(special.betaincinv(successes, trials - successes + 1, alpha / 2))
    )
    high = (
        1.0
        if successes == trials
        else float(special.betaincinv(successes + 1, trials - successes, 1 - alpha / 2))
    )
    return low, high


def _special() -> Any:
    try:
        from scipy import special
    except ImportError as error:
        raise MissingExtraError("deepsport[evaluate] is needed for intervals (scipy)") from error
    return special
