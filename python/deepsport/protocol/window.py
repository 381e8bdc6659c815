"""Which windows a model may ask for, and which frames a window shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepsport._core import protocol as _core
from deepsport.errors import InvalidRequestError
from deepsport.protocol.reason import Reason

__all__ = ["WindowVerdict", "check_window", "uniform_indices", "window_indices"]

_FAR = 1 << 62  # beyond every video; keeps a model's huge integers inside 64 bits


@dataclass(frozen=True)
class WindowVerdict:
    """Whether a window may be shown.

    Attributes
    ----------
    reason : Reason
        OK, or one of the WINDOW_ reasons.
    window : (int, int)
        ``[start, end)`` to show, its end cut to the video. Of a rejected one, what was asked.
    clamped : bool
        The end lay behind the video and was cut.
    message : str
        What to tell the model; empty when there is nothing to tell.
    """

    reason: Reason
    window: tuple[int, int]
    clamped: bool
    message: str

    @property
    def ok(self) -> bool:
        """Whether the window may be shown."""
        return self.reason is Reason.OK

    @property
    def repeated(self) -> bool:
        """Whether it shows again what was shown: a format error in the paper."""
        return self.reason in (Reason.WINDOW_REPEATED, Reason.WINDOW_FULL_RANGE)


def check_window(
    frame_range: tuple[int, int],
    frame_count: int,
    earlier_windows: Sequence[tuple[int, int]] = (),
    *,
    min_span: int = 1,
    repeat_slack: int = 1,
    full_range_shown: bool = True,
) -> WindowVerdict:
    """Judge the window ``[start, end)`` against the video and the windows shown before.

    In this order: reversed (start > end), empty (start = end), outside (start not a frame of the
    video), shorter than `min_span`, a repetition (both ends within `repeat_slack` frames of an
    earlier window: a format error in the paper, arXiv 2511.12908 section 3), the whole video again.
    An end behind the video is cut to `frame_count` first. Source of the rules:
    junbo-zou/VideoBrain think_with_video.py, which also wants more than 8 frames (`min_span=9`).

    Parameters
    ----------
    frame_range : (int, int)
        As the model wrote it.
    frame_count : int
        Frames in the video.
    earlier_windows : sequence of (int, int)
        Windows accepted before, as asked or as cut to the video.
    full_range_shown : bool
        The initial frames cover the whole video, so asking for all of it repeats them
        (lcqysl/FrameThinker-RL forbids it too).

    Examples
    --------
    >>> check_window((90, 500), 300).window
    (90, 300)
    >>> check_window((91, 299), 300, [(90, 300)]).reason.name
    'WINDOW_REPEATED'
    """
    start, end = (max(-_FAR, min(_FAR, int(frame))) for frame in frame_range)
    reason, first, last, clamped, message = _core.check_window(
        start, end, frame_count, list(earlier_windows), min_span, repeat_slack, full_range_shown
    )
    return WindowVerdict(Reason(reason), (first, last), clamped, message)


def window_indices(start: int, end: int, num: int = 8) -> list[int]:
    """Choose the frames that show the window ``[start, end)``.

    ``sorted(set(int(x) for x in np.linspace(start + 1, end - 1, num)))``: the ends are left out
    because the model has usually seen them (junbo-zou/VideoBrain, FrameThinker). A window of one
    frame gives that frame; one of n + 1 frames with n <= num gives its n inner frames.

    Raises
    ------
    InvalidRequestError
        The window is empty or starts before 0, or `num` is below 1.
    """
    if not 0 <= start < end or num < 1:
        raise InvalidRequestError(
            f"{num} frames of window [{start}, {end}): valid are 0 <= start < end and num >= 1"
        )
    return _core.window_indices(start, end, num)


def uniform_indices(frame_count: int, num: int = 8) -> list[int]:
    """Choose the initial frames: ``int(np.linspace(0, frame_count - 1, num))``, each once.

    Raises
    ------
    InvalidRequestError
        The video has no frame, or `num` is below 1.
    """
    if frame_count < 1 or num < 1:
        raise InvalidRequestError(
            f"{num} uniform frames of {frame_count}: valid are frame_count >= 1 and num >= 1"
        )
    return _core.uniform_indices(frame_count, num)
