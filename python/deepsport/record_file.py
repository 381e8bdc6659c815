"""Files of JSON lines that survive a kill: the form in which stages hand records to each other.

A line is a record, written whole and flushed before the next begins, so a kill costs at most the
line being written; that half line is cut off, with a log line, when the file is opened for writing
again. Not for what a record means: a reader is given the function that makes it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from deepsport.errors import RecordFormatError

__all__ = ["RecordAppender", "read_records", "write_records"]

_log = logging.getLogger(__name__)
R = TypeVar("R")


def read_records(path: Path | str, parse: Callable[[Any], R]) -> Iterator[R]:
    """Yield ``parse(value)`` of every line; empty lines are skipped.

    Raises
    ------
    RecordFormatError
        Naming file and line, when a line is not JSON or `parse` refuses it.
    """
    with Path(path).open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield parse(json.loads(line))
            except (json.JSONDecodeError, RecordFormatError, RecursionError) as error:
                raise RecordFormatError(f"{path}, line {number}: {error}") from error


def write_records(path: Path | str, records: Iterable[Mapping[str, Any]]) -> int:
    """Write a file anew, whole or not at all; return the number of records."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    count = 0
    with partial.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            count += 1
    partial.replace(path)
    return count


class RecordAppender:
    """Append records to one file, made with its folders when missing; one writer at a time."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _cut_half_line(self.path)
        self._file = self.path.open("a", encoding="utf-8")

    def write(self, record: Mapping[str, Any]) -> None:
        """Write one record and flush it to the operating system."""
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file; nothing can be written after."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _cut_half_line(path: Path) -> None:
    """Remove a last line without its newline: a kill in the middle of a write left it."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        size = file.seek(0, 2)
        position, tail = size, b""
        while position > 0 and b"\n" not in tail:
            step = min(position, 1 << 16)
            position -= step
            file.seek(position)
            tail = file.read(step) + tail
        keep = position + tail.rfind(b"\n") + 1
        if keep != size:
            _log.warning("%s: cutting off %d bytes of a half-written record", path, size - keep)
            file.truncate(keep)
