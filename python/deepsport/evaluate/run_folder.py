"""The folder of a run: what was evaluated and how, the attempts, the scores.

``run.json`` says how, ``tasks.jsonl`` holds the tasks as they were asked, ``attempts.jsonl`` one
line an attempt, ``scores.json`` the summary. See docs/formats/attempt-v1.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepsport.errors import RecordFormatError
from deepsport.evaluate.attempt import Attempt, read_attempts
from deepsport.evaluate.rows import Row, rows_of
from deepsport.task import Task, read_tasks

__all__ = ["RUN_SCHEMA", "Run", "RunInfo", "write_json"]

RUN_SCHEMA = "deepsport.run/1"


@dataclass(frozen=True, slots=True)
class RunInfo:
    """How a run was made.

    Attributes
    ----------
    name : str
        What tables call it.
    policy : str
    control : str
        Empty for the plain run.
    seed, attempts : int
    settings : mapping
        Of the tool, see :class:`deepsport.tool.ToolSettings`.
    fingerprint : mapping
        Everything a score depends on: what must be equal for two runs to be comparable.
    media_root : str
        Folder of the videos on the machine that made the run; only the report needs it again.
    note : str
        A sentence for readers.
    """

    name: str
    policy: str
    control: str = ""
    seed: int = 0
    attempts: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    media_root: str = ""
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return {
            "schema": RUN_SCHEMA,
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> RunInfo:
        """Read a record written by :meth:`to_json`.

        Raises
        ------
        RecordFormatError
            When the schema is another one or a field is missing or unknown.
        """
        if not isinstance(record, Mapping) or record.get("schema") != RUN_SCHEMA:
            found = record.get("schema") if isinstance(record, Mapping) else type(record).__name__
            raise RecordFormatError(f"not a run: schema is {found!r}, valid is {RUN_SCHEMA!r}")
        try:
            return cls(**{k: v for k, v in record.items() if k != "schema"})
        except TypeError as error:
            raise RecordFormatError(f"run: {error}") from error


class Run:
    """A run on disk.

    Parameters
    ----------
    folder : Path or str

    Raises
    ------
    RecordFormatError
        When the folder is not that of a run.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        path = self.folder / "run.json"
        if not path.is_file():
            raise RecordFormatError(
                f"{self.folder} is not the folder of a run: it has no run.json; valid is a folder "
                "that `deepsport evaluate --out` wrote"
            )
        try:
            self.info = RunInfo.from_json(json.loads(path.read_text(encoding="utf-8")))
        except json.JSONDecodeError as error:
            raise RecordFormatError(f"{path}: {error}") from error
        self.tasks: dict[str, Task] = {
            task.task_id: task for task in read_tasks(self.folder / "tasks.jsonl")
        }

    @property
    def attempts_path(self) -> Path:
        """File of the attempts."""
        return self.folder / "attempts.jsonl"

    def attempts(self) -> Iterator[Attempt]:
        """Yield the attempts in the order written, repeated ones again."""
        if self.attempts_path.exists():
            yield from read_attempts(self.attempts_path)

    def latest(self) -> dict[tuple[str, int], Attempt]:
        """Return the newest record of each attempt at a task of the run."""
        return {a.key: a for a in self.attempts() if a.key[0] in self.tasks}

    def rows(self) -> list[Row]:
        """Return the attempts as flat rows."""
        return rows_of(self.tasks, self.attempts())

    def votes(self) -> dict[int, dict[str, int]]:
        """Return the attempt that a judge picked, by number of attempts and question.

        See `deepsport.evaluate.judge_vote`.

        Raises
        ------
        RecordFormatError
            When ``votes.json`` is of another version or broken.
        """
        path = self.folder / "votes.json"
        if not path.is_file():
            return {}
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["schema"] != "deepsport.votes/2":
                raise ValueError(
                    f"schema is {record['schema']!r}, valid is 'deepsport.votes/2': give `deepsport "
                    "judge vote` again"
                )
            return {
                int(k): {str(name): int(attempt) for name, attempt in chosen.items()}
                for k, chosen in record["chosen"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RecordFormatError(f"{path}: {type(error).__name__}: {error}") from error

    def scores(self) -> dict[str, Any]:
        """Return the summary of ``scores.json``.

        Raises
        ------
        RecordFormatError
            When the run was not scored yet.
        """
        path = self.folder / "scores.json"
        if not path.is_file():
            raise RecordFormatError(
                f"{self.folder} has no scores.json: run `deepsport evaluate rescore {self.folder}`"
            )
        scores: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return scores


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
