"""Frames of many videos, decoded once and kept: what the rollouts of a group share.

Not for choosing frames (`deepsport.tool.frame_tool`).
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import deepsport
from deepsport.errors import CorruptVideoError, InvalidRequestError
from deepsport.video import Video

__all__ = ["FrameSource", "fit_inside"]

_log = logging.getLogger(__name__)


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

    Attributes
    ----------
    hits, misses : int
        Frames taken from memory, and frames decoded.
    damaged : int
        Frames decoded from a damaged bitstream; shown, logged and counted.

    Notes
    -----
    Safe to share between threads.
    """

    def __init__(
        self, root: Path | str = ".", *, cache_bytes: int = 256 << 20, open_videos: int = 16
    ) -> None:
        self.root = Path(root)
        self.cache_bytes = cache_bytes
        self.hits = 0
        self.misses = 0
        self.damaged = 0
        self._open_videos = open_videos
        self._videos: OrderedDict[str, Video] = OrderedDict()
        self._frames: OrderedDict[tuple[str, int, tuple[int, int]], NDArray[np.uint8]] = (
            OrderedDict()
        )
        self._bytes = 0
        self._lock = threading.RLock()

    def video(self, path: str) -> Video:
        """Open the video at `path` below the root, or return the one already open.

        Raises
        ------
        InvalidRequestError
            When `path` leads out of the root.
        VideoError
            When it cannot be opened; see :func:`deepsport.open`.
        """
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
        with self._lock:
            video = self.video(path)
            missing = sorted({i for i in indices if (path, i, size) not in self._frames})
            self.hits += len(set(indices)) - len(missing)
            self.misses += len(missing)
            fresh: dict[int, NDArray[np.uint8]] = {}
            if missing:
                batch = video.at(missing, size=size)
                self._check(path, missing, batch.status)
                for index, frame in zip(missing, batch.data, strict=True):
                    own = frame.copy()
                    own.flags.writeable = False
                    fresh[index] = own
                    self._keep((path, index, size), own)
            out = []
            for index in indices:
                kept = self._frames.get((path, index, size))
                if kept is not None:
                    self._frames.move_to_end((path, index, size))
                out.append(kept if kept is not None else fresh[index])
            return out

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
            self.damaged += len(hurt)
            _log.warning("%s: frames %s are decoded from a damaged bitstream", path, hurt)

    def _keep(self, key: tuple[str, int, tuple[int, int]], frame: NDArray[np.uint8]) -> None:
        if frame.nbytes > self.cache_bytes:
            return
        self._frames[key] = frame
        self._bytes += frame.nbytes
        while self._bytes > self.cache_bytes:
            _, gone = self._frames.popitem(last=False)
            self._bytes -= gone.nbytes
