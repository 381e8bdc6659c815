"""What an attempt looked at, against where the answer can be seen: hits, overlap, frames.

All times are seconds of the first video, spans half open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deepsport.evaluate.interval import span_iou
from deepsport.task import Span
from deepsport.trajectory import Trajectory

__all__ = ["Look", "look"]


@dataclass(frozen=True, slots=True)
class Look:
    """What one attempt looked at.

    Attributes
    ----------
    calls : int
        Tool calls made, refused ones among them.
    rejected, repeated : int
        Calls that were refused, and those refused because the window had been asked for before.
    frames : int
        Frames shown, the first ones among them, repetitions counted.
    distinct_frames : int
    hit : bool or None
        A requested window overlaps the evidence; None when no evidence is known.
    first_hit : bool or None
        The first window that was shown does.
    seen : bool or None
        A frame inside the evidence was shown, in the first frames or later.
    seen_at_start : bool or None
        One of the first frames, shown before any call, lies inside the evidence.
    tiou : float or None
        Best overlap of one window with the evidence; 0 without a window.
    frames_to_hit : int or None
        Frames shown until one lay inside the evidence, that one counted; None if none did.
    """

    calls: int
    rejected: int
    repeated: int
    frames: int
    distinct_frames: int
    hit: bool | None = None
    first_hit: bool | None = None
    seen: bool | None = None
    seen_at_start: bool | None = None
    tiou: float | None = None
    frames_to_hit: int | None = None


def look(
    trajectory: Trajectory,
    windows_seconds: Sequence[tuple[float, float]],
    evidence: Sequence[Span],
) -> Look:
    """Measure what an attempt looked at.

    Parameters
    ----------
    trajectory : Trajectory
    windows_seconds : sequence of (float, float)
        The windows of ``trajectory.windows`` in seconds.
    evidence : sequence of Span
        Where the answer can be seen; empty when nobody knows.
    """
    shown = trajectory.frames_shown
    calls = trajectory.calls
    counts: dict[str, Any] = {
        "calls": len(calls),
        "rejected": sum(bool(call.rejected) for call in calls),
        "repeated": sum(call.repeated for call in calls),
        "frames": len(shown),
        "distinct_frames": len({(frame.media, frame.index) for frame in shown}),
    }
    if not evidence:
        return Look(**counts)
    spans = [(span.start_seconds, span.stop_seconds) for span in evidence]
    hits = [any(_overlap(window, span) for span in spans) for window in windows_seconds]
    inside = [
        any(start <= frame.pts_seconds < max(stop, start + 1e-9) for start, stop in spans)
        for frame in shown
    ]
    at_start = sum(len(turn.frames) for turn in trajectory.turns if turn.role == "user")
    return Look(
        **counts,
        hit=any(hits),
        first_hit=bool(hits) and hits[0],
        seen=any(inside),
        seen_at_start=any(inside[:at_start]),
        tiou=max((span_iou([window], spans) for window in windows_seconds), default=0.0),
        frames_to_hit=inside.index(True) + 1 if any(inside) else None,
    )


def _overlap(window: tuple[float, float], span: tuple[float, float]) -> bool:
    """Say whether they share time; an event of no length counts as a moment."""
    if span[0] == span[1]:
        return window[0] <= span[0] < window[1]
    return max(window[0], span[0]) < min(window[1], span[1])
