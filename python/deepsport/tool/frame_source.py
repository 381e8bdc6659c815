"""Frames of many videos, decoded once and kept: what the rollouts of a group share, and, when
``DEEPSPORT_FRAME_CACHE`` is set, the processes of a machine.

Not for choosing frames (`deepsport.tool.frame_tool`).
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

import deepsport
from deepsport.cache import FrameCache, switched_on
from deepsport.errors import CorruptVideoError, InvalidRequestError
from deepsport.video import FrameBatch, Video

__all__ = ["FrameSource", "fit_inside"]

_log = logging.getLogger(__name__)
_PATH_LOCKS = 64  # videos share them by hash


def fit_inside(width: int, height: int, max_width: int, max_height: int) -> tuple[int, int]:
    """Return the largest (width, height) of the same aspect inside the limits, never scaled up."""
    scale = min(max_width / width, max_height / height, 1.0)
    return max(1, round(width * scale)), max(1, round(height * scale))


class FrameSource:
    """Open videos below a root folder and keep their decoded frames in bounded memory.

    Parameters
    ----------
    root : Path or str
        Folder that the media paths of tasks are relative to.
    cache_bytes : int
        Decoded frames kept, least recently used first to go.
    open_videos : int
        Videos kept open.
    shared : FrameCache, False or None
        Cache shared with other processes; ``None`` is the one that the environment variable
        ``DEEPSPORT_FRAME_CACHE`` asks for, if any, ``False`` is none.

    Attributes
    ----------
    hits, misses : int
        Frames taken from memory, and frames decoded here.
    shared_hits : int
        Frames that another process had decoded, or this one before its own memory let them go.
    damaged : int
        Frames decoded from a damaged bitstream; shown, logged and counted.

    Notes
    -----
    Safe to share between threads.
    """

    def __init__(
        self,
        root: Path | str = ".",
        *,
        cache_bytes: int = 256 << 20,
        open_videos: int = 16,
        shared: FrameCache | Literal[False] | None = None,
    ) -> None:
        self.root = Path(root)
        self.cache_bytes = cache_bytes
        self.shared = switched_on() if shared is None else shared or None
        self.hits = 0
        self.misses = 0
        self.shared_hits = 0
        self.damaged = 0
        self._open_videos = open_videos
        self._videos: OrderedDict[str, Video] = OrderedDict()
        self._frames: OrderedDict[tuple[str, int, tuple[int, int]], NDArray[np.uint8]] = (
            OrderedDict()
        )
        self._bytes = 0
        # The lock is held for moments only. Opening and decoding are done under the path's own lock:
        # other videos go on, and who asks for the same frames finds them done.
        self._lock = threading.Lock()
        self._path_locks = tuple(threading.RLock() for _ in range(_PATH_LOCKS))

    def video(self, path: str) -> Video:
        """Open the video at `path` below the root, or return the one already open.

        Raises
        ------
        InvalidRequestError
            When `path` leads out of the root.
        VideoError
            When it cannot be opened; see :func:`deepsport.open`.
        """
        with self._path_lock(path):
            with self._lock:
                if path in self._videos:
                    self._videos.move_to_end(path)
                    return self._videos[path]
            root = self.root.resolve()
            full = (root / path).resolve()
            if not full.is_relative_to(root):
                raise InvalidRequestError(
                    f"video {path!r} leads out of the media root {self.root}; "
                    "valid are paths relative to it, without '..' and links to the outside"
                )
            video = deepsport.open(full)
            with self._lock:
                self._videos[path] = video
                while len(self._videos) > self._open_videos:
                    self._videos.popitem(last=False)
            return video

    def frames(
        self, path: str, indices: Sequence[int], size: tuple[int, int]
    ) -> list[NDArray[np.uint8]]:
        """Return frames as arrays uint8, (height, width, 3), RGB; read-only, shared.

        Raises
        ------
        VideoError
            When a frame cannot be decoded.
        """
        found = self._known(path, indices, size)
        if len(found) == len(set(indices)):
            self._count(hits=len(found))
            return [found[index] for index in indices]
        with self._path_lock(path):
            video = self.video(path)
            found = self._known(
                path, indices, size
            )  # another thread may have decoded them meanwhile
            missing = sorted(set(indices) - set(found))
            self._count(hits=len(found))
            if missing:
                batch = self._decoded(video, missing, size)
                self._check(path, missing, batch.status)
                for index, frame in zip(missing, batch.data, strict=True):
                    own = frame.copy()
                    own.flags.writeable = False
                    found[index] = own
                    self._keep((path, index, size), own)
        return [found[index] for index in indices]

    def _decoded(self, video: Video, missing: list[int], size: tuple[int, int]) -> FrameBatch:
        if self.shared is None:
            self._count(misses=len(missing))
            return video.at(missing, size=size)
        batch, decoded = self.shared.at(
            video, missing, size, lambda wanted: video.at(wanted, size=size)
        )
        self._count(misses=decoded, shared_hits=len(missing) - decoded)
        return batch

    def _path_lock(self, path: str) -> threading.RLock:
        return self._path_locks[hash(path) % _PATH_LOCKS]

    def _known(
        self, path: str, indices: Sequence[int], size: tuple[int, int]
    ) -> dict[int, NDArray[np.uint8]]:
        with self._lock:
            found = {}
            for index in indices:
                frame = self._frames.get((path, index, size))
                if frame is not None:
                    self._frames.move_to_end((path, index, size))
                    found[index] = frame
            return found

    def _count(
        self, *, hits: int = 0, misses: int = 0, shared_hits: int = 0, damaged: int = 0
    ) -> None:
        with self._lock:
            self.hits += hits
            self.shared_hits += shared_hits
            self.misses += misses
            self.damaged += damaged

    def _check(self, path: str, indices: Sequence[int], status: Sequence[str]) -> None:
        """Refuse frames without pixels; count and log those that show damage."""
        gone = [i for i, state in zip(indices, status, strict=True) if state == "missing"]
        if gone:
            raise CorruptVideoError(
                f"{path}: frames {gone} cannot be decoded, the bitstream is damaged there; "
                "valid are frames whose status is 'ok' or 'damaged'"
            )
        hurt = [i for i, state in zip(indices, status, strict=True) if state == "damaged"]
        if hurt:
            self._count(damaged=len(hurt))
            _log.warning("%s: frames %s are decoded from a damaged bitstream", path, hurt)

    def _keep(self, key: tuple[str, int, tuple[int, int]], frame: NDArray[np.uint8]) -> None:
        if frame.nbytes > self.cache_bytes:
            return
        with self._lock:
            self._frames[key] = frame
            self._bytes += frame.nbytes
            while self._bytes > self.cache_bytes:
                _, gone = self._frames.popitem(last=False)
                self._bytes -= gone.nbytes
