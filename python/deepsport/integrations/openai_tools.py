"""The frame tools as OpenAI function schemas, and the messages that answer a model's tool calls.

For any server that speaks the chat completions protocol (OpenAI, vLLM, SGLang, Ollama). Sending
requests is the caller's; what the tools do is in `deepsport.integrations.frame_service`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Literal

from deepsport.errors import DeepsportError, InvalidRequestError
from deepsport.integrations.frame_service import FrameService, Shown, encode_jpeg

__all__ = ["answer_tool_calls", "image_parts", "tool_schemas"]


def tool_schemas(*, strict: bool = False, detections: bool = False) -> list[dict[str, Any]]:
    """Return the schemas of `video_info`, `choose_frames`, `frames_at` and `zoom` for ``tools=``.

    Parameters
    ----------
    detections : bool
        Also that of `detect`, for a service that has detections.
    strict : bool
        The strict form of structured outputs: every argument required, optional ones nullable.
    """
    video = {"type": "string", "description": "path of the video, relative to the media folder"}
    frame = {"type": "integer"}
    return [
        _schema(
            "video_info",
            "Tell the number of frames, duration in seconds, frame rate and size of a video.",
            {"video": video},
            ("video",),
            strict=strict,
        ),
        _schema(
            "choose_frames",
            "Show frames spread evenly over a window of frame indices; narrow it to look closer.",
            {
                "video": video,
                "start_frame": {**frame, "description": "first frame index of the window"},
                "end_frame": {**frame, "description": "frame index behind the window"},
                "num_frames": {**frame, "description": "frames to show, 8 when not given"},
            },
            ("video", "start_frame", "end_frame"),
            strict=strict,
        ),
        _schema(
            "frames_at",
            "Show single frames, either by index or by second.",
            {
                "video": video,
                "frames": {
                    "type": "array",
                    "items": frame,
                    "description": "frame indices; negative ones count from the end",
                },
                "seconds": {
                    "type": "array",
                    "items": {"type": "number"},
                    "description": "seconds; the frames on screen then are shown",
                },
            },
            ("video",),
            strict=strict,
        ),
        _schema(
            "zoom",
            "Show a region of one frame at higher resolution.",
            {
                "video": video,
                "frame": {**frame, "description": "frame index"},
                "region": {
                    "type": "array",
                    "items": {"type": "number"},
                    "description": "left, top, right, bottom in thousandths of the frame's width "
                    "and height",
                },
            },
            ("video", "frame", "region"),
            strict=strict,
        ),
        *([_detect_schema(video, frame, strict)] if detections else []),
    ]


def _detect_schema(video: dict[str, Any], frame: dict[str, Any], strict: bool) -> dict[str, Any]:
    return _schema(
        "detect",
        "Tell what a detector found in frames of a window: labels, scores and boxes in thousandths "
        "of the frame.",
        {
            "video": video,
            "start_frame": {**frame, "description": "first frame index of the window"},
            "end_frame": {**frame, "description": "frame index behind the window"},
        },
        ("video", "start_frame", "end_frame"),
        strict=strict,
    )


def _schema(
    name: str,
    description: str,
    properties: dict[str, dict[str, Any]],
    required: tuple[str, ...],
    *,
    strict: bool,
) -> dict[str, Any]:
    if strict:
        properties = {
            key: value if key in required else {**value, "type": [value["type"], "null"]}
            for key, value in properties.items()
        }
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties if strict else required),
        "additionalProperties": False,
    }
    function: dict[str, Any] = {
        "name": name, "description": description, "parameters": parameters
    }  # fmt: skip
    if strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def image_parts(shown: Shown) -> list[dict[str, Any]]:
    """Return the frames as ``image_url`` content parts, each after its own label."""
    parts: list[dict[str, Any]] = []
    for index, second, image in zip(shown.indices, shown.seconds, shown.images, strict=True):
        data = base64.b64encode(encode_jpeg(image)).decode()
        parts.append({"type": "text", "text": f"frame {index} at {second:.3f} s:"})
        parts.append({"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}})
    return parts


def answer_tool_calls(
    service: FrameService,
    tool_calls: Iterable[Any],
    *,
    images_in: Literal["user", "tool"] = "user",
    session: Hashable = None,
) -> list[dict[str, Any]]:
    """Run the tool calls of an assistant message and return the messages to append.

    Failures become the text of the tool's answer: a model can mend its request, a crash helps
    nobody.

    Parameters
    ----------
    service : FrameService
    tool_calls : iterable
        ``message.tool_calls``, as objects of the openai package or as plain dictionaries.
    images_in : {"user", "tool"}
        The protocol allows only text in tool messages, so images follow in one user message; some
        servers (vLLM with a fitting chat template) also take them inside.
    session : hashable
        Whose budget is spent.
    """
    if images_in not in ("user", "tool"):
        raise InvalidRequestError(f"images_in is {images_in!r}, valid are 'user' and 'tool'")
    messages: list[dict[str, Any]] = []
    pictures: list[dict[str, Any]] = []
    for call in tool_calls:
        plain = call if isinstance(call, Mapping) else call.model_dump()
        shown = _run(service, plain["function"], session)
        content: Any = shown.text
        if shown.images and images_in == "tool":
            content = [{"type": "text", "text": shown.text}, *image_parts(shown)]
        elif shown.images:
            pictures += image_parts(shown)
        messages.append({"role": "tool", "tool_call_id": plain["id"], "content": content})
    if pictures:
        messages.append({"role": "user", "content": pictures})
    return messages


def _run(service: FrameService, function: Mapping[str, Any], session: Hashable) -> Shown:
    try:
        arguments = json.loads(function.get("arguments") or "{}")
        if not isinstance(arguments, dict):
            raise InvalidRequestError(f"arguments are a {type(arguments).__name__}, not an object")
        return service.run(str(function["name"]), arguments, session)
    except (DeepsportError, json.JSONDecodeError, RecursionError) as error:
        return Shown(f"error: {error}")
