"""The frame tool: the first uniform frames of a video, and the frames of a window on request.

What the model asks for is clipped to budgets rather than refused where a sensible reading exists;
every refusal says what would be valid. Not for parsing what the model wrote (`deepsport.protocol`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepsport.protocol import check_window, uniform_indices, window_indices
from deepsport.task import Task
from deepsport.tool.frame_source import FrameSource, fit_inside
from deepsport.tool.prompt import observation_text, user_text
from deepsport.tool.settings import ToolSettings
from deepsport.trajectory import FrameRef

__all__ = ["FrameTool", "Observation"]


@dataclass(frozen=True, slots=True)
class Observation:
    """What the environment says back, with pixels.

    Attributes
    ----------
    text : str
        One ``<image>`` a frame.
    frames : tuple of FrameRef
    images : tuple of array
        uint8, (height, width, 3), RGB, in the order of `frames`; read-only.
    window : (int, int) or None
        Frames searched, ``[start, stop)``, after clipping.
    rejected : str
        Why nothing was shown; empty when frames were.
    repeated : bool
    """

    text: str
    frames: tuple[FrameRef, ...] = ()
    images: tuple[NDArray[np.uint8], ...] = ()
    window: tuple[int, int] | None = None
    rejected: str = ""
    repeated: bool = False


class FrameTool:
    """Show frames of one task's video; safe to share its `source`, one tool a rollout.

    Parameters
    ----------
    task : Task
    source : FrameSource
        Opens the first medium of the task.
    settings : ToolSettings

    Raises
    ------
    VideoError
        When the video cannot be opened.
    """

    name = "choose_frames"

    def __init__(self, task: Task, source: FrameSource, settings: ToolSettings) -> None:
        self.task = task
        self.settings = settings
        self._source = source
        self._path = task.media[0].path
        video = source.video(self._path)
        self.frame_count = int(video.frame_count)
        self._pts_seconds = video.pts_seconds
        self._fps = float(video.average_fps)
        self._duration_seconds = float(video.duration_seconds)
        self._size = fit_inside(video.width, video.height, settings.max_width, settings.max_height)
        self._windows: list[tuple[int, int]] = []

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """Return the tool as an OpenAI function schema (the native form of chat templates)."""
        frame = {"type": "integer", "minimum": 0}
        return {
            "type": "function",
            "function": {
                "name": "choose_frames",
                "description": "Show frames of the video between two frame indices.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "start_frame": {**frame, "description": "first frame index of the window"},
                        "end_frame": {**frame, "description": "last frame index of the window"},
                    },
                    "required": ["start_frame", "end_frame"],
                },
            },
        }

    def first(self) -> Observation:
        """Return the uniform first frames with the question.

        Raises
        ------
        VideoError
            When a frame cannot be decoded.
        """
        first = self.settings.first_frames
        frames, images = self._look(uniform_indices(self.frame_count, first) if first else [])
        text = user_text(
            self.task,
            frames,
            self.settings,
            frame_count=self.frame_count,
            fps=self._fps,
            duration_seconds=self._duration_seconds,
        )
        return Observation(text, frames, images)

    def choose_frames(self, start: int, end: int, *, calls_left: int) -> Observation:
        """Return frames between `start` and `end`, or why that is not possible.

        Parameters
        ----------
        start, end : int
            Frame indices as the model wrote them.
        calls_left : int
            Calls that remain after this one, for the words shown.

        Raises
        ------
        VideoError
            When a frame cannot be decoded.
        """
        verdict = check_window(
            (start, end),
            self.frame_count,
            self._windows,
            full_range_shown=self.settings.first_frames > 0,
        )
        if not verdict.ok:
            return Observation(verdict.message, rejected=verdict.message, repeated=verdict.repeated)
        begin, stop = verdict.window
        note = ""
        limit = self.settings.max_window_frames
        if limit is not None and stop - begin > limit:
            middle = (begin + stop) // 2
            begin = max(0, middle - limit // 2)
            stop = min(self.frame_count, begin + limit)
            if self.settings.style == "full":
                note = f"The range was wider than {limit} frames and has been narrowed around its middle."
        indices = window_indices(begin, stop, self.settings.frames_per_call)
        frames, images = self._look(indices)
        self._windows.append((start, end))
        text = observation_text(
            frames, self.settings, window=(begin, stop), calls_left=calls_left, note=note
        )
        return Observation(text, frames, images, window=(begin, stop))

    def _look(
        self, indices: Sequence[int]
    ) -> tuple[tuple[FrameRef, ...], tuple[NDArray[np.uint8], ...]]:
        images = self._source.frames(self._path, indices, self._size)
        frames = tuple(FrameRef(i, round(float(self._pts_seconds[i]), 6)) for i in indices)
        return frames, tuple(images)
