"""What a tool call may hold: one description for parser, prompt and function schemas.

A tool declares an `Action`; nobody checks arguments by hand.
"""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from deepsport.errors import SettingsError
from deepsport.protocol.render import ProtocolForm

__all__ = [
    "CHOOSE_FRAMES",
    "Action",
    "Argument",
    "ArgumentKind",
    "WindowUnit",
    "core_actions",
    "render_action",
]


class WindowUnit(enum.IntEnum):
    """How a window is written: by two frame numbers or by two times in seconds."""

    FRAMES = 0
    SECONDS = 1


class ArgumentKind(enum.IntEnum):
    """What an argument must be; the numbers of ``deepsport::protocol::ArgumentKind``."""

    INTEGER = 0
    NUMBER = 1
    TEXT = 2
    INTEGERS = 3
    NUMBERS = 4
    WINDOW = 5
    """``frame_range`` or ``start_frame`` and ``end_frame``; in seconds ``time_range`` or
    ``start_seconds`` and ``end_seconds``."""


_JSON_TYPES: dict[ArgumentKind, dict[str, Any]] = {
    ArgumentKind.INTEGER: {"type": "integer"},
    ArgumentKind.NUMBER: {"type": "number"},
    ArgumentKind.TEXT: {"type": "string"},
    ArgumentKind.INTEGERS: {"type": "array", "items": {"type": "integer"}},
    ArgumentKind.NUMBERS: {"type": "array", "items": {"type": "number"}},
}
_WINDOW_NAMES = {
    WindowUnit.FRAMES: ("start_frame", "end_frame"),
    WindowUnit.SECONDS: ("start_seconds", "end_seconds"),
}
_RANGE_NAMES = {WindowUnit.FRAMES: "frame_range", WindowUnit.SECONDS: "time_range"}


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an action.

    Attributes
    ----------
    name : str
    kind : ArgumentKind
    description : str
        For function schemas.
    least, most : int or None
        How many members a list has; None: no upper bound.
    required : bool
    """

    name: str
    kind: ArgumentKind
    description: str = ""
    least: int = 1
    most: int | None = None
    required: bool = True


@dataclass(frozen=True, slots=True)
class Action:
    """A tool as a model sees it.

    Attributes
    ----------
    name : str
        As it is written in a call: a letter, then letters, digits and ``_``.
    description : str
        What it does, in one sentence.
    arguments : tuple of Argument
    example : mapping
        Arguments of a call, by name; a window under its argument's name as ``[start, end]``.

    Raises
    ------
    SettingsError
        A name that cannot be written in a call, or two arguments of one name.
    """

    name: str
    description: str = ""
    arguments: tuple[Argument, ...] = ()
    example: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (self.name.isascii() and self.name.isidentifier()):
            raise SettingsError(
                f"action {self.name!r}: valid is a letter, then letters, digits and _"
            )
        names = [argument.name for argument in self.arguments]
        if len(set(names)) < len(names) or "action" in names:
            raise SettingsError(
                f"action {self.name!r} has arguments {names}; valid are different names, none of "
                "them 'action'"
            )

    @property
    def window(self) -> Argument | None:
        """The argument that is a window, if there is one."""
        return next((a for a in self.arguments if a.kind is ArgumentKind.WINDOW), None)

    def json_schema(self, unit: WindowUnit = WindowUnit.FRAMES) -> dict[str, Any]:
        """Return the action as an OpenAI function schema."""
        properties: dict[str, Any] = {}
        required = []
        for argument in self.arguments:
            if argument.kind is ArgumentKind.WINDOW:
                entries = _window_schema(unit)
            else:
                entry = dict(_JSON_TYPES[argument.kind])
                if "items" in entry:
                    entry["minItems"] = argument.least
                    if argument.most is not None:
                        entry["maxItems"] = argument.most
                if argument.description:
                    entry["description"] = argument.description
                entries = {argument.name: entry}
            properties |= entries
            if argument.required:
                required += list(entries)
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": {"type": "object", "properties": properties, "required": required},
            },
        }

    def call_example(self, form: ProtocolForm, unit: WindowUnit = WindowUnit.FRAMES) -> str:
        """Return a call as the model should write it."""
        arguments = dict(self.example)
        window = self.window
        if window is not None and unit is WindowUnit.SECONDS:
            arguments[window.name] = [4.0, 6.0]
        return render_action(self, arguments, form, unit)


def _window_schema(unit: WindowUnit) -> dict[str, Any]:
    if unit is WindowUnit.SECONDS:
        kind: dict[str, Any] = {"type": "number", "minimum": 0}
        words = ("second at which the window starts", "second at which it ends")
    else:
        kind = {"type": "integer", "minimum": 0}
        words = ("first frame index of the window", "last frame index of the window")
    return {
        name: {**kind, "description": text}
        for name, text in zip(_WINDOW_NAMES[unit], words, strict=True)
    }


#: The paper's action.
CHOOSE_FRAMES = Action(
    "choose_frames",
    "Show frames of the video between two frame indices.",
    (Argument("frame_range", ArgumentKind.WINDOW),),
    {"frame_range": [120, 180]},
)


def render_action(
    action: Action,
    arguments: Mapping[str, Any],
    form: ProtocolForm = ProtocolForm.PAPER,
    unit: WindowUnit = WindowUnit.FRAMES,
) -> str:
    """Write a call of any action, the inverse of the parser.

    Parameters
    ----------
    action : Action
    arguments : mapping
        By name; a window under its argument's name as ``[start, end]``.
    form : ProtocolForm
    unit : WindowUnit

    Examples
    --------
    >>> render_action(CHOOSE_FRAMES, {"frame_range": [120, 240]})
    '<tool_call>{"action":"choose_frames","frame_range":[120,240]}</tool_call>'
    """
    body = dict(arguments)
    window = action.window
    if window is not None and window.name in body:
        start, end = body.pop(window.name)
        if form is ProtocolForm.PAPER:
            body = {_RANGE_NAMES[unit]: [start, end], **body}
        else:
            body = {**dict(zip(_WINDOW_NAMES[unit], (start, end), strict=True)), **body}
    if form is ProtocolForm.PAPER:
        text = json.dumps({"action": action.name, **body}, separators=(",", ":"))
        return f"<tool_call>{text}</tool_call>"
    text = json.dumps({"name": action.name, "arguments": body})
    return f"<tool_call>\n{text}\n</tool_call>"


def core_actions(
    actions: Collection[str | Action], form: ProtocolForm, unit: WindowUnit
) -> list[tuple[str, list[tuple[str, int, int, int, bool]], str]]:
    """Flatten actions for the core; a name alone is an action whose arguments are not checked."""
    rows: list[tuple[str, list[tuple[str, int, int, int, bool]], str]] = []
    for action in actions:
        if isinstance(action, str):
            if action != CHOOSE_FRAMES.name:
                rows.append((action, [], ""))
                continue
            action = CHOOSE_FRAMES
        arguments = [
            (a.name, int(a.kind), a.least, sys.maxsize if a.most is None else a.most, a.required)
            for a in action.arguments
        ]
        example = "" if action == CHOOSE_FRAMES else action.call_example(form, unit)
        rows.append((action.name, arguments, example))
    return rows
