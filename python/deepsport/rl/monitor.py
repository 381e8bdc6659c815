"""What to watch while a policy learns to look: how it uses the tool, and two known ways to fail.

*Tool collapse*: the policy stops calling, because early calls cost more than they earned. *Wide
windows*: it asks for everything, because a wide net catches the event often enough.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from statistics import fmean

import numpy as np

from deepsport.rl.rollouts import Played
from deepsport.trajectory import Status

__all__ = ["Alarms", "rollout_statistics"]

_log = logging.getLogger(__name__)

#: share of the video above which a window chooses nothing
_WIDE_NET = 0.5


def rollout_statistics(played: Sequence[Played]) -> dict[str, float]:
    """Return shares and means over the rollouts that did not end in a fault.

    Returns
    -------
    dict of str to float
        ``calls`` tool calls an episode, ``called`` share with one or more, ``answered``,
        ``malformed``, ``truncated``, ``over_budget`` shares of endings, ``rejected`` share of
        calls refused, ``window_frames`` mean width and ``window_share`` its mean as a share of the
        video, ``window_hit`` share of episodes that
        looked and were shown a frame of the annotated event, ``frames`` shown an episode, ``faults``;
        ``window_frames_p10``, ``_p50`` and ``_p90`` of the widths and ``window_middle_p10``, ``_p50``
        and ``_p90`` of the windows' middles, as shares of the video; ``reply_tokens`` written and
        ``context_tokens`` in all, an episode. 0 where there is nothing to measure.
    """
    real = [p for p in played if not p.faulted]
    calls = [call for p in real for call in p.trajectory.calls]
    windows = [b - a for p in real for a, b in p.trajectory.windows]
    shares = [
        (b - a) / p.frame_count for p in real if p.frame_count for a, b in p.trajectory.windows
    ]
    located = [p for p in real if p.task.evidence and p.trajectory.windows]
    ends = [p.trajectory.status for p in real]

    def share(status: Status) -> float:
        return sum(end is status for end in ends) / max(1, len(ends))

    return {
        "calls": len(calls) / max(1, len(real)),
        "called": sum(bool(p.trajectory.calls) for p in real) / max(1, len(real)),
        "answered": share(Status.ANSWERED),
        "malformed": share(Status.MALFORMED),
        "truncated": share(Status.TRUNCATED),
        "over_budget": share(Status.BUDGET),
        "rejected": sum(bool(call.rejected) for call in calls) / max(1, len(calls)),
        "window_frames": fmean(windows) if windows else 0.0,
        "window_share": fmean(shares) if shares else 0.0,
        "window_hit": sum(_hit(p) for p in located) / max(1, len(located)),
        "frames": sum(len(p.trajectory.frames_shown) for p in real) / max(1, len(real)),
        "faults": 1.0 - len(real) / max(1, len(played)),
        **_percentiles("window_frames", windows),
        **_percentiles(
            "window_middle",
            [(a + b) / 2 / p.frame_count for p in real for a, b in p.trajectory.windows],
        ),
        "reply_tokens": sum(sum(p.completion_mask) for p in real) / max(1, len(real)),
        "context_tokens": sum(len(p.prompt_ids) + len(p.completion_ids) for p in real)
        / max(1, len(real)),
    }


def _percentiles(name: str, values: Sequence[float]) -> dict[str, float]:
    found = np.percentile(values, (10, 50, 90)) if len(values) else (0.0, 0.0, 0.0)
    return {f"{name}_p{p}": float(v) for p, v in zip((10, 50, 90), found, strict=True)}


def _hit(played: Played) -> bool:
    looked = [
        frame for turn in played.trajectory.turns if turn.role == "tool" for frame in turn.frames
    ]
    return any(
        span.start_seconds <= frame.pts_seconds < span.stop_seconds
        for span in played.task.evidence
        for frame in looked
    )


class Alarms:
    """Warn, once each, when the policy drifts into a known failure.

    Parameters
    ----------
    widest : int or None
        Widest window the tool allows; windows near it throughout are taken for a wide net. So are,
        whatever is allowed, windows of more than half of the video on average.
    patience : int
        Steps that are looked at together.
    """

    def __init__(self, widest: int | None = None, *, patience: int = 10) -> None:
        self.widest = widest
        self._called: deque[float] = deque(maxlen=patience)
        self._width: deque[float] = deque(maxlen=patience)
        self._share: deque[float] = deque(maxlen=patience)
        self._most_called = 0.0
        self._raised: set[str] = set()

    def look(self, step: int, statistics: dict[str, float]) -> list[str]:
        """Take the statistics of a step; return what was newly noticed."""
        self._called.append(statistics["called"])
        self._width.append(statistics["window_frames"])
        self._share.append(statistics["window_share"])
        if len(self._called) < (self._called.maxlen or 0):
            return []
        called = fmean(self._called)
        self._most_called = max(self._most_called, called)
        found = []
        if self._most_called > 0.5 and called < 0.1:
            found.append(
                f"tool collapse: {called:.0%} of rollouts call the tool, it was "
                f"{self._most_called:.0%}; see docs/training.md"
            )
        if self.widest and fmean(self._width) > 0.95 * self.widest:
            found.append(
                f"wide windows: {fmean(self._width):.0f} frames of {self.widest} allowed on "
                "average; lower max_window_frames"
            )
        elif fmean(self._share) > _WIDE_NET:
            found.append(
                f"wide windows: {fmean(self._share):.0%} of the video on average; max_window_frames "
                f"is {self.widest}, set it to half of the shortest videos or less"
            )
        new = [text for text in found if text.split(":")[0] not in self._raised]
        for text in new:
            self._raised.add(text.split(":")[0])
            _log.warning("step %d: %s", step, text)
        return new
