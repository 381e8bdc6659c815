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
        Other arguments of :meth:`deepsport.Video.at`.

    Returns
    -------
    list of FrameBatch
        In the order of `requests`; each owns its pictures. `counts` are those of the whole union.

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
    distinct = np.unique(np.concatenate(asked)) if asked else np.empty(0, np.int64)
    if len(distinct) == 0:
        return [video.at([], size, **how) for _ in asked]
    shared = video.at(distinct.tolist(), size, **how)
    out = []
    for frames in asked:
        rows = np.searchsorted(distinct, frames)
        out.append(
            FrameBatch(
                _rows(shared.data, rows, len(distinct)),
                frames,
                shared.pts_seconds[rows],
                tuple(shared.status[row] for row in rows.tolist()),
                shared.counts,
            )
        )
    return out


def _rows(data: Any, rows: Any, frames: int) -> Any:
    """Of these frames; of patches, a frame has several rows."""
    if len(data) == frames:
        return data[rows]
    return data.reshape(frames, -1, data.shape[-1])[rows].reshape(-1, data.shape[-1])


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
