"""The table of the DeepSport paper: frames, four dimensions, overall; ours and, apart, the published.

Published rows come from a citation file and are marked as reported by others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepsport.errors import RecordFormatError
from deepsport.evaluate.table import percent
from deepsport.task import Dimension

__all__ = ["PUBLISHED", "paper_lines", "paper_table", "read_published"]

PUBLISHED = Path(__file__).with_name("published.json")


def read_published(path: Path | str = PUBLISHED) -> dict[str, Any]:
    """Read a citation file.

    Raises
    ------
    RecordFormatError
        When it has another schema, or a row without name, overall score or source.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise RecordFormatError(f"{path}: {error}") from error
    if not isinstance(record, dict) or record.get("schema") != "deepsport.published/1":
        raise RecordFormatError(f"{path}: valid is a file of schema deepsport.published/1")
    for row in record.get("rows", ()):
        missing = [key for key in ("name", "overall", "source", "scores") if key not in row]
        if missing:
            raise RecordFormatError(f"{path}: row {row!r} has no {', '.join(missing)}")
    return record


def paper_table(
    names: Sequence[str], scores: Sequence[Mapping[str, Any]], published: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Return the table ready to print; None with neither two dimensions nor published rows."""
    dimensions = [dimension.value for dimension in Dimension]
    ours = []
    for number, (name, score) in enumerate(zip(names, scores, strict=True)):
        blocks = score["slices"].get("dimension", {})
        means = [blocks[d]["strict"]["mean"] if d in blocks else None for d in dimensions]
        frames = score["looking"]["frames"]
        ours.append(
            {
                "number": number,
                "name": name,
                "frames": "\u2013" if frames is None else f"{frames:.2f}",
                "scores": [percent(mean) for mean in means],
                "overall": percent(score["overall"]["strict"]["mean"]),
            }
        )
    known = any(len(score["slices"].get("dimension", ())) > 1 for score in scores)
    if not known and published is None:
        return None
    theirs = []
    for row in (published or {}).get("rows", ()):
        frames = row.get("frames")
        theirs.append(
            {
                "name": row["name"],
                "frames": "\u2013" if frames is None else f"{frames:.2f}",
                "scores": ["\u2013" if s is None else f"{s:.1f}" for s in row["scores"]],
                "overall": f"{row['overall']:.1f}",
                "source": row["source"],
            }
        )
    return {
        "dimensions": dimensions,
        "ours": ours,
        "theirs": theirs,
        "note": (published or {}).get("note", ""),
        "benchmark": (published or {}).get("benchmark", ""),
    }


def paper_lines(table: Mapping[str, Any] | None) -> list[str]:
    """Return the table as lines of text for the terminal."""
    if table is None:
        return []
    width = max(len(row["name"]) for row in (*table["ours"], *table["theirs"]))
    columns = [*(name.split(" ")[0] for name in table["dimensions"]), "overall"]
    head = f"{'per cent':<{width}}  {'frames':>7}" + "".join(f"{name:>14}" for name in columns)

    def line(row: Mapping[str, Any]) -> str:
        values = "".join(f"{value:>14}" for value in (*row["scores"], row["overall"]))
        return f"{row['name']:<{width}}  {row['frames']:>7}{values}"

    lines = [head, *map(line, table["ours"])]
    if table["theirs"]:
        lines += ["", f"reported by others: {table['benchmark']}", *map(line, table["theirs"])]
        lines += [table["note"]] if table["note"] else []
    return lines
