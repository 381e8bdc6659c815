"""The paper's tool: the frames of a window, spread evenly over it."""

from __future__ import annotations

from dataclasses import replace

from deepsport.protocol import CHOOSE_FRAMES, Action, ToolCall, WindowUnit, window_indices
from deepsport.tool.interface import Finding, Scene
from deepsport.tool.settings import ToolSettings
from deepsport.tool.windows import AskedWindows, window_text

__all__ = ["ChooseFrames"]


class ChooseFrames:
    """Show frames of a window."""

    def __init__(self, settings: ToolSettings) -> None:
        self._asked = AskedWindows(whole_is_repeated=settings.first_frames > 0)
        self.action: Action = CHOOSE_FRAMES
        if settings.unit is WindowUnit.SECONDS:
            self.action = replace(
                CHOOSE_FRAMES, description="Show frames of the video between two times in seconds."
            )

    def use(self, call: ToolCall, scene: Scene) -> Finding:
        """Name up to ``settings.frames_per_call`` frames inside the window."""
        opened = self._asked.open(call, scene)
        if isinstance(opened, Finding):
            return opened
        indices = window_indices(*opened.window, scene.settings.frames_per_call)
        text = ""
        if scene.settings.style == "full":
            begin, stop = opened.window
            text = f"Frames between {begin} and {stop}:"
            if scene.settings.unit is WindowUnit.SECONDS:
                text = f"Frames from {window_text(opened.window, scene)}:"
        frames = tuple(scene.frame(index) for index in indices)
        return Finding(text, frames, opened.window, opened.notes)
