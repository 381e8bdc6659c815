"""Learning curves as JSON lines: one record a step, whole or not at all, cut back on resume."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deepsport.errors import RecordFormatError

__all__ = ["CURVE_SCHEMA", "Curve", "read_curve"]

CURVE_SCHEMA = "deepsport.curve/1"


class Curve:
    """Append records of training steps to a file.

    Parameters
    ----------
    path : Path or str
    from_step : int
        Step of the checkpoint that training goes on from: records of later steps, which a killed
        run had written before it was resumed, are removed. 0 begins anew.
    """

    def __init__(self, path: Path | str, *, from_step: int = 0) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = []
        if from_step and self.path.exists():
            kept = [record for record in read_curve(self.path) if record["step"] <= from_step]
        partial = self.path.with_name(self.path.name + ".partial")
        partial.write_text("".join(json.dumps(record) + "\n" for record in kept))
        partial.replace(self.path)

    def append(self, step: int, values: Mapping[str, Any]) -> None:
        """Write the record of one step; numbers that are not finite are written as null."""
        record = {"schema": CURVE_SCHEMA, "step": step}
        for name, value in values.items():
            finite = not isinstance(value, float) or math.isfinite(value)
            record[name] = value if finite else None
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, allow_nan=False) + "\n")


def read_curve(path: Path | str) -> Iterator[dict[str, Any]]:
    """Yield the records of a curve; a half-written last line is left out.

    Raises
    ------
    RecordFormatError
        When a line is not a record of a curve.
    """
    text = Path(path).read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if not line.endswith("\n"):
            return
        try:
            record = json.loads(line)
            if record["schema"] != CURVE_SCHEMA:
                raise ValueError(f"schema is {record['schema']!r}, valid is {CURVE_SCHEMA!r}")
        except (ValueError, KeyError, TypeError) as error:
            raise RecordFormatError(f"{path}, line {number}: {error}") from error
        yield record
