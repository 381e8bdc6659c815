"""The folder of a job: its journal, its tasks, and what else belongs to it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from deepsport.distil.journal import Journal
from deepsport.errors import SettingsError
from deepsport.task import Task, read_tasks, write_tasks

__all__ = ["JOURNAL", "TASKS", "job_tasks", "merge_tasks", "open_journal"]

JOURNAL = "journal.sqlite"
TASKS = "tasks.jsonl"


def open_journal(job: Path | str, *, read_only: bool = False) -> Journal:
    """Open the journal of a job that exists; `read_only` works while another process writes it.

    Raises
    ------
    SettingsError
        When there is no job in the folder.
    """
    path = Path(job) / JOURNAL
    if not path.is_file():
        raise SettingsError(
            f"{job} is not the folder of a job: it has no {JOURNAL}; valid is the --out of "
            "'deepsport distil run'"
        )
    return Journal(path, read_only=read_only)


def merge_tasks(job: Path | str, tasks: Iterable[Task]) -> int:
    """Keep a copy of the tasks with the job, beside those of earlier runs; return their number."""
    path = Path(job) / TASKS
    known = {task.task_id: task for task in read_tasks(path)} if path.exists() else {}
    before = len(known)
    known.update((task.task_id, task) for task in tasks)
    if len(known) != before or not path.exists():
        write_tasks(path, known.values())
    return len(known)


def job_tasks(job: Path | str) -> dict[str, Task]:
    """Return the tasks of a job by id, in their order."""
    return {task.task_id: task for task in read_tasks(Path(job) / TASKS)}
