"""The frame tool a model looks with: settings, prompts, frames, budgets."""

from __future__ import annotations

from deepsport.tool.frame_source import FrameSource
from deepsport.tool.frame_tool import FrameTool, Observation
from deepsport.tool.settings import ToolSettings

__all__ = ["FrameSource", "FrameTool", "Observation", "ToolSettings"]
