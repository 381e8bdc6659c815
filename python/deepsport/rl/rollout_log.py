"""Rollouts of training kept to be looked at: a few every so many steps, with their frames.

tasks.jsonl      the questions
rollouts.jsonl   trajectories; ``settings["training"]`` has step, reward and its parts, and the
                 facts of the video
frames/          what the model was shown, small, as JPEG

``deepsport report RUN/rollouts`` makes a page of them, also where the videos are not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepsport.record_file import RecordAppender, read_records, write_records
from deepsport.reward import RewardParts
from deepsport.rl.rollouts import Played
from deepsport.tool.frame_source import fit_inside
from deepsport.tool.pixels import picture_name
from deepsport.trajectory import Trajectory, read_trajectories

__all__ = ["RolloutLog"]

_QUALITY = 82
_PARTS = ("accuracy", "format", "tool", "window_share", "evidence_iou")


class RolloutLog:
    """Write rollouts to a folder.

    Parameters
    ----------
    folder : Path or str
    every : int
        Steps between what is kept, the first step among them; 0 keeps nothing.
    most : int
        Rollouts kept then: whole groups first, for a group is what a rollout is judged against.
    media_root : str
        Folder of the videos, for the report.
    picture_width : int
        Largest side of a kept frame, in pixels.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        every: int,
        most: int,
        media_root: str = "",
        picture_width: int = 256,
    ) -> None:
        self.folder = Path(folder)
        self.every, self.most = every, most
        self.media_root, self.picture_width = media_root, picture_width
        self._attempts: dict[str, int] | None = None

    def look(self, step: int, played: Sequence[Played], parts: RewardParts) -> int:
        """Keep rollouts when it is time to; return how many.

        Parameters
        ----------
        step : int
            Steps done before these rollouts.
        played : sequence of Played
        parts : RewardParts
            Of the same rollouts.
        """
        if not self.every or step % self.every:
            return 0
        attempts = self._begin(step)
        chosen = range(min(self.most, len(played)))
        with RecordAppender(self.folder / "rollouts.jsonl") as file:
            for place in chosen:
                one = played[place]
                number = attempts.get(one.task.task_id, 0)
                attempts[one.task.task_id] = number + 1
                record = _record(one, step, number, parts, place, self.media_root)
                file.write(record.to_json())
        known = {record["task_id"] for record in self._tasks()}
        with RecordAppender(self.folder / "tasks.jsonl") as file:
            for place in chosen:
                task = played[place].task
                if task.task_id not in known:
                    known.add(task.task_id)
                    file.write(task.to_json())
        for place in chosen:
            self._keep_frames(played[place])
        return len(chosen)

    def _begin(self, step: int) -> dict[str, int]:
        """Return the attempts that are kept of each task; forget what a resumed run plays again."""
        if self._attempts is None:
            path = self.folder / "rollouts.jsonl"
            kept = []
            if path.exists():
                with RecordAppender(path):  # cuts off half a line
                    pass
                kept = [t for t in read_trajectories(path) if t.settings["training"]["step"] < step]
                write_records(path, (trajectory.to_json() for trajectory in kept))
            self._attempts = {}
            for trajectory in kept:
                number = self._attempts.get(trajectory.task_id, 0)
                self._attempts[trajectory.task_id] = max(number, trajectory.attempt + 1)
        return self._attempts

    def _tasks(self) -> list[Any]:
        path = self.folder / "tasks.jsonl"
        return list(read_records(path, lambda record: record)) if path.exists() else []

    def _keep_frames(self, one: Played) -> None:
        # frames of a last observation that nobody replied to are not among those rendered
        for shown, frame in zip(one.frames, one.trajectory.frames_shown, strict=False):
            path = one.task.media[frame.media].path
            if shown.key != frame.key(path):  # a black one stands in for a prompt nobody replied to
                break
            target = self.folder / picture_name(path, frame)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                _write_picture(shown.pixels, self.picture_width, target)


def _record(
    one: Played, step: int, number: int, parts: RewardParts, place: int, media_root: str
) -> Trajectory:
    masked = bool(parts.masked[place]) or one.faulted
    training: dict[str, Any] = {
        "step": step,
        "reward": None if masked else round(float(parts.total[place]), 6),
        "masked": masked,
        "media_root": media_root,
        "video": dataclasses.asdict(one.video),
        "parts": {
            name: None if masked else round(float(getattr(parts, name)[place]), 6)
            for name in _PARTS
        },
    }
    settings = {**one.trajectory.settings, "training": training}
    return dataclasses.replace(one.trajectory, attempt=number, settings=settings)


def _write_picture(pixels: NDArray[np.uint8], width: int, target: Path) -> None:
    from PIL import Image

    image = Image.fromarray(pixels)
    size = fit_inside(image.width, image.height, width, width)
    partial = target.with_suffix(".partial")
    image.resize(size).save(partial, "JPEG", quality=_QUALITY)
    partial.replace(target)
