"""The record of one attempt and the append-only file that keeps it (docs/formats/attempt-v1.md).

An attempt is a trajectory, its verdict and the facts of the video that scoring needs, so that a
run can be scored again without the model and without the videos.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deepsport.errors import RecordFormatError
from deepsport.evaluate.looking import Look, look
from deepsport.evaluate.verdict import Outcome, Verdict
from deepsport.record_file import RecordAppender, read_records, write_records
from deepsport.task import Task
from deepsport.trajectory import Trajectory

__all__ = [
    "ATTEMPT_SCHEMA",
    "Attempt",
    "AttemptStore",
    "VideoFacts",
    "read_attempts",
    "write_attempts",
]

ATTEMPT_SCHEMA = "deepsport.attempt/1"


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What is kept of the video, to draw and score without it."""

    frame_count: int
    fps: float
    duration_seconds: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at one task.

    Attributes
    ----------
    trajectory : Trajectory
    verdict : Verdict
    video : VideoFacts or None
        None when it could not be opened.
    windows_seconds : tuple of (float, float)
        ``trajectory.windows`` in seconds, ``[start, stop)``.
    wall_seconds : float
        From the start of its evaluation to the record, the waiting for others of the batch in it.
    """

    trajectory: Trajectory
    verdict: Verdict
    video: VideoFacts | None = None
    windows_seconds: tuple[tuple[float, float], ...] = ()
    wall_seconds: float = 0.0

    @property
    def key(self) -> tuple[str, int]:
        """``(task_id, attempt)``."""
        return self.trajectory.task_id, self.trajectory.attempt

    def look(self, task: Task) -> Look:
        """Measure what was looked at, see :func:`deepsport.evaluate.looking.look`."""
        return look(self.trajectory, self.windows_seconds, task.evidence)

    def with_verdict(self, verdict: Verdict) -> Attempt:
        """Return the attempt with another verdict."""
        return replace(self, verdict=verdict)

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        video = self.video
        return {
            "schema": ATTEMPT_SCHEMA,
            "trajectory": self.trajectory.to_json(),
            "verdict": self.verdict.to_json(),
            "video": None
            if video is None
            else {
                "frame_count": video.frame_count,
                "fps": video.fps,
                "duration_seconds": video.duration_seconds,
            },
            "windows_seconds": [list(window) for window in self.windows_seconds],
            "wall_seconds": round(self.wall_seconds, 3),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Attempt:
        """Read a record written by :meth:`to_json`.

        Raises
        ------
        RecordFormatError
            When the schema is another one, or a field is missing or of the wrong type.
        """
        if not isinstance(record, Mapping) or record.get("schema") != ATTEMPT_SCHEMA:
            found = record.get("schema") if isinstance(record, Mapping) else type(record).__name__
            raise RecordFormatError(
                f"not an attempt record: schema is {found!r}, valid is {ATTEMPT_SCHEMA!r}"
            )
        try:
            video = record["video"]
            return cls(
                trajectory=Trajectory.from_json(record["trajectory"]),
                verdict=Verdict.from_json(record["verdict"]),
                video=None if video is None else VideoFacts(**video),
                windows_seconds=tuple((float(a), float(b)) for a, b in record["windows_seconds"]),
                wall_seconds=float(record["wall_seconds"]),
            )
        except RecordFormatError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise RecordFormatError(f"attempt: {type(error).__name__}: {error}") from error


class AttemptStore(RecordAppender):
    """Append attempts to one file; one writer at a time.

    Attributes
    ----------
    done : dict of (str, int) to str
        Content hash of the task of every attempt whose newest record is not a fault: what a
        resumed run may skip as long as the task is still the same.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self.done: dict[tuple[str, int], str] = {}
        for attempt in read_attempts(self.path):
            self._note(attempt)

    def append(self, attempt: Attempt) -> None:
        """Write one attempt and flush it to the operating system."""
        self.write(attempt.to_json())
        self._note(attempt)

    def _note(self, attempt: Attempt) -> None:
        # a judge that failed is asked again by `deepsport judge`; the attempt itself was played
        if attempt.verdict.faulted and attempt.verdict.outcome is not Outcome.JUDGE_FAIL:
            self.done.pop(attempt.key, None)
        else:
            self.done[attempt.key] = attempt.trajectory.task_hash


def read_attempts(path: Path | str) -> Iterator[Attempt]:
    """Yield the attempts of a file in the order written; a repeated attempt comes again.

    Raises
    ------
    RecordFormatError
        Naming file and line, when a line is not an attempt.
    """
    return read_records(path, Attempt.from_json)


def write_attempts(path: Path | str, attempts: Iterable[Attempt]) -> int:
    """Write attempts anew, whole or not at all; return their number."""
    return write_records(path, (attempt.to_json() for attempt in attempts))
