"""The journal of a job: every request before it is sent, every reply before the next request.

SQLite in write-ahead mode, one writer. A process killed at any moment loses at most the replies in
flight; their requests stay on record as lost. A power cut can lose the last few commits
(``synchronous=NORMAL``), never the file.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deepsport.distil.failures import JournalError
from deepsport.distil.request import Completion
from deepsport.errors import RecordFormatError, SettingsError
from deepsport.trajectory import Trajectory

__all__ = ["Journal", "Totals"]

JOURNAL_SCHEMA = "deepsport.journal/1"

_TABLES = """
CREATE TABLE IF NOT EXISTS job (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS request (
  number INTEGER PRIMARY KEY, key TEXT NOT NULL, purpose TEXT NOT NULL, attempt INTEGER NOT NULL,
  sent_at REAL NOT NULL, seconds REAL, outcome TEXT NOT NULL, status INTEGER, detail TEXT,
  prompt_tokens INTEGER NOT NULL DEFAULT 0, completion_tokens INTEGER NOT NULL DEFAULT 0,
  cost REAL NOT NULL DEFAULT 0, reserved REAL NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS request_key ON request (key);
CREATE TABLE IF NOT EXISTS reply (key TEXT PRIMARY KEY, completion TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ended (
  task_id TEXT NOT NULL, attempt INTEGER NOT NULL, task_hash TEXT NOT NULL, status TEXT NOT NULL,
  trajectory TEXT NOT NULL,
  PRIMARY KEY (task_id, attempt)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS note (
  kind TEXT NOT NULL, subject TEXT NOT NULL, attempt INTEGER NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (kind, subject, attempt)) WITHOUT ROWID;
"""


class Totals(dict[str, float]):
    """Sums over the requests of a job.

    Keys: ``requests``, ``replied``, ``failed``, ``lost`` (sent, and nothing came back before a
    kill), ``prompt_tokens``, ``completion_tokens``, ``cost``, ``uncertain_cost`` (the most that
    requests without a known cost can have cost).
    """

    NAMES = (
        "requests",
        "replied",
        "failed",
        "lost",
        "prompt_tokens",
        "completion_tokens",
        "cost",
        "uncertain_cost",
    )

    @classmethod
    def zero(cls) -> Self:
        """Return the sums over no request."""
        return cls(dict.fromkeys(cls.NAMES, 0.0))


class Journal:
    """One job's record; one process and one thread at a time.

    Parameters
    ----------
    path : Path or str
        Created when missing.
    read_only : bool
        Look at it, also while another process writes it.

    Raises
    ------
    RecordFormatError
        When the file is not a journal, or of another version.
    SettingsError
        When another process is writing it.
    """

    def __init__(self, path: Path | str, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self._lock = None if read_only else _lock(self.path)
        try:
            if read_only:
                self._db = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True)
                found = self.setting("schema")
            else:
                self._db = sqlite3.connect(self.path, isolation_level=None)
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                self._db.executescript(_TABLES)
                found = self.setting("schema")
                if found is None:
                    self._set("schema", found := JOURNAL_SCHEMA)
        except (sqlite3.DatabaseError, JournalError) as error:
            self.close()
            raise RecordFormatError(f"{self.path} is not a journal: {error}") from error
        if found != JOURNAL_SCHEMA:
            self.close()
            raise RecordFormatError(
                f"{self.path}: schema is {found!r}, valid is {JOURNAL_SCHEMA!r}"
            )
        if not read_only:
            self._do("UPDATE request SET outcome = 'lost' WHERE outcome = 'sent'")

    def _do(self, query: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(query, values)
        except sqlite3.OperationalError as error:
            raise JournalError(
                f"{self.path} cannot be written or read ({error}); what was finished is kept, "
                "run again to go on"
            ) from error

    def setting(self, name: str) -> Any:
        """Return what is written about the job under `name`, or None."""
        row = self._do("SELECT value FROM job WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def claim(self, name: str, value: Mapping[str, Any]) -> None:
        """Write what the job is under `name`, or compare it with what was written before.

        Raises
        ------
        SettingsError
            Naming the differences, when it is another job.
        """
        plain = json.loads(json.dumps(value))
        before = self.setting(name)
        if before is None:
            self._set(name, plain)
        elif before != plain:
            changed = ", ".join(_differences(before, plain))
            raise SettingsError(
                f"{self.path} belongs to a job with other {name}: {changed}. Valid are the same "
                "settings, or another folder"
            )

    def _set(self, name: str, value: Any) -> None:
        self._do("INSERT OR REPLACE INTO job VALUES (?, ?)", (name, json.dumps(value)))

    def reply(self, key: str) -> Completion | None:
        """Return the reply that was given to a request before, or None."""
        row = self._do("SELECT completion FROM reply WHERE key = ?", (key,)).fetchone()
        return Completion.from_json(json.loads(row[0])) if row else None

    def sent(self, key: str, purpose: str, attempt: int, reserved: float) -> int:
        """Record that a request is about to be sent, and return its number."""
        cursor = self._do(
            "INSERT INTO request (key, purpose, attempt, sent_at, outcome, reserved)"
            " VALUES (?, ?, ?, ?, 'sent', ?)",
            (key, purpose, attempt, time.time(), reserved),
        )
        return int(cursor.lastrowid or 0)

    def replied(
        self, number: int, key: str, completion: Completion, cost: float, seconds: float
    ) -> None:
        """Record a reply and what it cost, in one transaction."""
        text = json.dumps(completion.to_json(), ensure_ascii=True)
        self._do("BEGIN")
        self._do("INSERT OR REPLACE INTO reply VALUES (?, ?)", (key, text))
        self._do(
            "UPDATE request SET outcome = 'replied', status = 200, prompt_tokens = ?,"
            " completion_tokens = ?, cost = ?, reserved = 0, seconds = ? WHERE number = ?",
            (completion.prompt_tokens, completion.completion_tokens, cost, seconds, number),
        )
        self._do("COMMIT")

    def failed(
        self, number: int, kind: str, status: int, detail: str, *, seconds: float, billed: bool
    ) -> None:
        """Record that a request brought no reply; `billed` when it may have cost something."""
        self._do(
            "UPDATE request SET outcome = ?, status = ?, detail = ?, seconds = ?,"
            " reserved = CASE WHEN ? THEN reserved ELSE 0 END WHERE number = ?",
            (kind, status, detail, seconds, billed, number),
        )

    def add_requests(
        self,
        worker: str,
        rows: Iterable[Mapping[str, Any]],
        reply: Callable[[str], str | None],
    ) -> None:
        """Take over the requests of another machine's worker, once and whole.

        Parameters
        ----------
        worker : str
            Name of its ledger; a second call with the same name changes nothing.
        rows : iterable of mapping
            Columns of the table ``request``.
        reply : callable
            From a key to the reply as JSON text.
        """
        if self.setting(f"added {worker}") is not None:
            return
        self._do("BEGIN")
        for row in rows:
            names = ", ".join(row)
            marks = ", ".join("?" * len(row))
            self._do(f"INSERT INTO request ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608
            text = reply(row["key"]) if row["outcome"] == "replied" else None
            if text is not None:
                self._do("INSERT OR REPLACE INTO reply VALUES (?, ?)", (row["key"], text))
        self._set(f"added {worker}", value=True)
        self._do("COMMIT")

    def failures(self, key: str) -> int:
        """Return how often a request was sent and brought no reply, in all runs of the job."""
        query = "SELECT count(*) FROM request WHERE key = ? AND outcome NOT IN ('replied', 'lost')"
        return int(self._do(query, (key,)).fetchone()[0])

    def totals(self) -> Totals:
        """Return the sums over all requests so far."""
        row = self._do(
            "SELECT count(*), sum(outcome = 'replied'), sum(outcome NOT IN ('replied', 'lost', "
            "'sent')), sum(outcome = 'lost'), sum(prompt_tokens), sum(completion_tokens), "
            "sum(cost), sum(reserved) FROM request"
        ).fetchone()
        names = [
            "requests",
            "replied",
            "failed",
            "lost",
            "prompt_tokens",
            "completion_tokens",
            "cost",
            "uncertain_cost",
        ]
        return Totals(zip(names, (value or 0 for value in row), strict=True))

    def outcomes(self) -> dict[str, int]:
        """Return the number of requests by outcome."""
        rows = self._do("SELECT outcome, count(*) FROM request GROUP BY outcome")
        return dict(rows.fetchall())

    def end(self, trajectory: Trajectory) -> None:
        """Record a trajectory that has ended; each (task, attempt) ends once.

        Raises
        ------
        SettingsError
            When it has ended before.
        """
        text = json.dumps(trajectory.to_json(), ensure_ascii=True)
        t = trajectory
        row = (t.task_id, t.attempt, t.task_hash, t.status.value, text)
        try:
            self._do("INSERT INTO ended VALUES (?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError as error:
            raise SettingsError(
                f"task {trajectory.task_id!r}, attempt {trajectory.attempt} has ended before"
            ) from error

    def ended(self) -> dict[tuple[str, int], str]:
        """Return the content hash of the task of all that has ended, by ``(task_id, attempt)``."""
        rows = self._do("SELECT task_id, attempt, task_hash FROM ended")
        return {(task_id, attempt): task_hash for task_id, attempt, task_hash in rows}

    def statuses(self) -> dict[str, int]:
        """Return the number of ended attempts by status."""
        rows = self._do("SELECT status, count(*) FROM ended GROUP BY status")
        return dict(rows.fetchall())

    def forget_faults(self) -> int:
        """Let every attempt that ended in a fault be played again; return their number."""
        return self._do("DELETE FROM ended WHERE status = 'fault'").rowcount

    def trajectories(self, order: Iterable[str] | None = None) -> Iterator[Trajectory]:
        """Yield what has ended, by the order of task ids given, else by task id, then attempt."""
        if order is None:
            query = "SELECT trajectory FROM ended ORDER BY task_id, attempt"
            for (text,) in self._do(query):
                yield Trajectory.from_json(json.loads(text))
            return
        query = "SELECT trajectory FROM ended WHERE task_id = ? ORDER BY attempt"
        for task_id in order:
            for (text,) in self._do(query, (task_id,)).fetchall():
                yield Trajectory.from_json(json.loads(text))

    def write_note(self, kind: str, subject: str, attempt: int, value: Any) -> None:
        """Keep a finding about a task or trajectory, e.g. a judge's opinion."""
        self._do(
            "INSERT OR REPLACE INTO note VALUES (?, ?, ?, ?)",
            (kind, subject, attempt, json.dumps(value)),
        )

    def notes(self, kind: str) -> dict[tuple[str, int], Any]:
        """Return all findings of a kind, by subject and attempt."""
        rows = self._do("SELECT subject, attempt, value FROM note WHERE kind = ?", (kind,))
        return {(subject, attempt): json.loads(value) for subject, attempt, value in rows}

    def close(self) -> None:
        """Close the file."""
        if hasattr(self, "_db"):
            self._db.close()
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _lock(path: Path) -> Any:
    """Hold a lock beside the journal for as long as the process lives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.with_name(path.name + ".lock").open("a")
    try:
        import fcntl
    except ImportError:  # a platform without it: the user must not start two
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise SettingsError(
            f"{path} is being written by another process; valid is one at a time"
        ) from error
    return file


def _differences(before: Any, now: Any, where: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            text
            for name in sorted(set(before) | set(now))
            if before.get(name) != now.get(name)
            for text in _differences(before.get(name), now.get(name), f"{where}.{name}".strip("."))
        ]
    return [f"{where} was {before!r} and is {now!r}"]
