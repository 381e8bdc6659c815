"""The frame tool as a tool of verl, for agentic reinforcement learning there.

In the tool configuration:

    tools:
      - class_name: deepsport.integrations.verl_tool.ChooseFramesTool
        config: {type: native, root: /data/videos, max_side: 640, frames_per_call: 8}

and in every row of the data ``extra_info.tools_kwargs.choose_frames.create_kwargs.video``: the
path of its video, relative to the root.
"""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from deepsport.errors import DeepsportError, MissingExtraError, SettingsError
from deepsport.integrations.budget import Budget
from deepsport.integrations.frame_service import FrameService

try:
    from verl.tools.base_tool import BaseTool
    from verl.tools.schemas import OpenAIFunctionToolSchema, ToolResponse
except ImportError as error:
    raise MissingExtraError(f"verl is needed for this tool: {error}") from error

__all__ = ["ChooseFramesTool"]

SCHEMA = {
    "type": "function",
    "function": {
        "name": "choose_frames",
        "description": "Show frames of the video between two frame indices.",
        "parameters": {
            "type": "object",
            "properties": {
                "start_frame": {"type": "integer", "description": "first frame of the window"},
                "end_frame": {"type": "integer", "description": "frame behind the window"},
            },
            "required": ["start_frame", "end_frame"],
        },
    },
}


class ChooseFramesTool(BaseTool):
    """Show frames of a rollout's video; one object serves all rollouts of a worker.

    Parameters
    ----------
    config : dict
        ``root``: folder of the videos; also ``frames_per_call`` (8), ``max_calls`` (5) and
        ``max_side`` (640).
    tool_schema : OpenAIFunctionToolSchema or None
        None for the tool's own.
    """

    def __init__(self, config: dict[str, Any], tool_schema: Any = None) -> None:
        schema = tool_schema or OpenAIFunctionToolSchema.model_validate(SCHEMA)
        super().__init__(config, schema)
        if "root" not in config:
            raise SettingsError("config of ChooseFramesTool: root is missing, the folder of videos")
        self._frames = int(config.get("frames_per_call", 8))
        calls = int(config.get("max_calls", 5))
        budget = Budget(
            frames_per_call=self._frames,
            calls_per_session=calls,
            frames_per_session=calls * self._frames,
            max_side=int(config.get("max_side", 640)),
        )
        self._service = FrameService([config["root"]], budget)
        self._videos: dict[str, str] = {}

    async def create(
        self, instance_id: str | None = None, **kwargs: Any
    ) -> tuple[str, ToolResponse]:
        """Begin a rollout; ``create_kwargs["video"]`` names its video."""
        instance_id = instance_id or str(uuid4())
        video = (kwargs.get("create_kwargs") or kwargs).get("video")
        if not isinstance(video, str):
            raise SettingsError(
                "create_kwargs of choose_frames: video is missing, the path of the rollout's video"
            )
        self._videos[instance_id] = video
        return instance_id, ToolResponse()

    async def execute(
        self,
        instance_id: str,
        parameters: dict[str, Any],
        **kwargs: Any,  # noqa: ARG002
    ) -> tuple[ToolResponse, float, dict[str, Any]]:
        """Show a window; what cannot be shown is told to the model, with no reward either way."""
        from PIL import Image

        arguments = {
            "start_frame": parameters.get("start_frame"),
            "end_frame": parameters.get("end_frame"),
            "video": self._videos[instance_id],
            "num_frames": self._frames,
        }
        try:
            shown = await asyncio.to_thread(
                self._service.run, "choose_frames", arguments, instance_id
            )
        except DeepsportError as error:
            return ToolResponse(text=f"error: {error}"), 0.0, {"frames": 0, "refused": 1}
        images = [Image.fromarray(image) for image in shown.images]
        metrics = {"frames": len(images), "refused": 0}
        return ToolResponse(text=shown.text, image=images), 0.0, metrics

    async def release(self, instance_id: str, **kwargs: Any) -> None:  # noqa: ARG002
        """End a rollout."""
        self._videos.pop(instance_id, None)
