"""How well raters agree, judges and people alike: kappa for two and for many raters."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepsport.errors import RecordFormatError, SettingsError
from deepsport.evaluate.rating import spearman
from deepsport.evaluate.run_folder import Run

__all__ = ["Agreement", "agreement", "cohen_kappa", "fleiss_kappa", "read_labels", "run_labels"]

Labels = dict[str, dict[str, float]]  # rater -> item -> score


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of two raters.

    Attributes
    ----------
    first, second : str
    items : int
        Items both have rated.
    same : float
        Share rated the same.
    kappa, weighted : float or None
        Cohen's, plain and with quadratic weights; None where chance agreement is certain.
    rank_correlation : float or None
    """

    first: str
    second: str
    items: int
    same: float
    kappa: float | None
    weighted: float | None
    rank_correlation: float | None


def cohen_kappa(first: ArrayLike, second: ArrayLike, *, quadratic: bool = False) -> float | None:
    """Return Cohen's kappa of two ratings of the same items; None when it is undefined.

    Parameters
    ----------
    first, second : (n,)
        Categories; with `quadratic` their order and distance (as ranks) count (Cohen 1968).
    """
    a, b = np.asarray(first), np.asarray(second)
    categories = np.unique(np.concatenate([a, b]))
    count = len(categories)
    table = np.zeros((count, count))
    np.add.at(table, (np.searchsorted(categories, a), np.searchsorted(categories, b)), 1.0)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / max(table.sum(), 1.0)
    weights = 1.0 - np.eye(count)
    if quadratic:
        places = np.arange(count)
        weights = (places[:, None] - places[None, :]).astype(np.float64) ** 2
    by_chance = float((weights * expected).sum())
    return 1.0 - float((weights * table).sum()) / by_chance if by_chance else None


def fleiss_kappa(counts: ArrayLike) -> float | None:
    """Return Fleiss' kappa (1971); None when it is undefined.

    Parameters
    ----------
    counts : int, (items, categories)
        How many raters put each item into each category; every item has as many raters.

    Raises
    ------
    SettingsError
        When items have different numbers of raters, or fewer than two.
    """
    table: NDArray[np.float64] = np.asarray(counts, dtype=np.float64)
    raters = table.sum(axis=1)
    if table.size == 0 or np.any(raters != raters[0]) or raters[0] < 2:
        raise SettingsError("Fleiss' kappa: valid is two or more raters, as many for every item")
    n = float(raters[0])
    observed = float(np.mean(((table**2).sum(axis=1) - n) / (n * (n - 1))))
    by_chance = float(((table.sum(axis=0) / table.sum()) ** 2).sum())
    return (observed - by_chance) / (1.0 - by_chance) if by_chance < 1.0 else None


def agreement(
    labels: Mapping[str, Mapping[str, float]],
) -> tuple[list[Agreement], float | None, int]:
    """Return the agreement of each pair of raters, and Fleiss' kappa of all.

    Parameters
    ----------
    labels : mapping of str to mapping of str to float
        Rater to item to score.

    Returns
    -------
    pairs : list of Agreement
    fleiss : float or None
        Over the items that all raters have rated.
    items : int
        How many those are.
    """
    pairs = []
    for first, second in itertools.combinations(labels, 2):
        shared = sorted(labels[first].keys() & labels[second].keys())
        if not shared:
            continue
        a = [labels[first][item] for item in shared]
        b = [labels[second][item] for item in shared]
        pairs.append(
            Agreement(
                first,
                second,
                len(shared),
                float(np.mean(np.array(a) == np.array(b))),
                cohen_kappa(a, b),
                cohen_kappa(a, b, quadratic=True),
                spearman(a, b),
            )
        )
    everywhere = sorted(set.intersection(*(set(v) for v in labels.values()))) if labels else []
    if len(labels) < 2 or not everywhere:
        return pairs, None, len(everywhere)
    categories = sorted({labels[rater][item] for rater in labels for item in everywhere})
    counts = [
        [sum(labels[r][item] == category for r in labels) for category in categories]
        for item in everywhere
    ]
    return pairs, fleiss_kappa(counts), len(everywhere)


def read_labels(path: Path | str) -> Labels:
    """Read a CSV file: ``task_id``, optionally ``attempt``, then one column of scores a rater.

    An empty cell is an item the rater has not rated.

    Raises
    ------
    RecordFormatError
        When there is no ``task_id``, no rater, or a score is no number.
    """
    labels: Labels = {}
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        names = list(reader.fieldnames or ())
        raters = [name for name in names if name not in ("task_id", "attempt")]
        if "task_id" not in names or not raters:
            raise RecordFormatError(
                f"{path}: columns are {names}; valid are task_id and one or more raters"
            )
        for row in reader:
            item = f"{row['task_id']}#{int(row.get('attempt') or 0)}"
            for rater in raters:
                text = (row[rater] or "").strip()
                if not text:
                    continue
                try:
                    labels.setdefault(rater, {})[item] = float(text)
                except ValueError:
                    raise RecordFormatError(
                        f"{path}, line {reader.line_num}: {rater} is {text!r}, valid is a number"
                    ) from None
    return labels


def run_labels(folder: Path | str, steps: Sequence[float] = (0, 0.25, 0.5, 0.75, 1)) -> Labels:
    """Return the scores that judges gave in a run, rounded to the nearest of `steps`."""
    labels: Labels = {}
    for attempt in Run(folder).latest().values():
        for name, score in attempt.verdict.parts.items():
            if name.startswith("judge:"):
                nearest = min(steps, key=lambda step: (abs(step - score), step))
                item = f"{attempt.key[0]}#{attempt.key[1]}"
                labels.setdefault(name, {})[item] = float(nearest)
    return labels
