"""Several requests to one video answered by one decode: what the rollouts of a group ask at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from deepsport.errors import InvalidRequestError
from deepsport.pixels import Pixels
from deepsport.video import FrameBatch, Video

__all__ = ["union", "windows"]


def union(
    video: Video,
    requests: Sequence[Iterable[int]],
    size: tuple[int, int] | None = None,
    **how: Any,
) -> list[FrameBatch]:
    """Answer each list of frame indices, decoding each frame once however many ask for it.

    Parameters
    ----------
    video : Video
    requests : sequence of iterables of int
        As in :meth:`deepsport.Video.at`, one a request.
    size : (width, height) or None
        One size for all.
    **how
        Other arguments of :meth:`deepsport.Video.at`; `out` holds the frames of all requests.

    Returns
    -------
    list of FrameBatch
        In the order of `requests`. Their pictures lie one behind the other in one array, of which each
        has its part: whoever keeps one batch for long and not the others copies it. `counts` are those
        of the whole union.

    Raises
    ------
    VideoError
        As :meth:`deepsport.Video.at`; InvalidRequestError for patches that span frames, which depend on
        what a request has beside a frame: ask for those one request at a time.
    """
    pixels = how.get("pixels") or Pixels()
    if pixels.order == "patches" and pixels.spans and pixels.temporal > 1:
        raise InvalidRequestError(
            f"a union with patches that span {pixels.temporal} frames: a frame's patches differ from "
            "request to request; valid are patches of single frames (spans=False), or Video.at for "
            "each request"
        )
    asked = [np.array(video.resolve(request), np.int64) for request in requests]
    every = np.concatenate(asked) if asked else np.empty(0, np.int64)
    if len(every) == 0:
        return [video.at([], size, **how) for _ in asked]
    # A frame that is asked for several times is decoded once, and written to all its places.
    shared = video.at(every.tolist(), size, **how)
    if not hasattr(shared.data, "__getitem__"):
        raise InvalidRequestError(
            f"a union on {how.get('device')!r} into a {type(shared.data).__name__}, which has no parts; "
            "valid is out=, a tensor for the frames of all requests"
        )
    rows = len(shared.data) // len(every)  # of patches, a frame has several
    out, first = [], 0
    for frames in asked:
        end = first + len(frames)
        out.append(
            FrameBatch(
                shared.data[first * rows : end * rows],
                frames,
                shared.pts_seconds[first:end],
                shared.status[first:end],
                shared.counts,
            )
        )
        first = end
    return out


def windows(
    video: Video,
    requests: Sequence[tuple[float, float, int]],
    size: tuple[int, int] | None = None,
    **how: Any,
) -> list[FrameBatch]:
    """Answer each window ``(start_seconds, stop_seconds, num)`` as :meth:`deepsport.Video.window`
    does, decoding each frame once.
    """
    chosen = [video.window_indices(*request).tolist() for request in requests]
    return union(video, chosen, size, **how)
