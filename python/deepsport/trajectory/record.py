"""Records of one rollout: turns, tool calls, frames shown, and how it ended.

Pixels are never stored: a frame is its index in the video and can be decoded again exactly.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from deepsport.errors import RecordFormatError

__all__ = [
    "IMAGE_MARK",
    "TRAJECTORY_SCHEMA",
    "Box",
    "CallRecord",
    "Fault",
    "FrameRef",
    "Status",
    "Trajectory",
    "Turn",
]

TRAJECTORY_SCHEMA = "deepsport.trajectory/2"
_READ = ("deepsport.trajectory/1", TRAJECTORY_SCHEMA)
IMAGE_MARK = "<image>"  #: stands for one frame in the text of a user or tool turn

Role = Literal["system", "user", "assistant", "tool"]


class Status(StrEnum):
    """How a rollout ended. Only `FAULT` is not the policy's doing."""

    ANSWERED = "answered"
    MALFORMED = "malformed"  #: a turn broke the protocol and the rollout ended there
    BUDGET = "budget"  #: no answer within the allowed turns
    TRUNCATED = "truncated"  #: the token limit cut a turn off
    FAULT = "fault"  #: decode, network or time-out; see `Trajectory.fault`


@dataclass(frozen=True, slots=True)
class Box:
    """Something found in a frame, as it was drawn on it.

    Attributes
    ----------
    label : str
    left, top, right, bottom : int
        In thousandths of the whole frame's width and height.
    """

    label: str
    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class FrameRef:
    """One frame shown: its pixels follow from the video and from what is written here.

    Attributes
    ----------
    index : int
        In display order.
    pts_seconds : float
        Time in the video.
    media : int
        Position of the video in the task's media.
    region : (int, int, int, int) or None
        Left, top, right, bottom of the part shown, in pixels of the video; None: all of it.
    boxes : tuple of Box
        Drawn on it.
    """

    index: int
    pts_seconds: float
    media: int = 0
    region: tuple[int, int, int, int] | None = None
    boxes: tuple[Box, ...] = ()

    @property
    def view(self) -> str:
        """What is shown of the frame, as text; empty for all of it and nothing drawn."""
        region = "" if self.region is None else f"#{','.join(map(str, self.region))}"
        boxes = (f"{b.label}:{b.left},{b.top},{b.right},{b.bottom}" for b in self.boxes)
        return region + "".join(f"+{box}" for box in boxes)

    def key(self, path: str) -> tuple[str, int, Any, Any]:
        """Return what work on the pixels may be cached under, given the path of the video."""
        return (path, self.index, self.region, self.boxes)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One tool call: what was asked, what the tool did, why it did not.

    Attributes
    ----------
    name : str
    arguments : mapping
        As the model wrote them.
    window : (int, int) or None
        Frames really searched, ``[start, stop)``, after clipping to budgets.
    rejected : str
        Why the tool refused, in the words the model was shown; empty when it ran.
    repeated : bool
        The same was asked for before, which the protocol counts as malformed.
    verdict : str
        Name of the `deepsport.protocol.Reason`, ``"ok"`` when it ran; empty in records of version
        1, which have none, and where a fault kept the tool from deciding.
    """

    name: str
    arguments: Mapping[str, Any]
    window: tuple[int, int] | None = None
    rejected: str = ""
    repeated: bool = False
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message. In user and tool turns every ``<image>`` of `text` stands for one of `frames`."""

    role: Role
    text: str
    frames: tuple[FrameRef, ...] = ()
    call: CallRecord | None = None

    def __post_init__(self) -> None:
        if self.role in ("user", "tool") and self.text.count(IMAGE_MARK) != len(self.frames):
            raise RecordFormatError(
                f"{self.role} turn has {self.text.count(IMAGE_MARK)} {IMAGE_MARK} marks "
                f"and {len(self.frames)} frames; the numbers must be equal"
            )


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure of the infrastructure, never charged to the policy."""

    kind: Literal["decode", "network", "judge", "timeout", "tool", "internal"]
    message: str


@dataclass(frozen=True, slots=True)
class Trajectory:
    """What one policy saw, said and did on one task.

    Attributes
    ----------
    task_id, task_hash : str
    policy : str
        Name and fingerprint of the model or teacher.
    attempt : int
        0, 1, ... when a task is played several times.
    turns : tuple of Turn
    status : Status
    answer : str or None
        Text of the ``<answer>``, unscored.
    fault : Fault or None
    reason : str
        Reason code of the parser when `status` is malformed.
    settings : mapping
        Tool, prompt and sampling settings that produced it.
    usage : mapping
        Tokens and seconds spent, by name.
    """

    task_id: str
    task_hash: str
    policy: str
    attempt: int
    turns: tuple[Turn, ...]
    status: Status
    answer: str | None = None
    fault: Fault | None = None
    reason: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    usage: Mapping[str, float] = field(default_factory=dict)

    @property
    def calls(self) -> tuple[CallRecord, ...]:
        """Every tool call, in order."""
        return tuple(turn.call for turn in self.turns if turn.call is not None)

    @property
    def windows(self) -> tuple[tuple[int, int], ...]:
        """Windows that were really looked at, frames ``[start, stop)``."""
        return tuple(c.window for c in self.calls if c.window is not None and not c.rejected)

    @property
    def frames_shown(self) -> tuple[FrameRef, ...]:
        """Every frame shown, in order, repetitions kept."""
        return tuple(frame for turn in self.turns for frame in turn.frames)

    @property
    def replies(self) -> tuple[str, ...]:
        """Texts of the assistant's turns."""
        return tuple(turn.text for turn in self.turns if turn.role == "assistant")

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return {"schema": TRAJECTORY_SCHEMA, **_plain(self)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Trajectory:
        """Read a record written by :meth:`to_json`.

        Raises
        ------
        RecordFormatError
            When the schema is another one, a field is missing, unknown or of the wrong type.
        """
        if not isinstance(record, Mapping) or record.get("schema") not in _READ:
            found = record.get("schema") if isinstance(record, Mapping) else type(record).__name__
            raise RecordFormatError(
                f"not a trajectory record: schema is {found!r}, valid are {', '.join(_READ)}"
            )
        values = {k: v for k, v in record.items() if k != "schema"}
        try:
            values["turns"] = tuple(_turn(turn) for turn in values["turns"])
            values["status"] = Status(values["status"])
            if values.get("fault") is not None:
                values["fault"] = Fault(**values["fault"])
            return cls(**values)
        except (KeyError, TypeError, ValueError) as error:
            name = record.get("task_id", "?")
            raise RecordFormatError(
                f"trajectory of task {name!r}: {type(error).__name__}: {error}"
            ) from error


_ATOMS = (str, int, float, bool, type(None))
_fields: dict[type, tuple[str, ...]] = {}


def _plain(value: Any) -> Any:
    """Return what `dataclasses.asdict` would; that takes most of the time of scoring a run again."""
    if isinstance(value, _ATOMS):
        return value
    kind = type(value)
    if kind is tuple or kind is list:
        return kind(_plain(part) for part in value)
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if kind not in _fields:
        if not dataclasses.is_dataclass(value):
            return copy.deepcopy(value)
        _fields[kind] = tuple(field.name for field in dataclasses.fields(value))
    return {name: _plain(getattr(value, name)) for name in _fields[kind]}


def _turn(record: Mapping[str, Any]) -> Turn:
    values = dict(record)
    values["frames"] = tuple(_frame(frame) for frame in values.get("frames", ()))
    call = values.get("call")
    if call is not None:
        call = dict(call)
        if call.get("window") is not None:
            start, stop = call["window"]
            call["window"] = (int(start), int(stop))
        values["call"] = CallRecord(**call)
    return Turn(**values)


def _frame(record: Mapping[str, Any]) -> FrameRef:
    values = dict(record)
    if values.get("region") is not None:
        left, top, right, bottom = (int(v) for v in values["region"])
        values["region"] = (left, top, right, bottom)
    values["boxes"] = tuple(Box(**box) for box in values.get("boxes", ()))
    return FrameRef(**values)
