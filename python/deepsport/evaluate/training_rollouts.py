"""Rollouts kept during reinforcement learning as a run, so that the report shows them.

Reads the folder that `deepsport.rl.rollout_log` writes and adds what makes it the folder of a run.
"""

from __future__ import annotations

from pathlib import Path

from deepsport.errors import RecordFormatError
from deepsport.evaluate.attempt import Attempt, VideoFacts, write_attempts
from deepsport.evaluate.run_folder import RunInfo, write_json
from deepsport.evaluate.scoring import score
from deepsport.task import Task, read_tasks
from deepsport.trajectory import Trajectory, read_trajectories

__all__ = ["is_training_rollouts", "make_run"]


def is_training_rollouts(folder: Path | str) -> bool:
    """Return whether a folder holds rollouts that training kept."""
    return (Path(folder) / "rollouts.jsonl").is_file()


def make_run(folder: Path | str) -> Path:
    """Score the rollouts of a folder and write it as a run; return the folder.

    Raises
    ------
    RecordFormatError
        When there is none, or a record is not one that training kept.
    """
    folder = Path(folder)
    tasks = {task.task_id: task for task in read_tasks(folder / "tasks.jsonl")}
    trajectories = list(read_trajectories(folder / "rollouts.jsonl"))
    if not trajectories:
        raise RecordFormatError(f"{folder} holds no rollout yet; valid is one or more")
    attempts = [_attempt(trajectory, tasks, folder) for trajectory in trajectories]
    first = trajectories[0]
    info = RunInfo(
        name=f"{folder.resolve().parent.name}, in training",
        policy=first.policy,
        attempts=max(trajectory.attempt for trajectory in trajectories) + 1,
        settings=first.settings.get("tool", {}),
        media_root=str(first.settings["training"].get("media_root", "")),
        note="Sampled rollouts of training, at the steps they were kept; the policy changed "
        "between them, so the scores are no evaluation.",
    )
    write_json(folder / "run.json", info.to_json())
    write_attempts(folder / "attempts.jsonl", attempts)
    return folder


def _attempt(trajectory: Trajectory, tasks: dict[str, Task], folder: Path) -> Attempt:
    try:
        task = tasks[trajectory.task_id]
        video = dict(trajectory.settings["training"]["video"])
        windows = tuple((float(a), float(b)) for a, b in video.pop("windows_seconds"))
        facts = VideoFacts(**video) if video["frame_count"] else None
    except (KeyError, TypeError, ValueError) as error:
        raise RecordFormatError(
            f"{folder}, rollout of {trajectory.task_id!r}: {type(error).__name__}: {error}; valid "
            "are folders that `deepsport rl` wrote"
        ) from error
    return Attempt(trajectory, score(task, trajectory), facts, windows)
