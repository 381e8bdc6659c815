"""One request to a teacher and its reply, as records; pictures are named, not held, in the record.

Messages are those of the OpenAI chat interface. A picture is a part ``{"type": "frame", ...}`` that
names video, frame and encoding; it becomes a data URL only when the request is sent.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CallRequest", "Completion", "Request"]


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A native tool call: `arguments` is JSON text as the model wrote it, valid or not."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Completion:
    """What the endpoint replied.

    Attributes
    ----------
    text, reasoning : str
        Content, and the thought that some endpoints return apart from it.
    calls : tuple of CallRequest
    finish : str
        ``"stop"``, ``"length"``, ``"tool_calls"``, ...
    prompt_tokens, completion_tokens : int
    model : str
        As the endpoint calls it.
    """

    text: str
    reasoning: str = ""
    calls: tuple[CallRequest, ...] = ()
    finish: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    model: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Completion:
        """Read a record written by :meth:`to_json`."""
        calls = tuple(CallRequest(**call) for call in record["calls"])
        return cls(**{**record, "calls": calls})


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the endpoint.

    Attributes
    ----------
    purpose : str
        Task and step that it is for; part of the key, so equal questions are asked twice.
    attempt : int
    model : str
    messages : sequence of dict
        With ``{"type": "frame", "video", "index", "width", "height", "quality"}`` for pictures.
    images : mapping
        Data URL by ``(video, index)`` for every picture in `messages`; not part of the key.
    tools : sequence of dict
    options : mapping
        Sampling and further fields.
    """

    purpose: str
    attempt: int
    model: str
    messages: Sequence[Mapping[str, Any]]
    images: Mapping[tuple[str, int], str] = field(default_factory=dict)
    tools: Sequence[Mapping[str, Any]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """SHA-256 (hex) of everything that could change the reply, and of the attempt."""
        named = [
            self.purpose,
            self.attempt,
            self.model,
            list(self.messages),
            list(self.tools),
            dict(self.options),
        ]
        text = json.dumps(named, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def body(self) -> dict[str, Any]:
        """Return the request as it is sent, pictures as data URLs."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [self._message(message) for message in self.messages],
        }
        if self.tools:
            body["tools"] = list(self.tools)
        return body

    def estimate_prompt_tokens(self) -> int:
        """Guess tokens of the prompt: a third of its characters, a picture as 28-pixel patches.

        On the high side for English text; pictures as Qwen2.5-VL counts them.
        """
        tokens = sum(len(json.dumps(tool)) for tool in self.tools) // 3
        for message in self.messages:
            content = message.get("content") or ""
            parts: Any = [{"text": content}] if isinstance(content, str) else content
            for part in parts:
                if part.get("type") == "frame":
                    tokens += math.ceil(part["width"] / 28) * math.ceil(part["height"] / 28)
                else:
                    tokens += len(part.get("text", "")) // 3 + 4
        return tokens

    def _message(self, message: Mapping[str, Any]) -> dict[str, Any]:
        content = message.get("content")
        if isinstance(content, str) or content is None:
            return dict(message)
        parts = [
            {
                "type": "image_url",
                "image_url": {"url": self.images[part["video"], part["index"]]},
            }
            if part["type"] == "frame"
            else part
            for part in content
        ]
        return {**message, "content": parts}
