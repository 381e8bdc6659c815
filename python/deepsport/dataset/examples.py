"""Supervised examples: trajectories joined with their tasks, and which replies are trained.

Frames are not stored: an example names (video, index) and the frame core decodes them when a batch
needs them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deepsport.chat.transcript import ShownFrame
from deepsport.errors import RecordFormatError
from deepsport.task import Task
from deepsport.tool import FrameSource, ToolSettings
from deepsport.tool.pixels import frame_pixels, shown_size
from deepsport.trajectory import Status, Trajectory

__all__ = ["Example", "ExampleFrames", "sft_examples"]


@dataclass(frozen=True, slots=True)
class Example:
    """One trajectory to learn from.

    Attributes
    ----------
    task : Task
    trajectory : Trajectory
    trained : tuple of bool
        For each assistant turn whether its tokens are in the loss.
    """

    task: Task
    trajectory: Trajectory
    trained: tuple[bool, ...]


def sft_examples(
    tasks: Iterable[Task] | Mapping[str, Task],
    trajectories: Iterable[Trajectory],
    *,
    split: str = "train",
    answer_needs_evidence: bool = True,
) -> tuple[list[Example], Counter[str]]:
    """Join trajectories with their tasks.

    Parameters
    ----------
    tasks : iterable of Task, or mapping by id
    trajectories : iterable of Trajectory
    split : str
        Only tasks of this split; empty takes all.
    answer_needs_evidence : bool
        Do not train the answer when the task says where it can be seen and no frame shown lies
        there: a lucky guess teaches guessing. The look before it is still trained.

    Returns
    -------
    examples : list of Example
    counts : Counter
        Of what was used, left out or cut, by reason.

    Raises
    ------
    RecordFormatError
        When a trajectory names a task that is not there, or one of another content.
    """
    by_id = tasks if isinstance(tasks, Mapping) else {task.task_id: task for task in tasks}
    examples: list[Example] = []
    counts: Counter[str] = Counter()
    for trajectory in trajectories:
        task = by_id.get(trajectory.task_id)
        if task is None:
            raise RecordFormatError(
                f"trajectory of task {trajectory.task_id!r}: no such task among the {len(by_id)} "
                "given; valid are the tasks it was made from"
            )
        if trajectory.task_hash and trajectory.task_hash != task.content_hash:
            raise RecordFormatError(
                f"trajectory of task {task.task_id!r} was made for another content of the task"
            )
        if split and task.split != split:
            counts[f"not in split {split}"] += 1
        elif trajectory.status is not Status.ANSWERED:
            counts[f"ended as {trajectory.status.value}"] += 1
        else:
            trained = _trained(task, trajectory, answer_needs_evidence)
            counts["used" if trained[-1] else "used without the answer: event not seen"] += 1
            if any(trained):
                examples.append(Example(task, trajectory, trained))
    return examples, counts


def _trained(task: Task, trajectory: Trajectory, answer_needs_evidence: bool) -> tuple[bool, ...]:
    """Train replies that were accepted; the answer only with its evidence."""
    trained = []
    assistant = [turn for turn in trajectory.turns if turn.role == "assistant"]
    for number, turn in enumerate(assistant):
        if number == len(assistant) - 1:
            trained.append(not answer_needs_evidence or _evidence_shown(task, trajectory))
        else:
            # a turn without a call that is not the last was malformed, and forgiven
            trained.append(turn.call is not None and not turn.call.rejected)
    return tuple(trained)


def _evidence_shown(task: Task, trajectory: Trajectory) -> bool:
    if not task.evidence:
        return True
    return any(
        span.start_seconds <= frame.pts_seconds < span.stop_seconds
        for span in task.evidence
        for frame in trajectory.frames_shown
    )


class ExampleFrames:
    """Decode the frames of examples, in whatever process asks.

    Parameters
    ----------
    media_root : Path or str
    cache_bytes : int
        Decoded frames kept in each process.

    Notes
    -----
    The frame source is opened on first use and again after a fork, so that an object made in the
    trainer can be used by the workers of a data loader.
    """

    def __init__(self, media_root: Path | str, *, cache_bytes: int = 256 << 20) -> None:
        self.media_root = Path(media_root)
        self.cache_bytes = cache_bytes
        self._source: FrameSource | None = None
        self._process = -1

    def check(self, examples: Iterable[Example]) -> None:
        """Raise when frames of examples cannot be had, before anything is trained.

        Raises
        ------
        RecordFormatError
            Naming the first videos that are missing, or the first frame that its video lacks.
        """
        source = self._own_source()
        missing: dict[str, int] = {}
        for example in examples:
            for path in {example.task.media[f.media].path for f in example.trajectory.frames_shown}:
                if path in missing or not (source.root / path).is_file():
                    missing[path] = missing.get(path, 0) + 1
            for frame in example.trajectory.frames_shown:
                path = example.task.media[frame.media].path
                if path not in missing and not 0 <= frame.index < source.video(path).frame_count:
                    raise RecordFormatError(
                        f"trajectory of task {example.task.task_id!r} shows frame {frame.index} of "
                        f"{path}, which has {source.video(path).frame_count}; valid are the videos "
                        "it was made from"
                    )
        if missing:
            names = sorted(missing)
            raise RecordFormatError(
                f"{len(names)} videos of {sum(missing.values())} examples are missing below "
                f"{self.media_root}: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}; "
                "valid is a media root with all of them (--media-root), or trajectories without "
                "these"
            )

    def of(self, example: Example) -> list[ShownFrame]:
        """Return the frames of an example, at the size they were shown in.

        Raises
        ------
        VideoError
            When a frame cannot be decoded.
        """
        source = self._own_source()
        settings = ToolSettings.from_json(example.trajectory.settings.get("tool", {}))
        by_media: dict[int, list[int]] = {}
        references = example.trajectory.frames_shown
        for place, reference in enumerate(references):
            by_media.setdefault(reference.media, []).append(place)
        shown: list[Any] = [None] * len(references)
        for media, places in by_media.items():
            path = example.task.media[media].path
            frames = [references[place] for place in places]
            images = frame_pixels(source, path, frames, settings.max_width, settings.max_height)
            for place, frame, pixels in zip(places, frames, images, strict=True):
                shown[place] = ShownFrame(pixels, frame.key(path))
        return shown

    def blank(self, example: Example) -> list[ShownFrame]:
        """Return black frames of the right sizes, without decoding: enough to count tokens."""
        source = self._own_source()
        settings = ToolSettings.from_json(example.trajectory.settings.get("tool", {}))
        shown = []
        for reference in example.trajectory.frames_shown:
            video = source.video(example.task.media[reference.media].path)
            width, height = shown_size(
                reference, video.width, video.height, settings.max_width, settings.max_height
            )
            pixels = np.zeros((height, width, 3), np.uint8)
            shown.append(ShownFrame(pixels, ("", 0)))
        return shown

    def _own_source(self) -> FrameSource:
        if self._source is None or self._process != os.getpid():
            self._source = FrameSource(self.media_root, cache_bytes=self.cache_bytes)
            self._process = os.getpid()
        return self._source

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_source": None, "_process": -1}
