"""The journal of a job that many machines work on: files in a folder that all of them see.

SQLite needs one writer on one machine. Here every worker appends to files of its own, and a reply is
a small file named by its request's key, so that a worker finds what another one, now dead, was
answered. `ingest` brings all of it into the job's ordinary journal.

    shared/replies/3f/3fa9….json        one reply
    shared/ledger-WORKER.jsonl          a line before each request, a line after it
    shared/ended-WORKER.jsonl           trajectories that have ended
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deepsport.distil.failures import JournalError
from deepsport.distil.journal import Journal, Totals
from deepsport.distil.request import Completion
from deepsport.trajectory import Trajectory, TrajectoryStore, read_trajectories

__all__ = ["SharedJournal", "ingest", "shared_totals"]


class SharedJournal:
    """One worker's part; stands where a `Journal` does on a `Line`. One thread at a time.

    Parameters
    ----------
    folder : Path or str
        On a file system that all workers see.
    worker : str
        A name nobody else has, not even the same worker before a restart.
    """

    def __init__(self, folder: Path | str, worker: str) -> None:
        self.folder = Path(folder)
        (self.folder / "replies").mkdir(parents=True, exist_ok=True)
        self.worker = worker
        self._ledger = (self.folder / f"ledger-{worker}.jsonl").open("a", encoding="utf-8")
        self._ended = TrajectoryStore(self.folder / f"ended-{worker}.jsonl")
        self._number = 0

    def reply(self, key: str) -> Completion | None:
        """Return the reply that any worker was given to a request, or None."""
        try:
            return Completion.from_json(json.loads(self._path(key).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def sent(self, key: str, purpose: str, attempt: int, reserved: float) -> int:
        """Record that a request is about to be sent, and return its number."""
        self._number += 1
        self._write("sent", self._number, key, purpose, attempt, reserved, time.time())
        return self._number

    def replied(
        self, number: int, key: str, completion: Completion, cost: float, seconds: float
    ) -> None:
        """Record a reply and what it cost."""
        path = self._path(key)
        partial = path.with_name(f"{path.name}.{self.worker}.partial")
        try:
            path.parent.mkdir(exist_ok=True)
            partial.write_text(json.dumps(completion.to_json()), encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            raise JournalError(f"{path} cannot be written: {error}") from error
        tokens = (completion.prompt_tokens, completion.completion_tokens)
        self._write("replied", number, *tokens, cost, seconds)

    def failed(
        self, number: int, kind: str, status: int, detail: str, *, seconds: float, billed: bool
    ) -> None:
        """Record that a request brought no reply."""
        self._write("failed", number, kind, status, detail, seconds, billed)

    def failures(self, key: str) -> int:
        """Return 0: the failures of earlier runs are not looked up."""
        del key
        return 0

    def totals(self) -> Totals:
        """Return the sums of all workers so far."""
        return shared_totals(self.folder)

    def end(self, trajectory: Trajectory) -> None:
        """Record a trajectory that has ended."""
        if (trajectory.task_id, trajectory.attempt) not in self._ended.done:
            self._ended.append(trajectory)

    def close(self) -> None:
        """Close the files."""
        self._ledger.close()
        self._ended.close()

    def _path(self, key: str) -> Path:
        return self.folder / "replies" / key[:2] / f"{key}.json"

    def _write(self, *fields: Any) -> None:
        try:
            self._ledger.write(json.dumps(fields) + "\n")
            self._ledger.flush()
        except OSError as error:
            raise JournalError(f"{self._ledger.name} cannot be written: {error}") from error


def shared_totals(folder: Path | str) -> Totals:
    """Return the sums over the ledgers of all workers, dead ones too."""
    totals = Totals.zero()
    for path in sorted(Path(folder).glob("ledger-*.jsonl")):
        for row in _requests(path):
            totals["requests"] += 1
            outcome = row["outcome"]
            totals[outcome if outcome in ("replied", "lost") else "failed"] += 1
            totals["prompt_tokens"] += row["prompt_tokens"]
            totals["completion_tokens"] += row["completion_tokens"]
            totals["cost"] += row["cost"]
            totals["uncertain_cost"] += row["reserved"]
    return totals


def ingest(folder: Path | str, journal: Journal) -> int:
    """Bring what workers have written into the job's journal; return how many attempts are new.

    Only when no worker runs. What was brought in before is left alone, so it may be repeated.
    """
    new = 0
    done = journal.ended()
    for path in sorted(Path(folder).glob("ended-*.jsonl")):
        TrajectoryStore(path).close()  # cuts off the half line of a killed worker
        for trajectory in read_trajectories(path):
            if (trajectory.task_id, trajectory.attempt) not in done:
                journal.end(trajectory)
                done[trajectory.task_id, trajectory.attempt] = trajectory.task_hash
                new += 1
    for path in sorted(Path(folder).glob("ledger-*.jsonl")):
        journal.add_requests(path.stem, _requests(path), _replies(Path(folder)))
    return new


def _replies(folder: Path) -> Any:
    def reply(key: str) -> str | None:
        try:
            return (folder / "replies" / key[:2] / f"{key}.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    return reply


def _requests(path: Path) -> Iterator[dict[str, Any]]:
    """Yield one record a request of a worker's ledger; without a second line it is lost."""
    open_: dict[int, dict[str, Any]] = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.endswith("\n"):
                break  # a kill left half a line
            what, number, *rest = json.loads(line)
            if what == "sent":
                key, purpose, attempt, reserved, sent_at = rest
                open_[number] = {
                    "key": key,
                    "purpose": purpose,
                    "attempt": attempt,
                    "sent_at": sent_at,
                    "seconds": None,
                    "outcome": "lost",
                    "status": None,
                    "detail": None,
                    "prompt_tokens": 0,
                    "completion_tokens": 0,
                    "cost": 0.0,
                    "reserved": reserved,
                }
                continue
            row = open_.pop(number)
            if what == "replied":
                prompt, completion, cost, seconds = rest
                row.update(
                    outcome="replied",
                    status=200,
                    prompt_tokens=prompt,
                    completion_tokens=completion,
                    cost=cost,
                    seconds=seconds,
                    reserved=0.0,
                )
            else:
                kind, status, detail, seconds, billed = rest
                row.update(outcome=kind, status=status, detail=detail, seconds=seconds)
                row["reserved"] = row["reserved"] if billed else 0.0
            yield row
    yield from open_.values()
