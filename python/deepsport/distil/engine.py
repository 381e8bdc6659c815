"""Run a job on one machine: many attempts at once, every step in a journal, stop and go on at will."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepsport.distil.breaker import Breaker
from deepsport.distil.failures import InterruptedRunError, StopRunError
from deepsport.distil.frame_pool import FramePool
from deepsport.distil.job import JOURNAL, check_tasks, merge_tasks
from deepsport.distil.journal import Journal, Totals
from deepsport.distil.keep import first_objection
from deepsport.distil.ledger import Ledger
from deepsport.distil.line import Line, RequestLog
from deepsport.distil.one import distil_one
from deepsport.distil.pace import Pace
from deepsport.distil.presets import FilterSettings
from deepsport.distil.settings import Budget, DistilSettings, PaceSettings, TeacherSettings
from deepsport.distil.teacher import HttpTeacher, Teacher
from deepsport.progress import Progress
from deepsport.task import Task
from deepsport.tool import FrameSource
from deepsport.trajectory import Fault, Status, Trajectory

__all__ = [
    "Summary",
    "Work",
    "claim_job",
    "distil",
    "open_line",
    "play_attempt",
    "run_all",
    "run_unwrapped",
    "teacher_identity",
]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Summary:
    """What a run did.

    Attributes
    ----------
    wanted, ended : int
        Attempts asked for and ended, in this run and before.
    played : int
        Attempts ended in this run.
    kept : int
        Of those, how many the deterministic filters would keep.
    reasons : Counter
        Why the others would not be kept.
    totals : Totals
        Requests, tokens and cost of the job, in all its runs.
    stopped : str
        Why the run stopped before the end; empty when it did not.
    """

    wanted: int
    ended: int
    played: int = 0
    kept: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    totals: Totals = field(default_factory=Totals)
    stopped: str = ""


def distil(
    tasks: Sequence[Task],
    settings: DistilSettings,
    *,
    out: Path | str,
    source: FrameSource,
    pace: PaceSettings | None = None,
    budget: Budget | None = None,
    filters: FilterSettings | None = None,
    retry_faults: bool = False,
    teacher: Teacher | None = None,
) -> Summary:
    """Let a teacher play every task, as often as asked; go on where an earlier run was stopped.

    Parameters
    ----------
    tasks : sequence of Task
        Each task_id once.
    settings : DistilSettings
    out : Path or str
        Folder of the job; its ``journal.sqlite`` holds everything.
    source : FrameSource
    pace : PaceSettings, optional
    budget : Budget, optional
    filters : FilterSettings, optional
        For the live count of what will be kept; nothing is thrown away here.
    retry_faults : bool
        Play attempts again that ended in a fault of decoding or network.
    teacher : Teacher, optional
        Instead of the endpoint in `settings`.

    Raises
    ------
    SettingsError
        When `out` holds a job of other settings or other tasks.
    """
    pace, budget = pace or PaceSettings(), budget or Budget()
    live = filters or FilterSettings()
    by_id = {task.task_id: task for task in tasks}
    with Journal(Path(out) / JOURNAL) as journal:
        claim_job(journal, settings)
        check_tasks(journal, tasks)
        if retry_faults:
            journal.forget_faults()
        done = journal.ended()
        merge_tasks(out, tasks)
        rounds = [(task, n) for n in range(settings.attempts) for task in tasks]
        left = [(task, n) for task, n in rounds if (task.task_id, n) not in done]
        summary = Summary(wanted=len(rounds), ended=len(rounds) - len(left))
        with (
            Progress("distil", len(rounds), done=summary.ended) as bar,
            FramePool(source, pace.decode_threads) as frames,
        ):
            started = time.monotonic()

            def ended(trajectory: Trajectory, line: Line) -> None:
                journal.end(trajectory)
                summary.ended += 1
                summary.played += 1
                objection = first_objection(by_id[trajectory.task_id], trajectory, live)
                if objection is None:
                    summary.kept += 1
                else:
                    summary.reasons[objection.reason] += 1
                bar.advance(1, note=_note(summary, line, started))

            async def play(task: Task, attempt: int, line: Line) -> None:
                ended(await play_attempt(task, line, frames, settings, attempt), line)

            async def work() -> None:
                async with open_line(settings, journal, pace, budget, teacher) as line:
                    jobs = (play(task, n, line) for task, n in left)
                    with _graceful_interrupt(line):
                        stop = await run_all(jobs, line, pace)
                    summary.stopped = str(stop) if stop is not None else ""

            if left:
                run_unwrapped(work())
        summary.totals = journal.totals()
    return summary


def claim_job(journal: Journal, settings: DistilSettings) -> None:
    """Write what makes the job's trajectories into its journal, or compare it with what is there."""
    identity = {"teacher": teacher_identity(settings.teacher), "tool": settings.tool.to_json()}
    journal.claim("settings", identity)


def teacher_identity(teacher: TeacherSettings) -> dict[str, Any]:
    """Return what makes a teacher's replies; prices, time-outs and its address may change."""
    kept = teacher.to_json()
    for name in [
        "base_url",
        "api_key_env",
        "stream",
        "timeout_seconds",
        "idle_seconds",
        "prompt_price",
        "completion_price",
    ]:
        kept.pop(name)
    return kept


class open_line:  # noqa: N801 - used like a function
    """Open the line to a teacher: ``async with open_line(...) as line``."""

    def __init__(
        self,
        settings: DistilSettings,
        journal: RequestLog,
        pace: PaceSettings,
        budget: Budget,
        teacher: Teacher | None = None,
        *,
        totals: Totals | None = None,
    ) -> None:
        self._own = HttpTeacher(settings.teacher) if teacher is None else None
        ledger = Ledger(settings.teacher, budget, journal.totals() if totals is None else totals)
        self._parts = (
            teacher if teacher is not None else self._own,
            journal,
            ledger,
            pace,
            settings.teacher.host,
        )

    async def __aenter__(self) -> Line:
        teacher, journal, ledger, pace, host = self._parts
        assert teacher is not None
        return Line(teacher, journal, ledger, Pace(pace), Breaker(host, pace), pace)

    async def __aexit__(self, *exception: object) -> None:
        if self._own is not None:
            await self._own.__aexit__()


Work = Coroutine[Any, Any, None]


async def run_all(jobs: Iterator[Work], line: Line, pace: PaceSettings) -> StopRunError | None:
    """Run jobs, enough at once to keep the line and the frame threads busy.

    After the first StopRunError, or an interrupt, no new request is sent, what is in flight is
    finished, and the error is returned.
    """

    async def worker() -> None:
        for job in jobs:
            if line.stop is not None:
                job.close()
                return
            try:
                await job
            except StopRunError as error:
                line.close(error)
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(pace.max_concurrency + 2 * pace.decode_threads):
            group.create_task(worker())
    return line.stop


async def play_attempt(
    task: Task, teacher: Teacher, frames: FramePool, settings: DistilSettings, attempt: int
) -> Trajectory:
    """Play one attempt; a bug costs this attempt and is recorded on it, not the run."""
    try:
        return await distil_one(task, teacher, frames, settings, attempt=attempt)
    except StopRunError:
        raise
    except Exception as error:  # noqa: BLE001
        _log.exception("task %s, attempt %d", task.task_id, attempt)
        return Trajectory(
            task.task_id,
            task.content_hash,
            settings.teacher.model,
            attempt,
            turns=(),
            status=Status.FAULT,
            fault=Fault("internal", f"{type(error).__name__}: {error}"),
        )


def run_unwrapped(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine; of several errors that happened together, raise the first."""
    try:
        asyncio.run(work)
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


@contextmanager
def _graceful_interrupt(line: Line) -> Iterator[None]:
    """Let the first Ctrl-C finish what is in flight; the second is an ordinary one."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        line.close(InterruptedRunError("interrupted"))
        loop.remove_signal_handler(signal.SIGINT)
        _log.warning("finishing what is in flight; press Ctrl-C again to stop at once")

    try:
        loop.add_signal_handler(signal.SIGINT, stop)
    except (NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _note(summary: Summary, line: Line, started: float) -> str:
    ledger = line.ledger
    tokens = (ledger.prompt_tokens + ledger.completion_tokens) / 1e6
    worst = ", ".join(f"{reason} {n}" for reason, n in summary.reasons.most_common(3))
    seconds = (time.monotonic() - started) / max(1, summary.played)
    left = seconds * (summary.wanted - summary.ended)
    parts = [
        f"kept {summary.kept}",
        f"rejected {summary.played - summary.kept}" + (f" ({worst})" if worst else ""),
        f"{tokens:.2f} Mtok",
        f"${ledger.cost:.2f}",
        f"{line.pace.in_flight}/{int(line.pace.limit)} in flight",
        f"ETA {_duration(left)}",
    ]
    return " | ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
