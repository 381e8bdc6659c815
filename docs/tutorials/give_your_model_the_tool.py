"""# Give your model the tool

Let a chat model look for itself: it is given function schemas, its calls are answered with frames. Any
server that speaks the chat completions protocol will do; here a stand-in plays the model, so that this
page can be run anywhere.

    python give_your_model_the_tool.py FOLDER_WITH_VIDEOS
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from deepsport.integrations.budget import Budget
from deepsport.integrations.frame_service import FrameService
from deepsport.integrations.openai_tools import answer_tool_calls, tool_schemas

# What the model may see: files below this folder, and so many frames.
folder = Path(sys.argv[1])
service = FrameService([folder], Budget(frames_per_call=8, frames_per_session=64))
clip = next(path.name for path in sorted(folder.iterdir()) if path.suffix == ".mp4")


# With a real model: client.chat.completions.create(model=..., messages=messages, tools=tools)
def model(messages, tools):
    """Ask for the facts, then for a window, then answer: what a model does in three turns."""
    assert {tool["function"]["name"] for tool in tools} >= {"video_info", "choose_frames"}
    answered = [message for message in messages if message["role"] == "tool"]
    if not answered:
        call = ("video_info", {"video": clip})
    elif len(answered) == 1:
        last = json.loads(answered[0]["content"])["frame_count"]
        window = {"start_frame": last // 2, "end_frame": last, "num_frames": 4}
        call = ("choose_frames", {"video": clip, **window})
    else:
        return {"role": "assistant", "content": "The second half shows it."}
    function = {"name": call[0], "arguments": json.dumps(call[1])}
    calls = [{"id": f"call-{len(answered)}", "type": "function", "function": function}]
    return {"role": "assistant", "content": None, "tool_calls": calls}


messages = [{"role": "user", "content": f"What happens at the end of {clip}?"}]
while True:
    message = model(messages, tools=tool_schemas())
    messages.append(message)
    if not message.get("tool_calls"):
        break
    messages += answer_tool_calls(service, message["tool_calls"], session="this conversation")

# The frames came back as images, each after its label; what is left of the budget is known.
pictures = [part for m in messages if m["role"] == "user" and isinstance(m["content"], list)
            for part in m["content"] if part["type"] == "image_url"]  # fmt: skip
print(messages[-1]["content"])
print(
    len(pictures), "frames seen;", service.ledger.left("this conversation"), "calls and frames left"
)

# Agents that speak MCP need no code at all:  deepsport mcp --root FOLDER
