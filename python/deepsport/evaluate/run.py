"""Evaluate a policy on tasks: play, score and persist one attempt after another; resumable.

Every attempt is one line of a file before the next one is taken up, so a kill loses at most what
was being played. Running the same call again repeats only what is missing or failed for reasons
that are not the policy's.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deepsport.errors import DeepsportError, SettingsError, VideoError
from deepsport.evaluate.attempt import Attempt, AttemptStore, VideoFacts
from deepsport.evaluate.control import Control
from deepsport.evaluate.fingerprint import differences, fingerprint
from deepsport.evaluate.run_folder import Run, RunInfo, write_json
from deepsport.evaluate.scoring import score
from deepsport.evaluate.summary import summarise
from deepsport.evaluate.table import score_lines
from deepsport.progress import Progress
from deepsport.rollout import Policy, play
from deepsport.task import Task, write_tasks
from deepsport.tool import FrameSource, ToolSettings
from deepsport.trajectory import Trajectory

__all__ = ["RunSummary", "evaluate", "rescore_folder", "video_times"]


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a call of :func:`evaluate` did and what the run's scores now are.

    Attributes
    ----------
    folder : Path
    played : int
        Attempts of this call; `skipped` were there already.
    faults : int
        Attempts of the run that failed for reasons that are not the policy's.
    scores : mapping
        The content of ``scores.json``.
    """

    folder: Path
    played: int
    skipped: int
    faults: int
    scores: Mapping[str, Any]

    def __str__(self) -> str:
        return "\n".join(score_lines(self.scores))


def evaluate(
    tasks: Iterable[Task],
    policy: Policy,
    out: Path | str,
    source: FrameSource,
    settings: ToolSettings | None = None,
    *,
    attempts: int = 1,
    batch_size: int = 8,
    control: str | None = None,
    seed: int = 0,
    name: str = "",
    note: str = "",
    extra: Mapping[str, Any] | None = None,
) -> RunSummary:
    """Evaluate a policy and write a run folder.

    Parameters
    ----------
    tasks : iterable of Task
    policy : Policy
    out : Path or str
        Folder of the run; gone on with when it is there already.
    source : FrameSource
    settings : ToolSettings or None
        ``None`` for the defaults.
    attempts : int
        Times each task is played; more than one only makes sense when the policy samples.
    batch_size : int
        Episodes played at once.
    control : str or None
        See :data:`deepsport.evaluate.CONTROLS`.
    seed : int
        Of the controls and of the bootstrap; sampling belongs to the policy.
    name, note : str
        What the report calls the run, and a sentence about it.
    extra : mapping
        Added to the fingerprint: weights, sampling, server.

    Raises
    ------
    SettingsError
        When there is no task, two have the same id, a number cannot work, or the folder holds a
        run made in another way.
    RecordFormatError
        When the folder holds something else.
    EndpointError
        When the policy's server is gone; what was finished is kept and scored.

    Examples
    --------
    >>> summary = evaluate(tasks, policy, "runs/base", FrameSource("media"))  # doctest: +SKIP
    >>> print(summary)  # doctest: +SKIP
    """
    if attempts < 1 or batch_size < 1:
        raise SettingsError(
            f"attempts={attempts}, batch_size={batch_size}: valid are 1 or more of each"
        )
    settings = settings or ToolSettings()
    if control:
        rule = Control(control)
        settings, source = rule.settings(settings), rule.source(source, seed)
        tasks = [rule.task(task, seed) for task in tasks]
    chosen = _by_id(tasks)
    info = RunInfo(
        name=name or (f"{policy.name} ({control})" if control else policy.name),
        policy=policy.name,
        control=control or "",
        seed=seed,
        attempts=attempts,
        settings=settings.to_json(),
        fingerprint=fingerprint(
            chosen.values(),
            settings,
            policy=policy.name,
            control=control or "",
            seed=seed,
            extra=extra,
        ),
        media_root=str(source.root.resolve()),
        note=note,
    )
    folder = Path(out)
    _open_folder(folder, info, chosen)
    with AttemptStore(folder / "attempts.jsonl") as store:
        wanted = [
            (task, attempt)
            for attempt in range(attempts)
            for task in chosen.values()
            if store.done.get((task.task_id, attempt)) != task.content_hash
        ]
        total = attempts * len(chosen)
        try:
            with Progress(f"evaluate {info.name}", total, done=total - len(wanted)) as bar:
                for attempt in _play(wanted, policy, source, settings, batch_size):
                    store.append(attempt)
                    bar.advance()
        except (DeepsportError, KeyboardInterrupt):
            rescore_folder(folder)  # what was finished can be looked at
            raise
    scores = rescore_folder(folder)
    faults = sum(count for outcome, count in scores["outcomes"].items() if outcome in _FAULT_NAMES)
    return RunSummary(folder, len(wanted), total - len(wanted), faults, scores)


_FAULT_NAMES = frozenset({"media_error", "api_error", "timeout", "judge_fail", "internal"})


def rescore_folder(folder: Path) -> dict[str, Any]:
    """Summarise the attempts of a run as they are and write ``scores.json``."""
    run = Run(folder)
    scores = summarise(run.tasks, run.rows(), seed=run.info.seed, votes=run.votes())
    scores["run"] = run.info.to_json()
    write_json(folder / "scores.json", scores)
    return scores


def _by_id(tasks: Iterable[Task]) -> dict[str, Task]:
    chosen: dict[str, Task] = {}
    for task in tasks:
        if task.task_id in chosen:
            raise SettingsError(f"two tasks have the id {task.task_id!r}; valid are unique ids")
        chosen[task.task_id] = task
    if not chosen:
        raise SettingsError("no task to evaluate; valid is one or more")
    return chosen


def _open_folder(folder: Path, info: RunInfo, tasks: Mapping[str, Task]) -> None:
    """Make the folder, or check that what is there was made in the same way."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "run.json").exists():
        before = Run(folder).info
        if "judge" in before.fingerprint:  # given afterwards; new attempts wait for it
            judge = before.fingerprint["judge"]
            info = replace(info, fingerprint={**info.fingerprint, "judge": judge})
        other = [
            line
            for line in differences(before.fingerprint, info.fingerprint, incidental=True)
            # a run may be gone on with on another machine and with more tasks
            if line.split(":")[0] not in ("machine", "tasks")
        ]
        if other:
            raise SettingsError(
                f"{folder} holds a run made in another way ({'; '.join(other)}); valid is another "
                "folder, or the settings it was begun with"
            )
    elif (folder / "attempts.jsonl").exists():
        raise SettingsError(f"{folder} holds attempts but no run.json; valid is an empty folder")
    write_json(folder / "run.json", info.to_json())
    write_tasks(folder / "tasks.jsonl", tasks.values())


def _play(
    wanted: Iterable[tuple[Task, int]],
    policy: Policy,
    source: FrameSource,
    settings: ToolSettings,
    batch_size: int,
) -> Iterator[Attempt]:
    started: dict[tuple[str, int], tuple[Task, float]] = {}

    def waiting() -> Iterator[tuple[Task, int]]:
        for task, attempt in wanted:
            started[task.task_id, attempt] = task, time.perf_counter()
            yield task, attempt

    for trajectory in play(waiting(), policy, source, settings, batch_size=batch_size):
        task, start = started.pop((trajectory.task_id, trajectory.attempt))
        video, windows = video_times(task, trajectory, source)
        yield Attempt(
            trajectory, score(task, trajectory), video, windows, time.perf_counter() - start
        )


def video_times(
    task: Task, trajectory: Trajectory, source: FrameSource
) -> tuple[VideoFacts | None, tuple[tuple[float, float], ...]]:
    """Return the facts of the video and the windows that were looked at in seconds."""
    try:
        video = source.video(task.media[0].path)
    except VideoError:
        return None, ()  # the fault is on the trajectory
    pts = video.pts_seconds
    count = int(video.frame_count)
    end = float(pts[0]) + float(video.duration_seconds)
    windows = tuple(
        (round(float(pts[start]), 6), round(float(pts[stop]) if stop < count else end, 6))
        for start, stop in trajectory.windows
    )
    facts = VideoFacts(
        count, round(float(video.average_fps), 6), round(float(video.duration_seconds), 6)
    )
    return facts, windows
