"""Append-only files of trajectories, resumable after a kill."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deepsport.record_file import RecordAppender, read_records
from deepsport.trajectory.record import Trajectory

__all__ = ["TrajectoryStore", "read_trajectories"]


class TrajectoryStore(RecordAppender):
    """Append trajectories to one file; one writer at a time.

    Attributes
    ----------
    done : set of (str, int)
        ``(task_id, attempt)`` of every trajectory in the file: what a resumed run may skip.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self.done = {(t.task_id, t.attempt) for t in read_trajectories(self.path)}

    def append(self, trajectory: Trajectory) -> None:
        """Write one trajectory and flush it to the operating system."""
        self.write(trajectory.to_json())
        self.done.add((trajectory.task_id, trajectory.attempt))


def read_trajectories(path: Path | str) -> Iterator[Trajectory]:
    """Yield the trajectories of a file in order.

    Raises
    ------
    RecordFormatError
        Naming file and line, when a line is not a trajectory.
    """
    return read_records(path, Trajectory.from_json)
