"""Append-only JSON-lines files of trajectories, resumable after a kill.

One line is one trajectory, written whole and flushed before the next begins. A last line that a
kill left half-written is cut off, with a log line, when the store is opened again for writing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from deepsport.errors import RecordFormatError
from deepsport.trajectory.record import Trajectory

__all__ = ["TrajectoryStore", "cut_half_line", "read_trajectories"]

_log = logging.getLogger(__name__)


class TrajectoryStore:
    """Append trajectories to one file; one writer at a time.

    Parameters
    ----------
    path : Path or str
        Created with its folders when missing.

    Attributes
    ----------
    done : set of (str, int)
        ``(task_id, attempt)`` of every trajectory in the file: what a resumed run may skip.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        cut_half_line(self.path)
        self.done: set[tuple[str, int]] = set()
        if self.path.exists():
            self.done = {(t.task_id, t.attempt) for t in read_trajectories(self.path)}
        self._file = self.path.open("a", encoding="utf-8")

    def append(self, trajectory: Trajectory) -> None:
        """Write one trajectory and flush it to the operating system."""
        self._file.write(json.dumps(trajectory.to_json(), ensure_ascii=False) + "\n")
        self._file.flush()
        self.done.add((trajectory.task_id, trajectory.attempt))

    def close(self) -> None:
        """Close the file; nothing can be appended after."""
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


def cut_half_line(path: Path) -> None:
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


def read_trajectories(path: Path | str) -> Iterator[Trajectory]:
    """Yield the trajectories of a file in order.

    Raises
    ------
    RecordFormatError
        Naming file and line, when a line is not a trajectory.
    """
    with Path(path).open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield Trajectory.from_json(json.loads(line))
            except (json.JSONDecodeError, RecordFormatError, RecursionError) as error:
                raise RecordFormatError(f"{path}, line {number}: {error}") from error
