"""Settings of the frame tool and of the conversation around it, with their sources."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from deepsport.errors import SettingsError
from deepsport.protocol import ProtocolForm

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
        Tool calls allowed; 5 in the lineage (six turns, the last an answer).
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
    style : {"full", "compact"}
        Length of the instructions; the compact one is for tiny models with tiny contexts.
    """

    first_frames: int = 8
    frames_per_call: int = 8
    max_calls: int = 5
    max_window_frames: int | None = None
    max_width: int = 640
    max_height: int = 360
    form: ProtocolForm = ProtocolForm.PAPER
    require_think: bool = True
    forgive_malformed: int = 1
    show_seconds: bool = False
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
        if self.style not in ("full", "compact"):
            raise SettingsError(f"style is {self.style!r}, valid are 'full' and 'compact'")

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return {**dataclasses.asdict(self), "form": self.form.name.lower()}

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
        if "form" in values:
            names = {form.name.lower(): form for form in ProtocolForm}
            if values["form"] not in names:
                raise SettingsError(f"form is {values['form']!r}, valid are {sorted(names)}")
            values["form"] = names[values["form"]]
        return cls(**values)
