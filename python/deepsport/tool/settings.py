"""Settings of the frame tool and of the conversation around it, with their sources."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from deepsport.errors import SettingsError
from deepsport.protocol import ProtocolForm, WindowUnit

__all__ = ["ToolSettings"]


@dataclass(frozen=True, slots=True)
class ToolSettings:
    """What the model may see and how it is told.

    Attributes
    ----------
    first_frames : int
        Uniform frames shown before the first turn; 8 in the paper (DeepSport v1).
    frames_per_call : int
        Frames a call returns; 8 in the code lineage of the paper (VideoBrain).
    max_calls : int
        Tool calls allowed, of all tools together; 5 in the lineage (six turns, the last an answer).
    max_frames : int or None
        Frames that calls may show, all together; a call that would show more shows fewer, spread
        over the same window, and the model is told.
    max_window_frames : int or None
        Wider windows are narrowed around their middle and the model is told: refusing them makes
        reinforcement learning abandon the tool, allowing them invites windows that span everything.
    max_width, max_height : int
        Frames are fitted inside, aspect kept, never scaled up; 640 by 360 in the paper.
    form : ProtocolForm
        How a call is written: the paper's own tags or the native form of Qwen chat templates.
    require_think : bool
        Whether a turn must begin with ``<think>``.
    forgive_malformed : int
        Malformed turns answered with an explanation before the rollout ends as malformed.
    show_seconds : bool
        Label frames with their time beside their index.
    unit : WindowUnit
        Whether windows are asked for in frames or in seconds; in seconds frames are labelled with
        their time whatever `show_seconds` says.
    tools : tuple of str
        Names of the tools that exist, see `deepsport.tool.registry`.
    tool_options : mapping
        Options of tools by name, plain JSON.
    style : {"full", "compact"}
        Length of the instructions; the compact one is for tiny models with tiny contexts.
    """

    first_frames: int = 8
    frames_per_call: int = 8
    max_calls: int = 5
    max_frames: int | None = None
    max_window_frames: int | None = None
    max_width: int = 640
    max_height: int = 360
    form: ProtocolForm = ProtocolForm.PAPER
    require_think: bool = True
    forgive_malformed: int = 1
    show_seconds: bool = False
    unit: WindowUnit = WindowUnit.FRAMES
    tools: tuple[str, ...] = ("choose_frames",)
    tool_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    style: Literal["full", "compact"] = "full"

    def __post_init__(self) -> None:
        for name, low in (
            ("first_frames", 0),
            ("frames_per_call", 1),
            ("max_calls", 0),
            ("max_width", 1),
            ("max_height", 1),
            ("forgive_malformed", 0),
        ):
            if getattr(self, name) < low:
                raise SettingsError(f"{name} is {getattr(self, name)}, valid is {low} or more")
        if self.max_window_frames is not None and self.max_window_frames < 2:
            raise SettingsError(
                f"max_window_frames is {self.max_window_frames}, valid is 2 or more, or None"
            )
        if self.max_frames is not None and self.max_frames < 1:
            raise SettingsError(f"max_frames is {self.max_frames}, valid is 1 or more, or None")
        if not self.tools or len(set(self.tools)) < len(self.tools):
            raise SettingsError(
                f"tools are {self.tools}, valid are one or more, each once; max_calls=0 forbids all"
            )
        idle = sorted(set(self.tool_options) - set(self.tools))
        if idle:
            raise SettingsError(f"tool_options of {idle}, which are not among tools {self.tools}")
        if self.style not in ("full", "compact"):
            raise SettingsError(f"style is {self.style!r}, valid are 'full' and 'compact'")

    @property
    def labels_seconds(self) -> bool:
        """Whether frames are labelled with their time."""
        return self.show_seconds or self.unit is WindowUnit.SECONDS

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        record = dataclasses.asdict(self)
        return {
            **record,
            "form": self.form.name.lower(),
            "unit": self.unit.name.lower(),
            "tools": list(self.tools),
            "tool_options": {name: dict(options) for name, options in self.tool_options.items()},
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> ToolSettings:
        """Read settings written by :meth:`to_json`.

        Raises
        ------
        SettingsError
            When a setting is unknown or has a value that cannot work.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(set(record) - known)
        if unknown:
            raise SettingsError(f"unknown tool settings {unknown}, valid are {sorted(known)}")
        values = dict(record)
        for name, kind in (("form", ProtocolForm), ("unit", WindowUnit)):
            if name in values:
                names = {member.name.lower(): member for member in kind}
                if values[name] not in names:
                    raise SettingsError(f"{name} is {values[name]!r}, valid are {sorted(names)}")
                values[name] = names[values[name]]
        if "tools" in values:
            values["tools"] = tuple(values["tools"])
        return cls(**values)
