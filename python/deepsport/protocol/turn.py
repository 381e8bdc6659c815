"""Read turns: parse_turn for one, parse_batch for many, final_answer for a whole transcript."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from deepsport._core import protocol as _core
from deepsport.errors import SettingsError
from deepsport.protocol.action import CHOOSE_FRAMES, Action, WindowUnit, core_actions
from deepsport.protocol.reason import Reason
from deepsport.protocol.render import ProtocolForm

__all__ = ["ParsedTurn", "ToolCall", "TurnArrays", "final_answer", "parse_batch", "parse_turn"]

MAX_TURN_BYTES = 1 << 20
_CHOOSE_FRAMES: tuple[str | Action, ...] = (CHOOSE_FRAMES,)


@dataclass(frozen=True)
class ToolCall:
    """A tool call: the action's name and its arguments as the model wrote them.

    Attributes
    ----------
    name : str
    arguments : dict
        Parsed JSON; in the paper's form everything beside ``"action"``.
    """

    name: str
    arguments: dict[str, Any]

    @property
    def frame_range(self) -> tuple[int, int]:
        """``(start, end)`` in frames of a call that takes a window, in either form.

        Raises
        ------
        SettingsError
            A call without a window, or with one in seconds.
        """
        if "frame_range" in self.arguments:
            return cast("tuple[int, int]", tuple(self.arguments["frame_range"]))
        if "start_frame" in self.arguments and "end_frame" in self.arguments:
            return self.arguments["start_frame"], self.arguments["end_frame"]
        raise SettingsError(f"frame_range of a {self.name!r} call: it holds no window in frames")

    @property
    def time_range(self) -> tuple[float, float]:
        """``(start, end)`` in seconds of a call that takes a window, in either form.

        Raises
        ------
        SettingsError
            A call without a window, or with one in frames.
        """
        if "time_range" in self.arguments:
            start, end = self.arguments["time_range"]
        elif "start_seconds" in self.arguments and "end_seconds" in self.arguments:
            start, end = self.arguments["start_seconds"], self.arguments["end_seconds"]
        else:
            raise SettingsError(
                f"time_range of a {self.name!r} call: it holds no window in seconds"
            )
        return float(start), float(end)


@dataclass(frozen=True)
class ParsedTurn:
    """What one assistant turn says.

    Attributes
    ----------
    think : str or None
        Between the tags, as written; None when there is no closed thought.
    call : ToolCall or None
        Set exactly when the turn is a valid tool call.
    answer : str or None
        Without surrounding ASCII white space; set exactly when the turn is a valid answer.
    reason : Reason
        OK, or the first thing that is wrong.
    message : str
        What to tell the model: what was found and what would be valid. Empty when OK.
    """

    think: str | None
    call: ToolCall | None
    answer: str | None
    reason: Reason
    message: str

    @property
    def ok(self) -> bool:
        """Whether the turn is a thought and exactly one valid action."""
        return self.reason is Reason.OK


def parse_turn(
    text: str | bytes,
    form: ProtocolForm = ProtocolForm.PAPER,
    *,
    require_think: bool = True,
    actions: Collection[str | Action] = _CHOOSE_FRAMES,
    unit: WindowUnit = WindowUnit.FRAMES,
) -> ParsedTurn:
    """Parse one assistant turn; bad text is a reason, never an exception.

    Parameters
    ----------
    text : str or bytes
        One turn, without the chat template's own tokens (``<|im_end|>``). A template that opens the
        thought itself (``<think>`` in the generation prompt) needs the tag put back first.
    form : ProtocolForm
        How tool calls are written.
    require_think : bool
        False: the thought may be absent, and then free text may stand before the action (untrained
        models answer so). A thought may always be empty.
    actions : collection of str or Action
        The tools that exist. Of an `Action` the arguments are checked; of a name only for
        `choose_frames`, those of others are for their tool to check.
    unit : WindowUnit
        How windows are written.

    Examples
    --------
    >>> turn = parse_turn(
    ...     "<think>The serve is early.</think>"
    ...     '<tool_call>{"action":"choose_frames","frame_range":[30,90]}</tool_call>'
    ... )
    >>> turn.ok, turn.call.frame_range
    (True, (30, 90))
    """
    reason, think, name, arguments, answer, message = _core.parse_turn(
        text,
        ProtocolForm(form),
        require_think,
        core_actions(actions, form, unit),
        MAX_TURN_BYTES,
        WindowUnit(unit),
    )
    call = ToolCall(name, arguments) if name is not None and arguments is not None else None
    return ParsedTurn(think, call, answer, Reason(reason), message)


@dataclass(frozen=True)
class TurnArrays:
    """Parsed turns as arrays of n rows; -1 where a turn has no such thing.

    Attributes
    ----------
    reason : int32, (n,)
        See Reason.
    action : int8, (n,)
        0 none, 1 tool call, 2 answer.
    frame_range : int64, (n, 2)
        Window of a call that takes one in frames.
    think, answer : int64, (n, 2)
        Byte offsets [begin, end) into the turn's UTF-8 text.
    """

    reason: NDArray[np.int32]
    action: NDArray[np.int8]
    frame_range: NDArray[np.int64]
    think: NDArray[np.int64]
    answer: NDArray[np.int64]

    @property
    def ok(self) -> NDArray[np.bool_]:
        """bool, (n,): which turns are valid."""
        return self.reason == 0


def parse_batch(
    texts: Sequence[str | bytes],
    form: ProtocolForm = ProtocolForm.PAPER,
    *,
    require_think: bool = True,
    actions: Collection[str | Action] = _CHOOSE_FRAMES,
    unit: WindowUnit = WindowUnit.FRAMES,
    threads: int = 1,
) -> TurnArrays:
    """Parse many turns with the GIL released; see parse_turn for the parameters.

    `threads` is the number of threads that work, the caller's among them.
    """
    if threads < 1:
        raise SettingsError(f"parse_batch on {threads} threads: valid is 1 or more")
    columns = _core.parse_batch(
        texts,
        ProtocolForm(form),
        require_think,
        core_actions(actions, form, unit),
        MAX_TURN_BYTES,
        WindowUnit(unit),
        threads,
    )
    return TurnArrays(*columns)


def final_answer(text: str | bytes) -> str | None:
    """Find the last closed ``<answer>`` of a transcript, stripped; None when there is none.

    What stands inside a closed thought is no answer: the search begins after the last
    ``</think>``. More forgiving than parse_turn on purpose: for measuring what a model meant,
    not whether it kept to the protocol.
    """
    return _core.final_answer(text)
