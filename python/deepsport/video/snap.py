"""Frames that are cheaper to decode than those asked for, and nearly the same moment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deepsport.errors import InvalidRequestError

if TYPE_CHECKING:
    from deepsport.video.opened import Video

__all__ = ["cheapest_near"]


def cheapest_near(video: Video, frames: Sequence[int], within_seconds: float) -> list[int]:
    """Return for each frame the cheapest within `within_seconds`; of equals the nearest.

    The cost of a frame is the number of packets from its start on that cannot be left out. Where the
    index does not say which can (read from a file's tables), every packet counts.

    Raises
    ------
    InvalidRequestError
        `within_seconds` is negative or no number.
    """
    if not within_seconds >= 0 or math.isinf(within_seconds):
        raise InvalidRequestError(
            f"within_seconds {within_seconds!r}: valid is a finite number of seconds, 0 or more"
        )
    pts, cost = video.pts_seconds, _costs(video)
    chosen = []
    for frame in frames:
        at = pts[frame]
        # half a microsecond: times are ratios, seconds are not
        first = int(np.searchsorted(pts, at - within_seconds - 5e-7))
        last = int(np.searchsorted(pts, at + within_seconds + 5e-7, side="right"))
        near = np.arange(first, max(last, first + 1))
        order = np.lexsort((np.abs(pts[near] - at), cost[near]))
        chosen.append(int(near[order[0]]))
    return chosen


def _costs(video: Video) -> NDArray[np.int64]:
    """Return for each frame how many packets it takes alone."""
    packets = video.packets()
    shown = packets["frame"]
    number = np.flatnonzero(shown >= 0)
    packet_of = np.empty(video.frame_count, np.int64)
    packet_of[shown[number]] = number
    keys = np.flatnonzero(packets["is_key"])
    needed = np.concatenate([[0], np.cumsum(~packets["is_droppable"])])  # before each packet
    start = np.zeros(len(packet_of), np.int64)
    if len(keys):
        place = np.searchsorted(keys, packet_of, side="right") - 1
        # leading pictures of an open group begin at the start before it
        leading = (place >= 0) & (shown[keys[np.maximum(place, 0)]] > np.arange(len(packet_of)))
        place -= leading
        start = np.where(place >= 0, keys[np.maximum(place, 0)], 0)
    found: NDArray[np.int64] = needed[packet_of] - needed[start] + 1
    return found
