"""Decoded frames shared by processes: rollouts, data-loader workers and evaluation decode each frame once.

One switch for all of them is the environment variable ``DEEPSPORT_FRAME_CACHE``, inherited by child processes:
a size (``2GiB``), or a path with a size (``/dev/shm/deepsport-frames-mine:2GiB``). Not for keeping frames
inside one process (`deepsport.tool.FrameSource` does that).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import deepsport
from deepsport._core import cache as _core
from deepsport._core import device as _device
from deepsport.errors import SettingsError
from deepsport.video import FrameBatch, Video
from deepsport.video.frame_batch import STATUSES

__all__ = [
    "VARIABLE",
    "CacheFacts",
    "FrameCache",
    "Segment",
    "read_size",
    "segments",
    "switched_on",
]

VARIABLE = "DEEPSPORT_FRAME_CACHE"
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_HIT, _YOURS, _BUSY = 0, 1, 2  # deepsport::Taken
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class CacheFacts:
    """Counts of a segment since it was made, over all processes.

    Attributes
    ----------
    capacity_bytes, used_bytes : int
        Size of the segment with its tables; blocks that hold frames.
    frames, processes : int
        Frames in it; processes attached now.
    hits, misses, waits : int
        Frames copied out; frames that had to be decoded; waits for another process's decode.
    evictions : int
        Frames that went to make room.
    recoveries : int
        Times a process died while it changed the segment, and its traces were removed.
    rejected : int
        Frames thrown away because their checksum was wrong.
    bypassed : int
        Calls that went without the cache because its lock was not to be had.
    """

    capacity_bytes: int
    used_bytes: int
    frames: int
    processes: int
    hits: int
    misses: int
    waits: int
    evictions: int
    recoveries: int
    rejected: int
    bypassed: int

    @property
    def hit_rate(self) -> float:
        """Share of frames asked for that were there; 0 when none were asked for."""
        return self.hits / max(1, self.hits + self.misses)


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment's file: its memory so far, and whether a process is attached to it."""

    path: str
    used_bytes: int
    in_use: bool


def read_size(text: str) -> int:
    """Return a size such as ``"512M"``, ``"2GiB"`` or ``"1.5 GB"`` in bytes; units are powers of 1024.

    Raises
    ------
    SettingsError
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise SettingsError(f"size {text!r}: valid are a number and a unit, such as 512M or 2GiB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def default_folder() -> str:
    """Return where segments lie: ``/dev/shm``, or the folder for temporary files where there is none."""
    shared = "/dev/shm"  # noqa: S108 - what lies there is opened without following links, and checked
    return shared if os.access(shared, os.W_OK) else tempfile.gettempdir()


class FrameCache:
    """A segment of shared memory with decoded frames.

    Made by the first process that wants it, used by all of the same user that name the same path, removed by the
    last one that goes. Any of them may be killed at any moment: the others go on, and no wrong pixel is ever
    returned (every frame that is copied out is checked against a hash). See ``docs/frames.md``.

    Parameters
    ----------
    size_bytes : int
        Of the segment, all included; who attaches later takes the size that is there. Memory is taken as
        frames come.
    path : str or None
        ``None`` is ``deepsport-frames-USER`` in ``/dev/shm``.

    Raises
    ------
    LimitExceededError
        When the file system has no room for so many bytes.
    InvalidRequestError
        When the path is something else, or the size too small.
    VideoIOError
        When the folder refuses.

    Attributes
    ----------
    close : callable
        Let go of the segment; frames are decoded without it from then on. Also called when the object or the
        interpreter ends.

    Notes
    -----
    Safe to share between threads. In a child of ``fork()`` it goes on as a user of its own. Can be pickled.
    """

    def __init__(self, size_bytes: int = 1 << 30, path: str | None = None) -> None:
        if path is None:
            folder = default_folder()
            _core.segments(folder, True)  # what killed processes have left
            path = f"{folder}/deepsport-frames-{os.geteuid()}"
        self.path = path
        self.size_bytes = size_bytes
        self._held = [_core.attach(path, size_bytes)]
        self._build = f"{deepsport.__version__} {_device.build_facts()['ffmpeg']}"
        # the segment's file goes with its last user, also when the interpreter ends
        self.close = weakref.finalize(self, self._held.clear)

    def __reduce__(self) -> tuple[type[FrameCache], tuple[int, str]]:
        return FrameCache, (self.size_bytes, self.path)

    def facts(self) -> CacheFacts:
        """Return what is in the segment and what has been asked of it."""
        if not self._held:
            return CacheFacts(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        return CacheFacts(**self._held[0].facts())

    def at(
        self,
        video: Video,
        indices: Sequence[int],
        size: tuple[int, int],
        decode: Callable[[list[int]], FrameBatch] | None = None,
        *,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> tuple[FrameBatch, int]:
        """Return frames as :meth:`deepsport.Video.at` does, decoding only those that no process has.

        Frames that another process is decoding are waited for; one that dies meanwhile, or takes longer than
        `patience_seconds`, is not.

        Parameters
        ----------
        video : Video
            Opened from a file; others are decoded without the cache, since their bytes have no name.
        indices : sequence of int
            Distinct, from 0.
        size : (width, height)
        decode : callable, optional
            Decodes indices of `video` at `size`; ``video.at`` by default.
        patience_seconds : float

        Returns
        -------
        FrameBatch
            Frames that cannot be decoded have the status ``"missing"``.
        int
            How many were decoded here.
        """
        if decode is None:
            decode = functools.partial(video.at, size=size, strict=False)
        name = self._name_of(video)
        if not self._held or name is None or not indices:
            return decode(list(indices)), len(indices)
        core = self._held[0]
        shared = _Shared(core, name, size)
        counts: dict[str, int] = {}
        decoded = 0
        open_rows = list(range(len(indices)))
        until = time.monotonic() + patience_seconds
        while open_rows:
            patient = time.monotonic() < until
            asked = [int(indices[row]) for row in open_rows]
            pixels, taken, found = core.take(name, asked, *size, patient)
            if len(asked) == len(indices):
                out, status = pixels, found
            todo, busy = [], []
            for k, row in enumerate(open_rows):
                if taken[k] == _HIT:
                    if out is not pixels:
                        out[row], status[row] = pixels[k], found[k]
                elif taken[k] == _BUSY and patient:
                    busy.append(row)
                else:
                    todo.append(row)
            # first what others may wait for; who waits holds nothing open, so none waits for ever
            yours = [int(indices[row]) for row, state in zip(open_rows, taken, strict=True)
                     if state == _YOURS]  # fmt: skip
            if todo:
                with shared.claims(yours) as publish:
                    batch = decode([int(indices[row]) for row in todo])
                    for k, row in enumerate(todo):
                        out[row], status[row] = batch.data[k], STATUSES.index(batch.status[k])
                        publish(int(indices[row]), batch.data[k], batch.status[k])
                decoded += len(todo)
                for key, value in batch.counts.items():
                    counts[key] = counts.get(key, 0) + value
            if busy:
                left = until - time.monotonic()
                core.wait(name, [int(indices[row]) for row in busy], *size, max(left, 1e-3))
            open_rows = busy
        frames = np.array(indices, np.int64)
        states = tuple(STATUSES[code] for code in status)
        return FrameBatch(out, frames, video.pts_seconds[frames], states, counts), decoded

    def _name_of(self, video: Video) -> bytes | None:
        """A hash of all that decides a frame's pixels; None when that cannot be told."""
        identity = getattr(video, "identity", None)
        if identity is None:
            return None
        return hashlib.blake2b(f"{identity} {self._build}".encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class _Shared:
    """The frames of one video at one size in a segment."""

    core: _core.FrameCache
    name: bytes
    size: tuple[int, int]

    @contextlib.contextmanager
    def claims(self, indices: list[int]) -> Iterator[Callable[[int, NDArray[np.uint8], str], None]]:
        """Give what publishes claimed frames; those not published are free again afterwards."""
        left = set(indices)

        def publish(index: int, pixels: NDArray[np.uint8], status: str) -> None:
            if index in left and status != "missing":
                left.remove(index)
                self.core.publish(self.name, index, pixels, STATUSES.index(status))

        try:
            yield publish
        finally:
            if left:
                self.core.abandon(self.name, sorted(left), *self.size)


def switched_on() -> FrameCache | None:
    """Return the cache that ``DEEPSPORT_FRAME_CACHE`` asks for, None when it is empty or ``off``.

    Raises
    ------
    SettingsError
        When its value is neither a size nor ``PATH:SIZE``.
    """
    wanted = os.environ.get(VARIABLE, "").strip()
    if wanted.lower() in {"", "0", "off", "no"}:
        return None
    path, _, size = wanted.rpartition(":")
    try:
        return FrameCache(read_size(size), path or None)
    except SettingsError as error:
        raise SettingsError(
            f"{VARIABLE}={wanted!r}: {error}; valid are SIZE, PATH:SIZE and off"
        ) from error


def segments(folder: Path | str | None = None, *, remove: bool = False) -> list[Segment]:
    """Return this user's segments in a folder; with `remove`, those that nobody uses are removed.

    Raises
    ------
    VideoIOError
        When the folder cannot be read.
    """
    return [Segment(*found) for found in _core.segments(str(folder or default_folder()), remove)]
