"""Verdicts on disk, so that the same answer is never paid for twice and a run can be resumed."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from deepsport.errors import RecordFormatError

__all__ = ["VerdictCache"]

_SCHEMA = 1


class VerdictCache:
    """A table from key to the judge's reply, in one SQLite file. Safe to share between threads.

    Parameters
    ----------
    path : Path or None
        None: in memory, gone with the object.

    Raises
    ------
    RecordFormatError
        The file is no cache, or one of another version.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        # Runs in several processes may share the file: wait for the other's write.
        self._connection = sqlite3.connect(
            path or ":memory:", timeout=60, check_same_thread=False, isolation_level=None
        )
        try:
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if version != _SCHEMA and (version or tables):
                raise RecordFormatError(
                    f"{path}: found version {version} of the cache of verdicts, valid is {_SCHEMA}"
                )
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, reply TEXT NOT NULL, "
                "model TEXT NOT NULL, rubric TEXT NOT NULL, "
                "written TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)"
            )
            self._connection.execute(f"PRAGMA user_version = {_SCHEMA}")
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise RecordFormatError(f"{path}: no cache of verdicts ({error})") from error
        except RecordFormatError:
            self._connection.close()
            raise

    def get(self, key: str) -> str | None:
        """Return the reply stored under `key`."""
        with self._lock:
            row = self._connection.execute(
                "SELECT reply FROM verdicts WHERE key = ?", (key,)
            ).fetchone()
        return row[0] if row else None

    def put(self, key: str, reply: str, *, model: str, rubric: str) -> None:
        """Store a reply; on disk when this returns."""
        with self._lock:
            self._connection.execute(
                "INSERT OR REPLACE INTO verdicts (key, reply, model, rubric) VALUES (?, ?, ?, ?)",
                (key, reply, model, rubric),
            )

    def __len__(self) -> int:
        with self._lock:
            return int(self._connection.execute("SELECT count(*) FROM verdicts").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
