"""The text protocol between model and frame tool: one turn is a thought, then exactly one action.

One parser, in C++, for rollout, reward, distillation and evaluation alike. See docs/protocol.md.
"""

from __future__ import annotations

from deepsport.protocol.action import (
    CHOOSE_FRAMES,
    Action,
    Argument,
    ArgumentKind,
    WindowUnit,
    render_action,
)
from deepsport.protocol.reason import Reason
from deepsport.protocol.render import ProtocolForm, render_answer, render_call, render_turn
from deepsport.protocol.turn import (
    ParsedTurn,
    ToolCall,
    TurnArrays,
    final_answer,
    parse_batch,
    parse_turn,
)
from deepsport.protocol.window import (
    WindowVerdict,
    check_window,
    uniform_indices,
    window_indices,
)

__all__ = [
    "CHOOSE_FRAMES",
    "Action",
    "Argument",
    "ArgumentKind",
    "ParsedTurn",
    "ProtocolForm",
    "Reason",
    "ToolCall",
    "TurnArrays",
    "WindowUnit",
    "WindowVerdict",
    "check_window",
    "final_answer",
    "parse_batch",
    "parse_turn",
    "render_action",
    "render_answer",
    "render_call",
    "render_turn",
    "uniform_indices",
    "window_indices",
]
