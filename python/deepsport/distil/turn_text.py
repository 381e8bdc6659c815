"""What an endpoint replied, written as turns of the student's protocol.

A native tool call becomes the text the student will write; what cannot be written so is written as
it came, so that the parser rejects it with its own reason.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from deepsport.distil.request import CallRequest, Completion
from deepsport.protocol import Action, ProtocolForm, WindowUnit, render_action
from deepsport.tool import ToolSettings, tool_actions

__all__ = ["NEXT_CALL_THOUGHT", "turn_texts"]

#: thought of the second and later calls of one reply: there is one thought for all of them, and the
#: student's protocol wants one a turn
NEXT_CALL_THOUGHT = "I also want to see another range."


def turn_texts(
    reply: Completion, tool: ToolSettings, protocol: Literal["text", "tools"]
) -> list[str]:
    """Return one text, or one for each tool call, in their order."""
    if protocol == "tools" and reply.calls:
        thought = _bare(f"{reply.reasoning}\n{reply.text}" if reply.text else reply.reasoning)
        texts = []
        for number, call in enumerate(reply.calls):
            words = thought if number == 0 else NEXT_CALL_THOUGHT
            texts.append((f"<think>{words}</think>" if words else "") + _call(call, tool))
        return texts
    text = reply.text.strip()
    if "</think>" in text and "<think>" not in text:
        text = "<think>" + text  # the chat template opened the thought
    elif reply.reasoning and "<think>" not in text:
        text = f"<think>{_bare(reply.reasoning)}</think>{text}"
    elif protocol == "tools" and "<think>" not in text:
        head, tag, rest = text.partition("<answer>")
        if tag and head.strip():
            text = f"<think>{head.strip()}</think>{tag}{rest}"
    return [text]


def _bare(thought: str) -> str:
    return thought.replace("<think>", "").replace("</think>", "").strip()


def _call(call: CallRequest, tool: ToolSettings) -> str:
    try:
        arguments: Any = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return f"<tool_call>{call.arguments}</tool_call>"
    action = next((a for a in tool_actions(tool) if a.name == call.name), None)
    if action is not None and isinstance(arguments, dict):
        named = _named(action, arguments, tool.unit)
        if named is not None:
            return render_action(action, named, tool.form, tool.unit)
    form = tool.form
    if form is ProtocolForm.PAPER and isinstance(arguments, dict):
        body = {"action": call.name, **arguments}
    else:
        body = {"name": call.name, "arguments": arguments}
    return f"<tool_call>{json.dumps(body, ensure_ascii=False)}</tool_call>"


def _named(action: Action, arguments: dict[str, Any], unit: WindowUnit) -> dict[str, Any] | None:
    """Return native arguments with a window under its argument's name; None when they do not fit."""
    window = action.window
    if window is None:
        return arguments
    seconds = unit is WindowUnit.SECONDS
    names = ("start_seconds", "end_seconds") if seconds else ("start_frame", "end_frame")
    kinds = (int, float) if seconds else (int,)
    ends = [arguments.get(name) for name in names]
    known = {*names, *(argument.name for argument in action.arguments)}
    if set(arguments) - known or any(type(end) not in kinds for end in ends):
        return None
    rest = {name: value for name, value in arguments.items() if name not in names}
    return {**rest, window.name: ends}
