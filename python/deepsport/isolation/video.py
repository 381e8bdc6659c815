"""A video whose decoder runs in a child: the interface of the core's own, by messages.

What a child answers is checked before it is used: a hostile file may have written it.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import math
import mmap
import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepsport.errors import (
    DecoderCrashedError,
    InvalidRequestError,
    LimitExceededError,
    UsedAfterForkError,
    VideoIOError,
    VideoNotFoundError,
)
from deepsport.isolation.message import MOST_BYTES
from deepsport.isolation.pool import Child, Isolation, ReadAt, pool_for

__all__ = ["IsolatedVideo", "open_isolated"]

_numbers = itertools.count(1)
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_MOST_FRAMES = 1 << 24
# What the core tells of a stream, and its columns of packets: all that is taken from a child.
_FACTS: dict[str, tuple[type, ...]] = {
    "container": (str,), "codec": (str,), "width": (int,), "height": (int,), "rotation": (int,),
    "sample_aspect_ratio": (int, int), "square_size": (int, int), "color_range": (str,),
    "color_primaries": (str,), "color_transfer": (str,), "color_matrix": (str,), "is_hdr": (bool,),
    "time_base": (int, int), "frame_count": (int,), "keyframe_count": (int,), "packet_count": (int,),
    "end_seconds": (float,), "variable_frame_rate": (bool,), "truncated": (bool,), "from_cache": (bool,),
    "remark": (str,), "modified_ns": (int,), "origin": (str,),
}  # fmt: skip
_COLUMNS = {
    "pts": "<i8", "dts": "<i8", "offset": "<i8", "size": "<i8", "flags": "<u4", "frame": "<i8",
}  # fmt: skip
_PACKET_BYTES = 44


class _Source:
    """The bytes, kept open here for children that come later."""

    def __init__(self, what: str | bytes | tuple[ReadAt, int, bool]) -> None:
        self.descriptor: int | None = None
        self.size: int | None = None
        self.read_at: ReadAt | None = None
        self._process = os.getpid()
        self._works_after_fork = True
        if isinstance(what, str):
            self.descriptor = _opened(what)
        elif isinstance(what, bytes):
            self.descriptor = _memory(len(what))
            if len(what):
                with mmap.mmap(self.descriptor, len(what)) as view:
                    view[:] = what
        else:
            read, self.size, self._works_after_fork = what
            turns = {self._process: threading.Lock()}

            def read_at(offset: int, count: int) -> bytes:
                # after fork() a fresh lock: the parent's may be held by a thread that is not here
                with turns.setdefault(os.getpid(), threading.Lock()):
                    return read(offset, count)

            self.read_at = read_at

    def check_process(self, name: str) -> None:
        """UsedAfterForkError for a file object of the parent: both would move its place in the file."""
        if not self._works_after_fork and os.getpid() != self._process:
            raise UsedAfterForkError(
                f"reading {name}: it was opened before fork() from a file object, whose place in the file "
                "parent and child share; valid are a path, bytes, or opening it again in the child"
            )

    def __del__(self) -> None:
        if getattr(self, "descriptor", None) is not None:
            os.close(self.descriptor)  # type: ignore[arg-type]


def _opened(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VideoNotFoundError(
            f"opening {path}: {error.strerror}; valid is the path of a readable video file"
        ) from None
    except OSError as error:
        raise VideoIOError(
            f"opening {path}: {error.strerror}; valid is the path of a readable video file"
        ) from None


def _memory(size: int) -> int:
    """Shared memory of a fixed size: whoever has it can neither shrink nor grow it."""
    descriptor = os.memfd_create("deepsport-frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except OSError as error:
        os.close(descriptor)
        raise LimitExceededError(
            f"{size} bytes of shared memory: {error.strerror}; ask for fewer or smaller frames"
        ) from None
    return descriptor


class IsolatedVideo:
    """The same methods as ``deepsport._core.video.Video``. Safe to share between threads."""

    def __init__(
        self, source: _Source, name: str, arguments: list[Any], limits: Isolation, seconds: float
    ) -> None:
        self._source = source
        self._name = name
        self._arguments = arguments
        self._limits = limits
        self._seconds = seconds
        self._most_packets = int(arguments[2])
        self._number = next(_numbers)
        with pool_for(limits).child(self._number) as child:
            facts, pts = self._open_in(child)
        self._facts = _checked_facts(facts, pts, name)
        self._pts = pts

    def facts(self) -> dict[str, Any]:
        """Return what is known of the stream."""
        return dict(self._facts)

    def pts_seconds(self) -> NDArray[np.float64]:
        """Return when each frame appears."""
        return self._pts.copy()

    def signature(self) -> str:
        """Return the hash of the file's size, head and tail, as the child has read them."""
        answer, _ = self._call("signature")
        return str(answer.get("signature"))[:64]

    def packets(self) -> dict[str, NDArray[Any]]:
        """Return the columns of the packet table."""
        answer, body = self._call("packets", most_bytes=_PACKET_BYTES * self._most_packets)
        columns: dict[str, NDArray[Any]] = {}
        with self._read_with_care("packets"):
            counts = {str(name): int(count) for name, _, count in answer["columns"]}
            each = len(body) // _PACKET_BYTES
            if counts != dict.fromkeys(_COLUMNS, each) or len(body) != each * _PACKET_BYTES:
                raise self._nonsense("packets")
            at = 0
            for name, _, _ in answer["columns"]:
                kind = np.dtype(_COLUMNS[str(name)])
                columns[str(name)] = np.frombuffer(body, kind, each, at).copy()
                at += each * kind.itemsize
        return columns

    def resolve(self, indices: Sequence[int]) -> NDArray[np.int64]:
        """Return indices from 0."""
        return self._ask("resolve", [list(indices)], len(indices))

    def played_at(self, seconds: Sequence[float]) -> NDArray[np.int64]:
        """Return the frames on screen."""
        return self._ask("played_at", [list(seconds)], len(seconds))

    def window(self, start: float, stop: float, count: int) -> NDArray[np.int64]:
        """Return the frames of a window."""
        return self._ask("window", [start, stop, count], count)

    def rgb(
        self,
        frames: Sequence[int],
        width: int,
        height: int,
        threads: int,
        drop_unneeded: bool,
        seconds: float,
        out: NDArray[np.uint8] | None = None,
        cancel: threading.Event | None = None,
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8], tuple[int, int, int]]:
        """Decode into memory that the child shares."""
        shape = (len(frames), height, width, 3)
        if not frames:
            return np.empty(shape, np.uint8), np.empty(0, np.uint8), (0, 0, 0)
        size = len(frames) * height * width * 3
        descriptor = _memory(size)
        try:
            answer, status = self._call(
                "rgb", [descriptor], seconds, cancel, most_bytes=len(frames),
                frames=list(frames), width=width, height=height, threads=threads, drop=drop_unneeded,
            )  # fmt: skip
            pixels = np.frombuffer(mmap.mmap(descriptor, size), np.uint8).reshape(shape)
        finally:
            os.close(descriptor)
        with self._read_with_care("rgb"):
            states = np.frombuffer(status, np.uint8)
            a, b, c = map(int, answer["counts"])
            if len(states) != len(frames) or states.max() > 2:
                raise self._nonsense("rgb")
        if out is not None:
            out[...] = pixels
            pixels = out
        return pixels, states, (a, b, c)

    def planes(
        self, frames: Sequence[int], threads: int, drop_unneeded: bool, seconds: float
    ) -> list[tuple[str, int, int, NDArray[np.uint8], int]]:
        """Return the decoder's own planes."""
        answer, body = self._call(
            "planes", (), seconds, None, most_rows=len(frames),
            frames=list(frames), threads=threads, drop=drop_unneeded,
        )  # fmt: skip
        found = []
        at = 0
        with self._read_with_care("planes"):
            for name, width, height, size, status in answer["rows"]:
                if int(status) not in (0, 1, 2) or not 0 <= int(size) <= len(body) - at:
                    raise self._nonsense("planes")
                data = np.frombuffer(body, np.uint8, int(size), at).copy()
                found.append((str(name), int(width), int(height), data, int(status)))
                at += int(size)
        if len(found) != len(frames):
            raise self._nonsense("planes")
        return found

    def _ask(self, method: str, arguments: list[Any], count: int) -> NDArray[np.int64]:
        _, body = self._call(
            "ask", most_bytes=8 * max(count, 0), method=method, arguments=arguments
        )
        found = np.frombuffer(body, np.int64).copy() if len(body) % 8 == 0 else None
        if found is None or len(found) != count or np.any((found < 0) | (found >= len(self._pts))):
            raise self._nonsense(method)
        return found

    def _call(
        self,
        do: str,
        descriptors: Sequence[int] = (),
        seconds: float = 0.0,
        cancel: threading.Event | None = None,
        *,
        most_rows: int = 0,
        most_bytes: int = MOST_BYTES,
        **more: Any,
    ) -> tuple[dict[str, Any], bytearray]:
        head = {
            "do": do, "video": self._number, "name": self._name, "seconds": seconds, **more,
        }  # fmt: skip
        self._source.check_process(self._name)
        read_at = self._source.read_at
        with pool_for(self._limits).child(self._number) as child:
            for _ in range(2):
                if self._number not in child.videos:
                    self._open_in(child)
                answer, body = child.call(
                    head,
                    descriptors,
                    seconds=seconds or self._seconds,
                    read_at=read_at,
                    cancel=cancel,
                    most_rows=most_rows,
                    most_bytes=most_bytes,
                )
                if "unknown" not in answer:
                    return answer, body
                child.videos.discard(self._number)  # the child has let it go for others
        raise self._nonsense(do)

    def _open_in(self, child: Child) -> tuple[dict[str, Any], NDArray[np.float64]]:
        descriptors = [] if self._source.descriptor is None else [self._source.descriptor]
        head = {
            "do": "open", "video": self._number, "name": self._name, "size": self._source.size,
            "arguments": self._arguments,
        }  # fmt: skip
        answer, body = child.call(
            head,
            descriptors,
            seconds=self._seconds,
            read_at=self._source.read_at,
            most_bytes=8 * _MOST_FRAMES,
        )
        child.videos.add(self._number)
        facts = answer.get("facts")
        if not isinstance(facts, dict) or len(body) % 8:
            raise self._nonsense("open")
        return facts, np.frombuffer(body, np.float64).copy()

    @contextlib.contextmanager
    def _read_with_care(self, doing: str) -> Iterator[None]:
        """DecoderCrashedError for an answer that is not of the form it should have."""
        try:
            yield
        except (KeyError, TypeError, ValueError, OverflowError):
            raise self._nonsense(doing) from None

    def _nonsense(self, doing: str) -> DecoderCrashedError:
        return DecoderCrashedError(
            f"{doing} of {self._name}: the isolated decoder answered nonsense; take the file as damaged"
        )


def _checked_facts(facts: dict[str, Any], pts: NDArray[np.float64], name: str) -> dict[str, Any]:
    """Facts as the core gives them; DecoderCrashedError for what no video has."""
    checked: dict[str, Any] = {}
    for key, kinds in _FACTS.items():
        value = facts.get(key)
        values = tuple(value) if len(kinds) > 1 and isinstance(value, list) else (value,)
        if tuple(map(type, values)) != kinds:
            break
        checked[key] = values if len(kinds) > 1 else value
    if len(checked) != len(_FACTS) or not _possible(checked, pts):
        raise DecoderCrashedError(
            f"open of {name}: the isolated decoder answered nonsense; take the file as damaged"
        )
    return checked


def _possible(facts: dict[str, Any], pts: NDArray[np.float64]) -> bool:
    """Can a stream be so?"""
    return bool(
        facts["frame_count"] == len(pts)
        and 0 < len(pts) <= _MOST_FRAMES
        and np.all(np.isfinite(pts))
        and np.all(np.diff(pts) >= 0)
        and math.isfinite(facts["end_seconds"])
        and all(0 < facts[side] <= 1 << 16 for side in ("width", "height"))
        and min(*facts["square_size"], *facts["time_base"], facts["sample_aspect_ratio"][1]) > 0
    )


def open_isolated(
    what: str | bytes | tuple[ReadAt, int, bool],
    name: str,
    seconds: float,
    arguments: Sequence[Any],
    limits: Isolation | bool,
) -> IsolatedVideo:
    """Open a video in a child; what :func:`deepsport.open` does with ``isolate``.

    Raises
    ------
    VideoError
        As :func:`deepsport.open`; DecoderCrashedError when the child died of it.
    """
    settings = limits if isinstance(limits, Isolation) else Isolation()
    if settings.memory_bytes < 1 << 20 or settings.cpu_seconds <= 0 or settings.processes < 1:
        raise InvalidRequestError(
            f"{settings}: valid are 1 MiB of memory and more, some processor time, and one process or more"
        )
    if isinstance(what, bytes) and len(what) > MOST_BYTES:
        raise LimitExceededError(f"{name}: more than 4 GiB in memory; valid is a path")
    return IsolatedVideo(_Source(what), name, list(arguments), settings, seconds)
