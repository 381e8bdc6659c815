"""What a tool is: an action, and a function from a call and a scene to words and frames.

A tool never decodes for the model and never counts budgets: it names frames (or parts of them, or
boxes to draw on them), and `deepsport.tool.frame_tool` shows them. So pixels follow from the record,
budgets hold for every tool, and a video that does not decode is a fault and not the model's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deepsport.protocol import Action, Reason, ToolCall
from deepsport.task import Task
from deepsport.tool.frame_source import FrameSource
from deepsport.tool.pixels import frame_pixels
from deepsport.tool.settings import ToolSettings
from deepsport.trajectory import Box, FrameRef

__all__ = ["Finding", "Scene", "Tool"]


@dataclass(frozen=True, slots=True)
class Scene:
    """The video of one rollout, as a tool may know it.

    Attributes
    ----------
    task : Task
    path : str
        Of the video, below the media root.
    settings : ToolSettings
    source : FrameSource
    frame_count : int
    fps : float
        Average rate.
    duration_seconds : float
    width, height : int
        Of the video, in pixels.
    pts_seconds : float64, (frames,)
        When each frame begins to be shown.
    """

    task: Task
    path: str
    settings: ToolSettings
    source: FrameSource
    frame_count: int
    fps: float
    duration_seconds: float
    width: int
    height: int
    pts_seconds: NDArray[np.float64]

    def frame(
        self,
        index: int,
        *,
        region: tuple[int, int, int, int] | None = None,
        boxes: Sequence[Box] = (),
    ) -> FrameRef:
        """Name a frame to show, a part of it, or a frame with boxes drawn on it."""
        seconds = round(float(self.pts_seconds[index]), 6)
        return FrameRef(index, seconds, region=region, boxes=tuple(boxes))

    def frame_at(self, seconds: float) -> int:
        """Return the frame on screen at a time; before the first frame that is the first."""
        return max(0, int(np.searchsorted(self.pts_seconds, seconds, "right")) - 1)

    def pixels(self, frames: Sequence[FrameRef]) -> list[NDArray[np.uint8]]:
        """Decode frames as the model would see them: uint8, (height, width, 3), RGB.

        Raises
        ------
        VideoError
            When one cannot be decoded.
        """
        size = (self.settings.max_width, self.settings.max_height)
        return frame_pixels(self.source, self.path, frames, *size)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a call found.

    Attributes
    ----------
    text : str
        Words for the model, before the frames; of a refusal why, and what would be valid.
    frames : tuple of FrameRef
        To be shown, from :meth:`Scene.frame`.
    window : (int, int) or None
        Frames searched, ``[start, stop)``: what rewards and evaluation hold against the event.
    notes : tuple of str
        What was clipped, told to the model.
    verdict : Reason
        OK, or why nothing was done: a window reason, FRAME_OUTSIDE, REGION_EMPTY, CALL_REPEATED or
        CALL_REFUSED.
    """

    text: str = ""
    frames: tuple[FrameRef, ...] = ()
    window: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    verdict: Reason = Reason.OK


class Tool(Protocol):
    """A tool of one rollout; made anew for each, so it may remember what it was asked."""

    @property
    def action(self) -> Action:
        """Name, arguments, description and example: parser, prompt and schemas are made of it."""
        ...

    def use(self, call: ToolCall, scene: Scene) -> Finding:
        """Answer a call whose arguments have the kinds that the action declares.

        An exception is a fault of the tool: the rollout ends masked, it is not the model's doing. A
        call that makes no sense is a finding with a verdict.
        """
        ...
