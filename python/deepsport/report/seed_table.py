"""Settings over several training seeds, as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepsport.evaluate.fingerprint import differences
from deepsport.evaluate.rows import Row
from deepsport.evaluate.run_folder import Run
from deepsport.evaluate.seeds import SeedEstimate, seed_estimate
from deepsport.evaluate.table import percent
from deepsport.report.tables import signed

__all__ = ["seed_table"]


def seed_table(settings: Mapping[str, Sequence[Path | str]]) -> list[dict[str, Any]]:
    """Return a row a setting; the gain is over the first one, seed for seed where that is possible.

    Parameters
    ----------
    settings : mapping of str to sequence of Path or str
        Folders of runs by the name of their setting, each with two seeds or more.

    Raises
    ------
    SettingsError
        When a setting has one run only.
    """
    out: list[dict[str, Any]] = []
    first: list[list[Row]] = []
    for number, (name, folders) in enumerate(settings.items()):
        runs = [Run(folder) for folder in folders]
        rows = [run.rows() for run in runs]
        found = seed_estimate(rows)
        gain = None
        if len(first) == len(rows):
            gain = _gain(seed_estimate(rows, first))
        first = first or rows
        other = {
            line
            for run in runs[1:]
            for line in differences(runs[0].info.fingerprint, run.info.fingerprint)
        }
        out.append(
            {
                "number": number,
                "name": name,
                "seeds": len(runs),
                "score": _place(found),
                "dots": [round(100 * share, 2) for share in found.per_seed],
                "spread": percent(found.between_seeds),
                "gain": gain,
                "note": "; ".join(sorted(other)),
            }
        )
    return out


def _place(found: SeedEstimate) -> dict[str, Any]:
    record = found.to_json()
    low, high = record["low"], record["high"]
    return {
        "mean": None if record["mean"] is None else round(100 * record["mean"], 2),
        "low": None if low is None else round(100 * low, 2),
        "width": None if low is None else round(100 * (high - low), 2),
        "text": percent(record["mean"]),
        "range": "" if low is None else f"{percent(low)}\u2009\u2013\u2009{percent(high)}",
        "count": found.count,
        "clusters": found.clusters,
    }


def _gain(found: SeedEstimate) -> dict[str, Any]:
    record = found.to_json()
    low, high = record["low"], record["high"]
    return {
        "text": signed(record["mean"]),
        "range": "" if low is None else f"{signed(low)} to {signed(high)}",
        "better": low is not None and low > 0,
        "worse": high is not None and high < 0,
    }
