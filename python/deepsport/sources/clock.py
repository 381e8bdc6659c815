"""Times as sources write them, as seconds; the native value stays with the task.

Not for what a video's clock says (`deepsport.video`): these are readings of annotation files.
"""

from __future__ import annotations

import math
import re
from typing import Any

from deepsport.sources.interface import Rejected
from deepsport.task import Native

__all__ = ["Fps", "clock_seconds", "half_and_seconds", "number"]

_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{2}(?:\.\d+)?)")
_HALF = re.compile(r"\s*(\d)\s*-\s*(\S+)\s*")


def number(value: Any, what: str) -> float:
    """Return a finite number from a number or its text.

    Raises
    ------
    Rejected
    """
    try:
        result = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        result = math.nan
    if not math.isfinite(result):
        raise Rejected(f"{what} is not a number", f"{value!r:.60}")
    return result


def clock_seconds(text: Any) -> float:
    """Return seconds of ``"MM:SS"``, ``"HH:MM:SS"`` or ``"HH:MM:SS.mmm"``.

    Raises
    ------
    Rejected
    """
    found = _CLOCK.fullmatch(text.strip()) if isinstance(text, str) else None
    if not found or float(found[3]) >= 60:
        raise Rejected("clock time cannot be read", f"{text!r:.60}, valid are MM:SS and HH:MM:SS")
    return int(found[1] or 0) * 3600.0 + int(found[2]) * 60.0 + float(found[3])


def half_and_seconds(text: Any) -> tuple[int, float]:
    """Return ``(half, seconds in the half)`` of SoccerNet's ``"1 - 12:34"``.

    Raises
    ------
    Rejected
    """
    found = _HALF.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise Rejected("game time cannot be read", f"{text!r:.60}, valid is '1 - 12:34'")
    return int(found[1]), clock_seconds(found[2])


class Fps:
    """A frame rate to turn frames into seconds with, and whether the source stated it.

    Parameters
    ----------
    stated : object
        What the source says; -1, 0 and nonsense count as not stated.
    assumed : float
        Used then.
    """

    def __init__(self, stated: Any, assumed: float) -> None:
        try:
            value = float(stated)
        except (TypeError, ValueError):
            value = 0.0
        self.assumed = not (math.isfinite(value) and 1.0 <= value <= 1000.0)
        self.value = assumed if self.assumed else value

    def seconds(self, frame: Any) -> float:
        """Return the time of a 0-based frame index."""
        return number(frame, "frame") / self.value

    def native(self, *frames: float) -> Native:
        """Return the frames with what they were converted by."""
        return Native(tuple(float(f) for f in frames), "frame", self.value, self.assumed)
