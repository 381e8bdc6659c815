"""The tools of one rollout: the first uniform frames of its video, and what calls show.

What the model asks for is clipped to budgets rather than refused where a sensible reading exists;
every refusal says what would be valid. What a call means is its tool's (`deepsport.tool.interface`),
parsing what the model wrote is `deepsport.protocol`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepsport.errors import DeepsportError, ToolFailedError
from deepsport.protocol import Action, ParsedTurn, Reason, ToolCall, uniform_indices
from deepsport.task import Task
from deepsport.tool.frame_source import FrameSource
from deepsport.tool.interface import Finding, Scene
from deepsport.tool.prompt import observation_text, user_text
from deepsport.tool.registry import make_tools, read_turn
from deepsport.tool.settings import ToolSettings
from deepsport.trajectory import IMAGE_MARK, FrameRef

__all__ = ["FrameTool", "Observation"]

_REPEATED = (Reason.WINDOW_REPEATED, Reason.WINDOW_FULL_RANGE, Reason.CALL_REPEATED)


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
        Why nothing was done; empty when something was.
    repeated : bool
        It was refused because the same was asked for before.
    verdict : Reason
        OK, or why it was refused.
    """

    text: str
    frames: tuple[FrameRef, ...] = ()
    images: tuple[NDArray[np.uint8], ...] = ()
    window: tuple[int, int] | None = None
    rejected: str = ""
    repeated: bool = False
    verdict: Reason = Reason.OK


class FrameTool:
    """Answer the calls of one rollout; safe to share its `source`, one object a rollout.

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
    SettingsError
        When the settings name a tool that nobody knows.

    Attributes
    ----------
    actions : tuple of Action
        What the model may do beside answering.
    frames_left : int or None
        Frames that calls may still show; None without such a budget.
    """

    def __init__(self, task: Task, source: FrameSource, settings: ToolSettings) -> None:
        self._tools = make_tools(settings)
        self.actions: tuple[Action, ...] = tuple(tool.action for tool in self._tools.values())
        self.settings = settings
        self.frames_left = settings.max_frames
        path = task.media[0].path
        video = source.video(path)
        self.scene = Scene(
            task=task,
            path=path,
            settings=settings,
            source=source,
            frame_count=int(video.frame_count),
            fps=float(video.average_fps),
            duration_seconds=float(video.duration_seconds),
            width=int(video.width),
            height=int(video.height),
            pts_seconds=video.pts_seconds,
        )

    def json_schemas(self) -> list[dict[str, Any]]:
        """Return the tools as OpenAI function schemas (the native form of chat templates)."""
        return [action.json_schema(self.settings.unit) for action in self.actions]

    def read(self, text: str) -> ParsedTurn:
        """Parse a turn of the model."""
        return read_turn(text, self.settings, self.actions)

    def first(self) -> Observation:
        """Return the uniform first frames with the question.

        Raises
        ------
        VideoError
            When a frame cannot be decoded.
        """
        scene, first = self.scene, self.settings.first_frames
        indices = uniform_indices(scene.frame_count, first) if first else []
        frames = tuple(scene.frame(index) for index in indices)
        text = user_text(
            scene.task,
            frames,
            self.settings,
            frame_count=scene.frame_count,
            fps=scene.fps,
            duration_seconds=scene.duration_seconds,
        )
        return Observation(text, frames, tuple(scene.pixels(frames)))

    def call(self, call: ToolCall, *, calls_left: int) -> Observation:
        """Do what a call asks, or say why that is not possible.

        Parameters
        ----------
        call : ToolCall
            Of one of `actions`, as the parser read it.
        calls_left : int
            Calls that remain after this one, for the words shown.

        Raises
        ------
        VideoError
            When a frame cannot be decoded.
        ToolFailedError
            When the tool broke.
        """
        try:
            found = self._tools[call.name].use(call, self.scene)
        except (DeepsportError, TimeoutError):
            raise
        except Exception as error:  # a tool may be anybody's: what it raises is not the model's
            raise ToolFailedError(f"tool {call.name}: {type(error).__name__}: {error}") from error
        if found.verdict is not Reason.OK:
            said = found.text.replace(IMAGE_MARK, "(image)") or str(found.verdict)
            return Observation(
                said,
                rejected=said,
                repeated=found.verdict in _REPEATED,
                verdict=found.verdict,
            )
        frames, notes = self._within_budget(found)
        text = observation_text(
            found.text,
            frames,
            self.settings,
            size=(self.scene.width, self.scene.height),
            calls_left=calls_left if self.frames_left != 0 else 0,
            notes=notes,
        )
        return Observation(text, frames, tuple(self.scene.pixels(frames)), window=found.window)

    def choose_frames(self, start: int, end: int, *, calls_left: int) -> Observation:
        """Return frames between two indices: :meth:`call` for callers that parsed nothing.

        Raises
        ------
        VideoError
            When a frame cannot be decoded.
        """
        arguments = {"frame_range": [start, end]}
        return self.call(ToolCall("choose_frames", arguments), calls_left=calls_left)

    def _within_budget(self, found: Finding) -> tuple[tuple[FrameRef, ...], Sequence[str]]:
        """Spread fewer frames over the same window when not all of them may be shown."""
        frames, left = found.frames, self.frames_left
        if left is None:
            return frames, found.notes
        notes = list(found.notes)
        if len(frames) > left:
            places = np.linspace(0, len(frames) - 1, left).astype(int) if left > 1 else [0]
            notes.append(f"Only {left} of {len(frames)} frames are shown: no more are left.")
            frames = tuple(frames[place] for place in places)
        self.frames_left = left - len(frames)
        return frames, notes
