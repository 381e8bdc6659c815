"""Controls: the same questions with something taken away, to see what a score rests on.

A model that scores as well without frames, or with frames in a random order, did not look.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepsport.errors import SettingsError
from deepsport.task import Kind, Task
from deepsport.tool import FrameSource, ToolSettings

__all__ = ["CONTROLS", "Control", "ShuffledFrames", "shuffle_options"]

CONTROLS = {
    "no-tool": "first frames as usual, no tool call",
    "no-frames": "the question alone: no frames, no tool call",
    "one-frame": "a single frame from the middle, no tool call",
    "uniform-N": "N uniform frames at once (a number in place of N), no tool call",
    "shuffled-frames": "frames of every look in a random order under their old labels",
    "shuffled-options": "options in a random order",
}


@dataclass(frozen=True, slots=True)
class Control:
    """One control, by name.

    Raises
    ------
    SettingsError
        When the name is none of `CONTROLS`.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name.startswith("uniform-") and self.name.removeprefix("uniform-").isdigit():
            return
        if self.name not in CONTROLS or self.name == "uniform-N":
            raise SettingsError(
                f"control {self.name!r} is unknown, valid are {', '.join(CONTROLS)}"
            )

    def settings(self, settings: ToolSettings) -> ToolSettings:
        """Return the tool settings under this control."""
        first = {
            "no-tool": settings.first_frames,
            "no-frames": 0,
            "one-frame": 1,
        }.get(self.name)
        if self.name.startswith("uniform-"):
            first = int(self.name.removeprefix("uniform-"))
        if first is None:
            return settings
        return dataclasses.replace(settings, first_frames=first, max_calls=0)

    def task(self, task: Task, seed: int) -> Task:
        """Return the task under this control."""
        return shuffle_options(task, seed) if self.name == "shuffled-options" else task

    def source(self, source: FrameSource, seed: int) -> FrameSource:
        """Return the frames under this control."""
        return ShuffledFrames(source, seed) if self.name == "shuffled-frames" else source


def _rng(seed: int, *names: str) -> np.random.Generator:
    """Make a generator that depends on names only, not on the order of tasks or on earlier runs."""
    digest = hashlib.sha256("\0".join([str(seed), *names]).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def shuffle_options(task: Task, seed: int) -> Task:
    """Return the task with its options in a random order and the right letters moved along.

    Tasks without options come back as they are. ``provenance["option_order"]`` keeps the order.
    """
    if task.kind not in (Kind.CHOICE, Kind.MULTI_CHOICE, Kind.FEEDBACK):
        return task
    order = [int(i) for i in _rng(seed, "options", task.task_id).permutation(len(task.options))]
    letter_of = {task.letters[old]: task.letters[new] for new, old in enumerate(order)}
    return dataclasses.replace(
        task,
        options=tuple(task.options[old] for old in order),
        truth=dataclasses.replace(
            task.truth, labels=tuple(sorted(letter_of[label] for label in task.truth.labels))
        ),
        provenance={**task.provenance, "option_order": order},
    )


class ShuffledFrames(FrameSource):
    """A source whose frames are right but in a random order; the order is the same every time.

    Notes
    -----
    Safe to share between threads.
    """

    def __init__(self, source: FrameSource, seed: int) -> None:
        super().__init__(source.root, cache_bytes=source.cache_bytes, shared=source.shared or False)
        self._seed = seed

    def frames(
        self, path: Path | str, indices: Sequence[int], size: tuple[int, int]
    ) -> list[NDArray[np.uint8]]:
        """Return the frames of `indices`, one another's places exchanged."""
        frames = super().frames(str(path), indices, size)
        order = _rng(self._seed, "frames", str(path), *map(str, indices)).permutation(len(frames))
        return [frames[int(i)] for i in order]
