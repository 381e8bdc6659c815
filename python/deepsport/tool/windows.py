"""Windows that calls ask for, in frames or in seconds: judged, cut to the video and to the budget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deepsport.protocol import Reason, ToolCall, WindowUnit, check_window
from deepsport.tool.interface import Finding, Scene

__all__ = ["AskedWindows", "window_text"]


@dataclass(frozen=True, slots=True)
class _Opened:
    window: tuple[int, int]
    notes: tuple[str, ...]


class AskedWindows:
    """The windows one tool has been asked for in one rollout.

    Parameters
    ----------
    whole_is_repeated : bool
        The first frames cover the whole video already, so that asking for all of it repeats them.
    """

    def __init__(self, *, whole_is_repeated: bool) -> None:
        self._earlier: list[tuple[int, int]] = []
        self._whole_is_repeated = whole_is_repeated

    def open(self, call: ToolCall, scene: Scene) -> _Opened | Finding:
        """Return the window to show with notes on what was cut, or the refusal."""
        in_seconds = scene.settings.unit is WindowUnit.SECONDS
        asked = _in_frames(call.time_range, scene) if in_seconds else call.frame_range
        verdict = check_window(
            asked, scene.frame_count, self._earlier, full_range_shown=self._whole_is_repeated
        )
        if not verdict.ok:
            message = verdict.message
            if in_seconds:
                message = _refusal_in_seconds(verdict.reason, call.time_range, scene)
            return Finding(message, verdict=verdict.reason)
        self._earlier.append(asked)
        begin, stop = verdict.window
        notes = []
        if verdict.clamped:
            notes.append(
                f"The window ended behind the video and was cut to {window_text((begin, stop), scene)}."
            )
        limit = scene.settings.max_window_frames
        if limit is not None and stop - begin > limit:
            middle = (begin + stop) // 2
            begin = max(0, middle - limit // 2)
            stop = min(scene.frame_count, begin + limit)
            notes.append(
                f"The range was wider than {limit} frames and has been narrowed around its middle."
            )
        return _Opened((begin, stop), tuple(notes))


def _in_frames(asked: tuple[float, float], scene: Scene) -> tuple[int, int]:
    """Translate ``[start, end)`` in seconds: from the frame on screen at start to those before end.

    What lies outside of the video stays outside, for `check_window` to say so.
    """
    start, end = asked
    if start > end:
        return 1, 0
    if start < 0 or start >= max(scene.duration_seconds, float(scene.pts_seconds[-1]) + 1e-9):
        return scene.frame_count, scene.frame_count + 1
    if start == end:
        return 0, 0
    stop = int(np.searchsorted(scene.pts_seconds, end, "left"))
    if end > max(scene.duration_seconds, float(scene.pts_seconds[-1])) + 1e-6:
        stop = scene.frame_count + 1  # is cut to the video, and said
    first = scene.frame_at(start)
    return first, max(stop, first + 1)


def _refusal_in_seconds(reason: Reason, asked: tuple[float, float], scene: Scene) -> str:
    window = f"The window {asked[0]:g} s to {asked[1]:g} s"
    found = {
        Reason.WINDOW_REVERSED: "ends before it starts.",
        Reason.WINDOW_EMPTY: "holds no time.",
        Reason.WINDOW_OUTSIDE: "is outside of the video, which lasts "
        f"{scene.duration_seconds:.2f} s.",
        Reason.WINDOW_REPEATED: "was shown before: asking again shows the same frames.",
        Reason.WINDOW_FULL_RANGE: "is the whole video, which the first frames already cover.",
    }.get(reason, "cannot be shown.")
    return (
        f"{window} {found} Valid: two times in seconds start < end within 0 to "
        f"{scene.duration_seconds:.2f} that differ from every earlier window."
    )


def window_text(window: tuple[int, int], scene: Scene) -> str:
    """Write a window ``[start, stop)`` of frames in the unit that the model speaks."""
    begin, stop = window
    if scene.settings.unit is WindowUnit.FRAMES:
        return f"[{begin}, {stop}]"
    end = scene.duration_seconds if stop >= scene.frame_count else float(scene.pts_seconds[stop])
    return f"{float(scene.pts_seconds[begin]):.2f} s to {end:.2f} s"
