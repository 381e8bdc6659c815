"""One attempt at a task: the student's episode on one side, the endpoint's messages on the other.

The episode decides what a turn means and how it ends; this only translates. Everything here blocks
(it decodes and encodes frames): run it on the threads of a `FramePool`.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from deepsport.distil.frame_pool import FramePool
from deepsport.distil.request import Completion, Request
from deepsport.distil.settings import DistilSettings
from deepsport.distil.turn_text import turn_texts
from deepsport.protocol import WindowUnit
from deepsport.rollout import Episode, Reply
from deepsport.task import Task
from deepsport.tool import tool_actions
from deepsport.trajectory import IMAGE_MARK, Fault, FrameRef, Trajectory, Turn

__all__ = ["Conversation", "tools_system_text"]


def tools_system_text(settings: DistilSettings) -> str:
    """Return the instructions for a teacher that calls the tool natively."""
    tool = settings.tool
    lines = [
        (
            "You answer a question about a sports video. You are first shown a few frames sampled "
            "uniformly from it; they often miss the moment that matters."
        ),
        "In every turn, first write down your reasoning, then do exactly one thing:",
    ]
    if tool.max_calls:
        lines.append(_tool_line(settings))
    lines.append("- answer: <answer>...</answer>")
    lines.append("Write nothing after the answer.")
    return "\n".join(lines)


def _tool_line(settings: DistilSettings) -> str:
    tool = settings.tool
    between = "times in seconds" if tool.unit is WindowUnit.SECONDS else "frame indices"
    if tool.tools != ("choose_frames",):
        names = " or ".join(tool.tools)
        return (
            f"- call {names} once (at most {tool.max_calls} calls in all, never the same one "
            "twice);"
        )
    return (
        f"- call choose_frames once: it shows up to {tool.frames_per_call} frames between two "
        f"{between} (at most {tool.max_calls} calls, each with another range);"
    )


class Conversation:
    """Play one attempt; one thread at a time.

    Parameters
    ----------
    task : Task
    frames : FramePool
    settings : DistilSettings
    attempt : int

    Attributes
    ----------
    done : bool
        Whether the attempt has ended; then :meth:`trajectory` is its record.
    """

    def __init__(
        self, task: Task, frames: FramePool, settings: DistilSettings, attempt: int = 0
    ) -> None:
        self.task, self.attempt = task, attempt
        self._settings, self._teacher = settings, settings.teacher
        self._frames = frames
        self._video = frames.identity(task.media[0])
        self._images: dict[tuple[str, int], str] = {}
        self._episode = Episode(
            task, frames.source, settings.tool, policy=self._teacher.model, attempt=attempt
        )
        self._messages: list[dict[str, Any]] = []
        if not self.done:
            native = self._teacher.protocol == "tools"
            system = tools_system_text(settings) if native else self._episode.turns[0].text
            self._messages.append({"role": "system", "content": system})
            first = self._episode.turns[-1]
            self._messages.append({"role": "user", "content": self._parts(first)})

    @property
    def done(self) -> bool:
        """Whether the attempt has ended."""
        return self._episode.done

    def request(self) -> Request:
        """Return what the teacher is to be asked next."""
        options = {**self._teacher.sampling(self.attempt), **self._teacher.extra_body}
        tools: tuple[dict[str, Any], ...] = ()
        if self._teacher.protocol == "tools" and self._settings.tool.max_calls:
            tool = self._settings.tool
            tools = tuple(action.json_schema(tool.unit) for action in tool_actions(tool))
        return Request(
            purpose=f"play {self.task.task_id}",
            attempt=self.attempt,
            model=self._teacher.model,
            messages=tuple(self._messages),
            images=self._images,
            tools=tools,
            options=options,
        )

    def accept(self, reply: Completion) -> None:
        """Act on the teacher's reply."""
        texts = turn_texts(reply, self._settings.tool, self._teacher.protocol)
        usage = {
            "requests": 1.0,
            "prompt_tokens": float(reply.prompt_tokens),
            "completion_tokens": float(reply.completion_tokens),
            "parallel_calls": float(len(texts) - 1),
        }
        answers: list[tuple[Turn, list[dict[str, Any]]]] = []
        for text in texts:
            truncated = reply.finish == "length"
            self._episode.observe(Reply(text, truncated=truncated, usage=usage))
            usage = {}
            if self.done:
                return
            turn = self._episode.turns[-1]
            answers.append((turn, self._parts(turn)))
        if self._teacher.protocol == "tools" and reply.calls:
            self._answer_calls(reply, answers)
        else:
            self._messages.append({"role": "assistant", "content": texts[0]})
            self._messages.append({"role": "user", "content": answers[0][1]})

    def fail(self, fault: Fault) -> None:
        """End the attempt for a reason that is not the teacher's doing."""
        self._episode.observe(Reply("", fault=fault))

    def trajectory(self) -> Trajectory:
        """Return the record of an attempt that has ended."""
        teacher = self._teacher
        made_by = {
            "model": teacher.model,
            "protocol": teacher.protocol,
            "tool_image_mode": teacher.tool_image_mode,
            "jpeg_quality": teacher.jpeg_quality,
            **teacher.sampling(self.attempt),
            **teacher.extra_body,
        }
        record = self._episode.trajectory()
        return dataclasses.replace(record, settings={**record.settings, "teacher": made_by})

    def _answer_calls(
        self, reply: Completion, answers: list[tuple[Turn, list[dict[str, Any]]]]
    ) -> None:
        """Answer parallel calls in their order: all tool messages, then, if need be, the pictures."""
        said: dict[str, Any] = {
            "role": "assistant",
            "content": "\n".join(filter(None, (reply.reasoning.strip(), reply.text.strip()))),
            "tool_calls": [
                {
                    "id": call.call_id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": _valid_json(call.arguments)},
                }
                for call in reply.calls
            ],
        }
        self._messages.append(said)
        pictures: list[dict[str, Any]] = []
        for call, (turn, parts) in zip(reply.calls, answers, strict=True):
            in_place = self._teacher.tool_image_mode == "tool"
            content: Any = parts if in_place and turn.frames else _words(turn.text)
            self._messages.append(
                {"role": "tool", "tool_call_id": call.call_id, "content": content}
            )
            if turn.frames and not in_place:
                pictures += parts
        if pictures:
            self._messages.append({"role": "user", "content": pictures})

    def _parts(self, turn: Turn) -> list[dict[str, Any]]:
        """Split a turn into text and pictures; its pixels are encoded and let go."""
        images = self._episode.images[-len(turn.frames) :] if turn.frames else []
        if images:
            pictures = [self._picture(f, i) for f, i in zip(turn.frames, images, strict=True)]
            del self._episode.images[-len(turn.frames) :]
        else:
            pictures = []
        parts: list[dict[str, Any]] = []
        for number, text in enumerate(turn.text.split(IMAGE_MARK)):
            if number:
                parts.append(pictures[number - 1])
            if text.strip():
                parts.append({"type": "text", "text": text.strip("\n")})
        return parts

    def _picture(self, frame: FrameRef, image: Any) -> dict[str, Any]:
        name = self._video + frame.view  # a region of a frame is another picture
        url, part = self._frames.data_url(name, frame.index, image, self._teacher.jpeg_quality)
        self._images[name, frame.index] = url
        return part


def _words(text: str) -> str:
    """Say where the pictures are, for an endpoint that takes none in a tool message."""
    if IMAGE_MARK not in text:
        return text
    return text.replace(IMAGE_MARK, "(in the next message)")


def _valid_json(arguments: str) -> str:
    """Return arguments as an endpoint's chat template can read them back."""
    try:
        return arguments if isinstance(json.loads(arguments), dict) else "{}"
    except (ValueError, RecursionError):
        return "{}"
