"""The folder of a job: its journal, its tasks, and what else belongs to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from deepsport.distil.first_frames import withheld_answers
from deepsport.distil.journal import Journal
from deepsport.distil.keep import Funnel, Opinion, keep
from deepsport.distil.presets import FilterSettings
from deepsport.errors import SettingsError
from deepsport.task import Task, read_tasks, write_tasks
from deepsport.trajectory import Trajectory

__all__ = [
    "JOURNAL",
    "TASKS",
    "filter_job",
    "job_record",
    "job_tasks",
    "merge_tasks",
    "open_journal",
]

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


def check_tasks(journal: Journal, tasks: Sequence[Task]) -> None:
    """Compare tasks with those that were played before.

    Raises
    ------
    SettingsError
        When a task_id occurs twice, or a task was played with another content.
    """
    by_id = {task.task_id: task.content_hash for task in tasks}
    if len(by_id) != len(tasks):
        raise SettingsError(f"{len(tasks)} tasks have {len(by_id)} different task_ids")
    for (task_id, attempt), task_hash in journal.ended().items():
        if task_id in by_id and by_id[task_id] != task_hash:
            raise SettingsError(
                f"task {task_id!r}, attempt {attempt} was played with another content "
                f"({task_hash[:12]}, now {by_id[task_id][:12]}); valid are the same tasks, or "
                "another folder"
            )


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


def job_record(job: Path | str) -> dict[str, Any]:
    """Return who made a job's trajectories and opinions, with which settings, at what cost."""
    record: dict[str, Any] = {}
    for name, path in (("teacher", Path(job) / JOURNAL), ("judge", Path(job) / "judge.sqlite")):
        if path.is_file():
            with Journal(path, read_only=True) as journal:
                made_with = journal.setting("settings") or journal.setting("judge")
                record[name] = {"settings": made_with, "spent": journal.totals()}
    return record


def filter_job(
    job: Path | str, wanted: FilterSettings, *, withheld: Path | str | None = None
) -> tuple[list[Trajectory], Funnel]:
    """Apply filters to a job: its trajectories, a judge's opinions on them, its tasks.

    Parameters
    ----------
    job : Path or str
    wanted : FilterSettings
    withheld : Path or str, optional
        Another job, of the same teacher without the tool.
    """
    from deepsport.distil.judge import read_opinions

    opinions = dict(read_opinions(job))
    tasks = job_tasks(job)
    if withheld is not None:
        with open_journal(withheld, read_only=True) as journal:
            answers = withheld_answers(journal.trajectories())
        with open_journal(job, read_only=True) as journal:
            for key in journal.ended():
                if key[0] in answers:
                    opinion = opinions.get(key, Opinion())
                    opinions[key] = dataclasses.replace(opinion, withheld_answer=answers[key[0]])
    with open_journal(job, read_only=True) as journal:
        return keep(journal.trajectories(tasks), tasks, wanted, opinions=opinions)
