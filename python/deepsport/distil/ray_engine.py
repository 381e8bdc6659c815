"""Run a job on many machines with Ray Data: the same unit, the same results, the same journal.

Workers share a folder (`deepsport.distil.shared_journal`) and nothing else. A worker that dies is
started again by Ray, its batch is played again by whoever is free, and replies that were received
before are found in the folder instead of being asked for again.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from deepsport.distil.engine import Summary, claim_job, open_line, play_attempt
from deepsport.distil.failures import StopRunError
from deepsport.distil.frame_pool import FramePool
from deepsport.distil.job import JOURNAL, check_tasks, merge_tasks
from deepsport.distil.journal import Journal, Totals
from deepsport.distil.line import Line
from deepsport.distil.settings import Budget, DistilSettings, PaceSettings
from deepsport.distil.shared_journal import SharedJournal, ingest
from deepsport.errors import MissingExtraError
from deepsport.task import Task
from deepsport.tool import FrameSource

__all__ = ["distil_with_ray"]

_SHARED = "shared"


def distil_with_ray(
    tasks: Sequence[Task],
    settings: DistilSettings,
    *,
    out: Path | str,
    media: Path | str,
    workers: int = 2,
    pace: PaceSettings | None = None,
    budget: Budget | None = None,
    retry_faults: bool = False,
) -> Summary:
    """Let a teacher play every task, on the cluster that Ray is connected to or on this machine.

    Parameters
    ----------
    tasks, settings, retry_faults
        As in :func:`deepsport.distil.engine.distil`.
    out, media : Path or str
        Seen by all workers under the same path.
    workers : int
        Processes. `pace` and `budget` are those of the whole job: each worker gets an equal part.
    pace, budget
        As in :func:`deepsport.distil.engine.distil`.

    Raises
    ------
    MissingExtraError
        Without Ray.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError(
            "deepsport[ray] is needed for --engine ray: pip install 'deepsport[ray]'"
        ) from error
    pace, budget = pace or PaceSettings(), budget or Budget()
    shared = (Path(out) / _SHARED).resolve()
    with Journal(Path(out) / JOURNAL) as journal:
        claim_job(journal, settings)
        check_tasks(journal, tasks)
        merge_tasks(out, tasks)
        ingest(shared, journal)
        if retry_faults:
            journal.forget_faults()
        done = journal.ended()
        rounds = [(task, n) for n in range(settings.attempts) for task in tasks]
        left = [(task, n) for task, n in rounds if (task.task_id, n) not in done]
        summary = Summary(wanted=len(rounds), ended=len(rounds) - len(left))
        if left:
            if not ray.is_initialized():
                os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
                ray.init(include_dashboard=False, log_to_driver=False)
            part = _part(pace, workers)
            share = _share(budget, journal, workers)
            rows = [{"task": json.dumps(task.to_json()), "attempt": n} for task, n in left]
            played = ray.data.from_items(rows).map_batches(
                _Worker,
                fn_constructor_args=(
                    settings,
                    part,
                    share,
                    str(shared),
                    str(Path(media).resolve()),
                ),
                batch_size=part.max_concurrency,
                # while one batch waits for its last attempts the next one is already begun
                compute=ray.data.ActorPoolStrategy(
                    size=workers, max_concurrent_calls_per_actor=2, max_tasks_in_flight_per_actor=2
                ),
                num_cpus=0.5,
            )
            stops = {row["stopped"] for row in played.take_all()} - {""}
            summary.stopped = "; ".join(sorted(stops))
        summary.played = ingest(shared, journal)
        summary.ended += summary.played
        summary.totals = journal.totals()
    return summary


def _part(pace: PaceSettings, workers: int) -> PaceSettings:
    """Return one worker's part of the pace."""

    def share(value: int | None) -> int | None:
        return None if value is None else max(1, value // workers)

    return dataclasses.replace(
        pace,
        start_concurrency=max(1, pace.start_concurrency // workers),
        max_concurrency=max(1, pace.max_concurrency // workers),
        requests_per_minute=share(pace.requests_per_minute),
        tokens_per_minute=share(pace.tokens_per_minute),
    )


def _share(budget: Budget, journal: Journal, workers: int) -> Budget:
    """Return one worker's part of what is left to spend."""
    spent = journal.totals()
    cost, requests = budget.max_cost, budget.max_requests
    if cost is not None:
        cost = max(0.0, cost - spent["cost"] - spent["uncertain_cost"]) / workers
    if requests is not None:
        requests = max(0, requests - int(spent["requests"])) // workers
    return Budget(cost, requests)


class _Worker:
    """One process: an event loop on a thread of its own, and the batches that Ray hands it."""

    def __init__(
        self,
        settings: DistilSettings,
        pace: PaceSettings,
        budget: Budget,
        shared: str,
        media: str,
    ) -> None:
        self._settings = settings
        self._journal = SharedJournal(shared, f"{os.getpid()}-{uuid.uuid4().hex[:8]}")
        self._frames = FramePool(FrameSource(media), pace.decode_threads)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._line: Line = self._on_loop(self._open(pace, budget)).result()

    async def _open(self, pace: PaceSettings, budget: Budget) -> Line:
        empty = Totals.zero()
        return await open_line(
            self._settings, self._journal, pace, budget, totals=empty
        ).__aenter__()

    def _on_loop(self, work: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Play a batch of attempts."""
        tasks = [Task.from_json(json.loads(text)) for text in batch["task"]]
        attempts = [int(attempt) for attempt in batch["attempt"]]
        work = (self._play(task, n) for task, n in zip(tasks, attempts, strict=True))
        stopped = self._on_loop(_together(work)).result()
        return {
            "task_id": [task.task_id for task in tasks],
            "attempt": attempts,
            "stopped": stopped,
        }

    async def _play(self, task: Task, attempt: int) -> str:
        try:
            trajectory = await play_attempt(task, self._line, self._frames, self._settings, attempt)
        except StopRunError as error:
            self._line.close(error)
            return str(error)
        self._journal.end(trajectory)
        return ""


async def _together(work: Any) -> list[str]:
    return list(await asyncio.gather(*work))
