"""The tools a model looks with: settings, prompts, frames, budgets, and how to add one."""

from __future__ import annotations

from deepsport.tool.detections import Detection, FrameDetections, register_detector
from deepsport.tool.frame_source import FrameSource
from deepsport.tool.frame_tool import FrameTool, Observation
from deepsport.tool.interface import Finding, Scene, Tool
from deepsport.tool.registry import read_turn, register_tool, tool_actions, tool_names
from deepsport.tool.settings import ToolSettings

__all__ = [
    "Detection",
    "Finding",
    "FrameDetections",
    "FrameSource",
    "FrameTool",
    "Observation",
    "Scene",
    "Tool",
    "ToolSettings",
    "read_turn",
    "register_detector",
    "register_tool",
    "tool_actions",
    "tool_names",
]
