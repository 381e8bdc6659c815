"""Several requests to one video answered by one decode: what the rollouts of a group ask at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

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
    """
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
                shared.data[rows],
                frames,
                shared.pts_seconds[rows],
                tuple(shared.status[row] for row in rows.tolist()),
                shared.counts,
            )
        )
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
