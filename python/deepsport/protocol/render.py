"""Write turns: the inverse of the parser, so nobody builds tags by hand."""

from __future__ import annotations

import enum
import json

from deepsport.errors import SettingsError

__all__ = ["ProtocolForm", "render_answer", "render_call", "render_turn"]

_TAGS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<answer>", "</answer>")


class ProtocolForm(enum.IntEnum):
    """How a tool call is written inside ``<tool_call>…</tool_call>``."""

    PAPER = 0
    """``{"action":"choose_frames","frame_range":[s,e]}`` (arXiv 2511.12908)."""
    NATIVE = 1
    """``{"name": …, "arguments": {"start_frame": s, "end_frame": e}}``, as Qwen's chat templates."""


def render_call(
    frame_range: tuple[int, int],
    form: ProtocolForm = ProtocolForm.PAPER,
    *,
    action: str = "choose_frames",
) -> str:
    """Write a tool call for the window ``(start, end)``.

    Examples
    --------
    >>> render_call((120, 240))
    '<tool_call>{"action":"choose_frames","frame_range":[120,240]}</tool_call>'
    """
    start, end = (int(frame) for frame in frame_range)
    if ProtocolForm(form) is ProtocolForm.PAPER:
        body = {"action": action, "frame_range": [start, end]}
        return f"<tool_call>{json.dumps(body, separators=(',', ':'))}</tool_call>"
    call = {"name": action, "arguments": {"start_frame": start, "end_frame": end}}
    return f"<tool_call>\n{json.dumps(call)}\n</tool_call>"


def render_answer(text: str) -> str:
    """Write the answer that ends an episode.

    Raises
    ------
    SettingsError
        The text is blank or holds one of the protocol's tags.
    """
    _reject_tags("answer", text)
    if not text.strip():
        raise SettingsError("render_answer: asked for a blank answer; valid is any other text")
    return f"<answer>{text}</answer>"


def render_turn(think: str, action: str) -> str:
    """Write a whole turn: the thought, then an action from render_call or render_answer.

    Raises
    ------
    SettingsError
        The thought is blank or holds one of the protocol's tags.
    """
    _reject_tags("thought", think)
    if not think.strip():
        raise SettingsError("render_turn: asked for a blank thought; valid is any other text")
    return f"<think>{think}</think>{action}"


def _reject_tags(what: str, text: str) -> None:
    for tag in _TAGS:
        if tag in text:
            raise SettingsError(f"{what} {text[:80]!r}: found {tag}; valid is text without tags")
