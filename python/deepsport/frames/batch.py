"""Frames of many clips over a few threads; one bad clip is that item's error, not the batch's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepsport.errors import (
    DecodeCancelledError,
    DecodeTimeoutError,
    DeepsportError,
    InternalError,
    InvalidRequestError,
    LimitExceededError,
)
from deepsport.video import FrameBatch, Video
from deepsport.video import open as open_video
from deepsport.video.request import as_index, checked_size, whole_number

if TYPE_CHECKING:
    from deepsport.isolation import Isolation

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
    seconds : float or None
        Deadline of this item; ``None`` is that of the batch's items.
    """

    clip: Video | Path | str
    indices: tuple[int, ...] | None = None
    window: tuple[float, float, int] | None = None
    size: tuple[int, int] | None = None
    seconds: float | None = None


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


class _Stop(threading.Event):
    """Set by the caller's event or by the end of the batch."""

    def __init__(self, callers: threading.Event | None) -> None:
        super().__init__()
        self._callers = callers

    def is_set(self) -> bool:
        return super().is_set() or (self._callers is not None and self._callers.is_set())


@dataclass(frozen=True, slots=True)
class _Terms:
    """What holds for every item of a batch."""

    item_seconds: float | None
    until: float | None
    max_pixels: int
    max_item_bytes: int
    isolate: bool | Isolation
    cancel: threading.Event

    def seconds_left(self, request: BatchRequest, begin: float) -> float | None:
        left = self.item_seconds if request.seconds is None else request.seconds
        if self.until is not None:
            left = self.until - begin if left is None else min(self.until - begin, left)
        if left is not None and left <= 0:
            raise DecodeTimeoutError(
                f"{request.clip}: its deadline or the batch's passed before its turn; allow more time "
                "or fewer clips"
            )
        return left


def _checked(request: BatchRequest) -> BatchRequest:
    """The request with fields of their types; DeepsportError for what cannot be one."""
    clip, indices, window, seconds = request.clip, request.indices, request.window, request.seconds
    if (indices is None) == (window is None):
        raise InvalidRequestError(f"{clip}: give either indices or a window")
    try:
        if window is not None:
            start, stop, num = window
            window = float(start), float(stop), whole_number(num)
        if indices is not None:
            indices = tuple(map(as_index, indices))
        seconds = None if seconds is None else float(seconds)
    except DeepsportError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidRequestError(
            f"{clip}: indices {request.indices!r:.200}, window {request.window!r:.200}, seconds "
            f"{request.seconds!r:.200} are no request ({error}); valid are whole numbers, or "
            "(start_seconds, stop_seconds, num), and a number or None"
        ) from None
    size = checked_size(request.size)
    return replace(request, indices=indices, window=window, size=size, seconds=seconds)


def _frames(asked: BatchRequest, terms: _Terms, begin: float) -> FrameBatch:
    if terms.cancel.is_set():
        raise DecodeCancelledError(f"{asked.clip}: cancelled before its turn; ask again")
    request = _checked(asked)
    left = terms.seconds_left(request, begin)
    clip = request.clip
    video = (
        clip
        if isinstance(clip, Video)
        else open_video(
            clip,
            deadline_seconds=left,
            max_pixels=terms.max_pixels,
            isolate=terms.isolate,
            cancel=None if terms.isolate else terms.cancel,  # a child that opens has a deadline
        )
    )
    if left is not None:
        left = max(left - (time.monotonic() - begin), 1e-3)
    width, height = request.size or (video.width, video.height)
    count = len(request.indices or ()) if request.window is None else request.window[2]
    if (needed := count * width * height * 3) > terms.max_item_bytes:
        raise LimitExceededError(
            f"{clip}: {count} frames of {width}x{height} need {needed} bytes, the limit of an item is "
            f"{terms.max_item_bytes}; ask for fewer or smaller frames"
        )
    indices = request.indices
    if request.window is not None:
        indices = tuple(video.window_indices(*request.window).tolist())
    return video.at(
        indices or (), request.size, strict=False, deadline_seconds=left, cancel=terms.cancel
    )


def _answer(request: BatchRequest, terms: _Terms) -> BatchItem:
    begin = time.monotonic()
    frames: FrameBatch | None = None
    error: DeepsportError | None = None
    try:
        frames = _frames(request, terms, begin)
    except DeepsportError as raised:
        error = raised
    except MemoryError:
        error = LimitExceededError(
            f"{request.clip}: not enough memory for it; ask for fewer or smaller frames"
        )
    except Exception as raised:  # noqa: BLE001 - the other items are not to blame
        error = InternalError(f"{request.clip}: {raised!r}; please report it")
        error.__cause__ = raised
    return BatchItem(request, frames, error, time.monotonic() - begin)


def decode_many(
    requests: Iterable[BatchRequest],
    *,
    threads: int = 2,
    item_seconds: float | None = 120.0,
    batch_seconds: float | None = None,
    cancel: threading.Event | None = None,
    progress: Callable[[], Any] | None = None,
    max_pixels: int = 1 << 26,
    max_item_bytes: int = 1 << 30,
    isolate: bool | Isolation = False,
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
        When set, items not finished become DecodeCancelledError items, those at work soon.
    progress : callable or None
        Called once for each item handed out.
    max_pixels : int
        Largest picture accepted of clips that are paths.
    max_item_bytes : int
        Largest answer: what needs more is a LimitExceededError item, before anything is decoded. At most
        ``3 * threads`` answers exist at once, so this bounds the memory of the batch.
    isolate : bool or deepsport.isolation.Isolation
        For clips that are paths: see :func:`deepsport.open`.

    Yields
    ------
    BatchItem
        One for each request, always.
    """
    if threads < 1:
        raise InvalidRequestError(f"threads={threads}: valid is one or more")
    until = time.monotonic() + batch_seconds if batch_seconds is not None else None

    stop = _Stop(cancel)
    terms = _Terms(item_seconds, until, max_pixels, max_item_bytes, isolate, stop)
    source = iter(requests)
    waiting: list[Future[BatchItem]] = []
    with ThreadPoolExecutor(threads, thread_name_prefix="deepsport-frames") as pool:
        try:
            while True:
                while len(waiting) < threads * (1 + _AHEAD):
                    try:
                        waiting.append(pool.submit(_answer, next(source), terms))
                    except StopIteration:
                        break
                if not waiting:
                    return
                item = waiting.pop(0).result()
                if progress is not None:
                    progress()
                yield item
        finally:
            # the consumer has gone: nothing of the rest is wanted, nor waited for
            stop.set()
            for future in waiting:
                future.cancel()
