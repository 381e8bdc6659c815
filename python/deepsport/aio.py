"""Videos for asyncio: the methods of `deepsport.Video` that take time, awaited.

    video = await deepsport.aio.open("rally.mp4")
    batch = await video.window(2.0, 4.0, num=8)

Work happens on as many threads as there are cores; the loop stays free. A task that is cancelled goes on
at once, its decoding ends in the background by its own deadline.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from deepsport import video as blocking
from deepsport.video import FrameBatch, Video

__all__ = ["AsyncVideo", "open"]

_T = TypeVar("_T")


@functools.cache
def _threads(process: int) -> ThreadPoolExecutor:  # noqa: ARG001 - a forked child needs its own
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="deepsport-aio")


async def _in_thread(function: Callable[..., _T], *arguments: Any, **named: Any) -> _T:
    call = functools.partial(function, *arguments, **named)
    return await asyncio.get_running_loop().run_in_executor(_threads(os.getpid()), call)


class AsyncVideo:
    """A video whose frames are awaited.

    Attributes
    ----------
    video : Video
        The same video for blocking code, with its facts. Safe to share.
    """

    def __init__(self, video: Video) -> None:
        self.video = video

    async def at(self, indices: Iterable[int], *size: Any, **how: Any) -> FrameBatch:
        """Await :meth:`deepsport.Video.at`."""
        return await _in_thread(self.video.at, indices, *size, **how)

    async def played_at(self, seconds: Iterable[float], *size: Any, **how: Any) -> FrameBatch:
        """Await :meth:`deepsport.Video.played_at`."""
        return await _in_thread(self.video.played_at, seconds, *size, **how)

    async def window(self, start: float, stop: float, num: int, **how: Any) -> FrameBatch:
        """Await :meth:`deepsport.Video.window`."""
        return await _in_thread(self.video.window, start, stop, num, **how)


async def open(source: Any, **how: Any) -> AsyncVideo:
    """Await :func:`deepsport.open`.

    Raises
    ------
    VideoError
        See :func:`deepsport.open`.
    """
    return AsyncVideo(await _in_thread(blocking.open, source, **how))
