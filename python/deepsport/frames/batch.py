"""Frames of many clips over a few threads; one bad clip is that item's error, not the batch's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsport.errors import (
    DecodeCancelledError,
    DecodeTimeoutError,
    DeepsportError,
    InvalidRequestError,
)
from deepsport.video import FrameBatch, Video
from deepsport.video import open as open_video

__all__ = ["BatchItem", "BatchRequest", "decode_many"]

_AHEAD = 2  # finished items kept waiting for their turn, for each thread


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """Frames of one clip.

    Attributes
    ----------
    clip : Video or path
        A path is opened by the worker that gets it.
    indices : tuple of int or None
        Frames; or
    window : (start_seconds, stop_seconds, num) or None
        a window.
    size : (width, height) or None
    """

    clip: Video | Path | str
    indices: tuple[int, ...] | None = None
    window: tuple[float, float, int] | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class BatchItem:
    """What became of one request: a batch or an error, never both."""

    request: BatchRequest
    frames: FrameBatch | None
    error: DeepsportError | None
    seconds: float

    @property
    def ok(self) -> bool:
        """Was it answered?"""
        return self.error is None


def _answer(request: BatchRequest, deadline: float | None, until: float | None) -> BatchItem:
    begin = time.monotonic()
    try:
        left = deadline
        if until is not None:
            left = min(until - begin, deadline) if deadline is not None else until - begin
            if left <= 0:
                raise DecodeTimeoutError(
                    f"{request.clip}: the batch's deadline passed before its turn; allow more time "
                    "or fewer clips"
                )
        if (request.indices is None) == (request.window is None):
            raise InvalidRequestError(f"{request.clip}: give either indices or a window")
        clip = request.clip
        video = clip if isinstance(clip, Video) else open_video(clip, deadline_seconds=left)
        if left is not None:
            left = max(left - (time.monotonic() - begin), 1e-3)
        indices = request.indices
        if request.window is not None:
            indices = tuple(video.window_indices(*request.window).tolist())
        frames = video.at(indices or (), request.size, strict=False, deadline_seconds=left)
        return BatchItem(request, frames, None, time.monotonic() - begin)
    except DeepsportError as error:
        return BatchItem(request, None, error, time.monotonic() - begin)


def decode_many(
    requests: Iterable[BatchRequest],
    *,
    threads: int = 2,
    item_seconds: float | None = 120.0,
    batch_seconds: float | None = None,
    cancel: threading.Event | None = None,
    progress: Callable[[], Any] | None = None,
) -> Iterator[BatchItem]:
    """Answer many requests, in their order, as they come.

    Parameters
    ----------
    requests : iterable of BatchRequest
        Read a little ahead of what is handed out, so it may be endless.
    threads : int
        Clips decoded at once, one decoder each.
    item_seconds, batch_seconds : float or None
        Deadlines of an item and of everything; what misses them is a DecodeTimeoutError item.
    cancel : threading.Event or None
        When set, items not begun become DecodeCancelledError items.
    progress : callable or None
        Called once for each item handed out.

    Yields
    ------
    BatchItem
        One for each request, always.
    """
    if threads < 1:
        raise InvalidRequestError(f"threads={threads}: valid is one or more")
    until = time.monotonic() + batch_seconds if batch_seconds is not None else None

    def work(request: BatchRequest) -> BatchItem:
        if cancel is not None and cancel.is_set():
            error = DecodeCancelledError(f"{request.clip}: cancelled before its turn; ask again")
            return BatchItem(request, None, error, 0.0)
        return _answer(request, item_seconds, until)

    source = iter(requests)
    waiting: list[Future[BatchItem]] = []
    with ThreadPoolExecutor(threads, thread_name_prefix="deepsport-frames") as pool:
        try:
            while True:
                while len(waiting) < threads * (1 + _AHEAD):
                    try:
                        waiting.append(pool.submit(work, next(source)))
                    except StopIteration:
                        break
                if not waiting:
                    return
                item = waiting.pop(0).result()
                if progress is not None:
                    progress()
                yield item
        finally:
            for future in waiting:
                future.cancel()
