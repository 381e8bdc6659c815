"""What an endpoint replied, written as turns of the student's protocol.

A native tool call becomes the text the student will write; what cannot be written so is written as
it came, so that the parser rejects it with its own reason.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from deepsport.distil.request import CallRequest, Completion
from deepsport.protocol import ProtocolForm, render_call
from deepsport.tool import ToolSettings

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
            texts.append((f"<think>{words}</think>" if words else "") + _call(call, tool.form))
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


def _call(call: CallRequest, form: ProtocolForm) -> str:
    try:
        arguments: Any = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return f"<tool_call>{call.arguments}</tool_call>"
    if call.name == "choose_frames" and isinstance(arguments, dict):
        start, end = arguments.get("start_frame"), arguments.get("end_frame")
        if type(start) is int and type(end) is int and len(arguments) == 2:
            return render_call((start, end), form)
    if form is ProtocolForm.PAPER and isinstance(arguments, dict):
        body = {"action": call.name, **arguments}
    else:
        body = {"name": call.name, "arguments": arguments}
    return f"<tool_call>{json.dumps(body, ensure_ascii=False)}</tool_call>"
