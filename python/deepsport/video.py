"""Open a video and get exactly the frames asked for, with their true times.

Not for what a model does with frames (`deepsport.tool`) nor for tables of packets
(`deepsport.index`).
"""

from __future__ import annotations

import logging
import operator
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from deepsport._core import video as _core
from deepsport.errors import CorruptVideoError, InvalidRequestError, LimitExceededError

if TYPE_CHECKING:
    from deepsport.remote import RangeReader

__all__ = ["FrameBatch", "Status", "Video", "index_cache_folder", "open"]

logger = logging.getLogger(__name__)

Status = Literal["ok", "damaged", "missing"]
_STATUS: tuple[Status, Status, Status] = ("ok", "damaged", "missing")


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Pictures with what is known of each; row `k` of every array belongs to request `k`.

    Attributes
    ----------
    data : array
        uint8, (n, height, width, 3), RGB.
    indices : array
        int64, (n,): frame indices, from 0.
    pts_seconds : array
        float64, (n,): when each frame appears.
    status : tuple of str
        ``"ok"``; ``"damaged"``: the bitstream was damaged here or in a picture this one is
        predicted from; ``"missing"``: nothing could be decoded, the pixels are zero.
    counts : dict
        What the request cost: packets decoded, packets dropped, seeks.
    """

    data: NDArray[np.uint8]
    indices: NDArray[np.int64]
    pts_seconds: NDArray[np.float64]
    status: tuple[Status, ...]
    counts: dict[str, int]

    def __len__(self) -> int:
        return len(self.indices)

    def __dlpack__(self, **how: Any) -> Any:
        """Hand `data` to another library without a copy: ``torch.from_dlpack(batch)``."""
        return self.data.__dlpack__(**how)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Say where `data` lies: in main memory."""
        return self.data.__dlpack_device__()


class Video:
    """A video opened for exact access; made by :func:`deepsport.open`.

    Frames are numbered from 0 in the order they are shown. Times are those of the stream, in
    seconds: the first frame need not be at 0.

    Notes
    -----
    Safe to share between threads; the GIL is released while decoding. Usable after ``fork()``.
    Can be pickled when opened from a path; it is opened again where it arrives.

    Examples
    --------
    >>> video = deepsport.open("rally.mp4")                             # doctest: +SKIP
    >>> video.window(2.0, 4.0, num=8, size=(640, 360)).data.shape       # doctest: +SKIP
    (8, 360, 640, 3)
    """

    def __init__(
        self, core: _core.Video, path: str, reopen: tuple[str, dict[str, Any]] | None
    ) -> None:
        self._core = core
        self._reopen = reopen
        self._facts = core.facts()
        self.path = path
        self.pts_seconds: NDArray[np.float64] = core.pts_seconds()
        self.pts_seconds.flags.writeable = False

    def __repr__(self) -> str:
        return (
            f"<Video {self.path}: {self.frame_count} frames, {self.width}x{self.height}, "
            f"{self.codec}>"
        )

    def __len__(self) -> int:
        return self.frame_count

    def __reduce__(self) -> tuple[Any, ...]:
        if self._reopen is None:
            raise TypeError(
                f"{self.path}: opened from memory or a file object; only a video opened from a "
                "path can be pickled"
            )
        path, options = self._reopen
        return (_open_again, (path, options))

    @property
    def frame_count(self) -> int:
        """Number of frames that are really there."""
        return int(self._facts["frame_count"])

    @property
    def width(self) -> int:
        """Width in pixels as displayed, after rotation."""
        return int(self._facts["width"])

    @property
    def height(self) -> int:
        """Height in pixels as displayed, after rotation."""
        return int(self._facts["height"])

    @property
    def rotation(self) -> int:
        """Degrees clockwise by which the stored picture is turned for display."""
        return int(self._facts["rotation"])

    @property
    def sample_aspect_ratio(self) -> tuple[int, int]:
        """Shape of a stored pixel, width to height; (0, 1) when unknown. Frames keep pixels."""
        num, den = self._facts["sample_aspect_ratio"]
        return int(num), int(den)

    @property
    def codec(self) -> str:
        """Name of the codec, e.g. ``"h264"``."""
        return str(self._facts["codec"])

    @property
    def container(self) -> str:
        """FFmpeg's name of the container format."""
        return str(self._facts["container"])

    @property
    def first_pts_seconds(self) -> float:
        """When the first frame appears."""
        return float(self.pts_seconds[0])

    @property
    def last_pts_seconds(self) -> float:
        """When the last frame appears."""
        return float(self.pts_seconds[-1])

    @property
    def end_seconds(self) -> float:
        """When the last frame goes; the end of every valid window."""
        return float(self._facts["end_seconds"])

    @property
    def duration_seconds(self) -> float:
        """From the first frame's appearance to the last one's end."""
        return self.end_seconds - self.first_pts_seconds

    @property
    def average_fps(self) -> float:
        """Frames a second over the whole video."""
        return self.frame_count / self.duration_seconds

    @property
    def keyframe_count(self) -> int:
        """Number of places where decoding can start."""
        return int(self._facts["keyframe_count"])

    @property
    def variable_frame_rate(self) -> bool:
        """Do the steps between frames differ by more than the container's clock makes them?"""
        return bool(self._facts["variable_frame_rate"])

    @property
    def truncated(self) -> bool:
        """Does the container promise more than the file holds?"""
        return bool(self._facts["truncated"])

    @property
    def signature(self) -> str:
        """Hash of size, head and tail of the file: 32 hex digits."""
        return str(self._facts["signature"])

    @property
    def index_origin(self) -> str:
        """How the frames were found: ``"sample table"``, ``"packet scan"`` or ``"decoding"``."""
        return str(self._facts["origin"])

    def resolve(self, indices: Iterable[int]) -> list[int]:
        """Return frame indices with negative ones counted from the end.

        Raises
        ------
        FrameRangeError
            An index outside of the video.
        InvalidRequestError
            One that is not a whole number.
        """
        found: list[int] = self._core.resolve([_as_index(index) for index in indices]).tolist()
        return found

    def indices_played_at(self, seconds: Iterable[float]) -> list[int]:
        """Return the indices of the frames on screen at these seconds.

        Raises
        ------
        FrameRangeError
            A second outside of ``[first_pts_seconds, end_seconds)``.
        """
        found: list[int] = self._core.played_at([float(second) for second in seconds]).tolist()
        return found

    @property
    def index_from_cache(self) -> bool:
        """Was the index read from an index file?"""
        return bool(self._facts["from_cache"])

    def at(
        self,
        indices: Iterable[int],
        size: tuple[int, int] | None = None,
        *,
        threads: int = 1,
        strict: bool = True,
        deadline_seconds: float | None = 120.0,
        drop_unneeded: bool = True,
    ) -> FrameBatch:
        """Return the frames with these indices.

        Parameters
        ----------
        indices : iterable of int
            In any order, repeats allowed; negative ones count from the end.
        size : (width, height) or None
            Size of the pictures; ``None`` keeps the video's.
        threads : int
            Decoders at work at once, over groups of pictures.
        strict : bool
            Raise when a frame cannot be decoded; otherwise its status is ``"missing"``.
        deadline_seconds : float or None
            Give up after this long.
        drop_unneeded : bool
            Skip pictures that nothing is predicted from; the frames are the same either way.

        Raises
        ------
        FrameRangeError
            An index outside of the video.
        CorruptVideoError
            A frame cannot be decoded and `strict` is set.
        InvalidRequestError
            A size or number of threads that cannot be.
        DecodeTimeoutError
            The deadline passed.
        """
        asked = [_as_index(index) for index in indices]
        return self._get(
            self._core.resolve(asked), size, threads, strict, deadline_seconds, drop_unneeded
        )

    def played_at(
        self, seconds: Iterable[float], size: tuple[int, int] | None = None, **how: Any
    ) -> FrameBatch:
        """Return the frames on screen at these seconds; other arguments as in :meth:`at`.

        Raises
        ------
        FrameRangeError
            A second outside of ``[first_pts_seconds, end_seconds)``.
        """
        return self.at(self.indices_played_at(seconds), size, **how)

    def window(
        self,
        start_seconds: float,
        stop_seconds: float,
        num: int,
        size: tuple[int, int] | None = None,
        **how: Any,
    ) -> FrameBatch:
        """Return `num` frames spread evenly over ``[start_seconds, stop_seconds)``.

        Frame `k` is the one on screen at ``start + k (stop - start) / num``; a window shorter than
        `num` frames repeats some. Other arguments as in :meth:`at`.

        Raises
        ------
        InvalidRequestError
            A window that is empty or runs backwards, or `num` below one.
        FrameRangeError
            A window that leaves the video.
        """
        frames = self.window_indices(start_seconds, stop_seconds, num)
        return self.at(frames.tolist(), size, **how)

    def window_indices(
        self, start_seconds: float, stop_seconds: float, num: int
    ) -> NDArray[np.int64]:
        """Return the indices of the frames that :meth:`window` would decode."""
        return self._core.window(float(start_seconds), float(stop_seconds), _as_index(num))

    def packets(self) -> dict[str, NDArray[Any]]:
        """Return the packets of the stream in decoding order, one array a column.

        Returns
        -------
        dict
            ``pts``, ``dts`` in ticks of the stream's clock, ``offset``, ``size`` in bytes, ``frame``
            (index of the frame it becomes, -1 for none), ``is_key``, ``is_droppable``,
            ``is_direct`` (its bytes lie unchanged at `offset`). With ``index_origin`` "sample table"
            nothing is marked droppable: that is found when packets are read.
        """
        columns = self._core.packets()
        flags = columns.pop("flags")
        for bit, name in enumerate(("is_key", "is_droppable", "is_hidden", "is_direct")):
            columns[name] = (flags >> bit & 1).astype(bool)
        return columns

    def planes_at(
        self,
        indices: Iterable[int],
        *,
        threads: int = 1,
        deadline_seconds: float | None = 120.0,
        drop_unneeded: bool = True,
    ) -> list[tuple[str, int, int, NDArray[np.uint8], Status]]:
        """Return the decoder's own planes, to compare bit for bit with another decoder.

        Returns
        -------
        list of (pixel_format, width, height, bytes, status)
            FFmpeg's name of the pixel format; the stored size, before rotation; the rows of all
            planes without padding, as ``ffmpeg -f rawvideo`` writes them.
        """
        asked = [_as_index(index) for index in indices]
        frames = self._core.resolve(asked)
        found = self._core.planes(frames.tolist(), threads, drop_unneeded, deadline_seconds or 0.0)
        return [(name, w, h, data, _STATUS[status]) for name, w, h, data, status in found]

    def _get(
        self,
        frames: NDArray[np.int64],
        size: tuple[int, int] | None,
        threads: int,
        strict: bool,
        deadline_seconds: float | None,
        drop_unneeded: bool,
    ) -> FrameBatch:
        width, height = _checked_size(size) or (self.width, self.height)
        if len(frames) * width * height * 3 > 1 << 36:
            raise LimitExceededError(
                f"{len(frames)} frames of {width}x{height} of {self.path}: they need "
                f"{len(frames) * width * height * 3 / 2**30:.0f} GiB at once, the limit is 64 GiB; "
                "ask for fewer or smaller frames at a time"
            )
        data, found, counts = self._core.rgb(
            frames.tolist(), width, height, threads, drop_unneeded, deadline_seconds or 0.0
        )
        status = tuple(_STATUS[code] for code in found.tolist())
        if strict and "missing" in status:
            missing = sorted({int(frames[k]) for k, s in enumerate(status) if s == "missing"})
            shown = ", ".join(map(str, missing[:8])) + (", ..." if len(missing) > 8 else "")
            raise CorruptVideoError(
                f"frames {shown} of {self.path}: nothing could be decoded for them "
                f"({len(missing)} of {len(set(frames.tolist()))} asked for); valid is an undamaged "
                "file, or strict=False to get the others"
            )
        names = ("packets_decoded", "packets_dropped", "seeks")
        return FrameBatch(
            data,
            frames,
            self.pts_seconds[frames],
            status,
            dict(zip(names, counts, strict=True)),
        )


def open(
    path: str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO,
    *,
    max_pixels: int = 1 << 26,
    max_packets: int = 1 << 24,
    deadline_seconds: float | None = 120.0,
    sample_tables: bool = True,
    index_cache: str | os.PathLike[str] | bool = True,
    keep_after_seconds: float = 0.05,
) -> Video:
    """Open a video and find its frames, in the order and at the times a player shows them.

    Parameters
    ----------
    path : path, address, bytes or binary file object
        Where the bytes are. An address such as ``https://...`` or ``s3://...`` is read in ranges by
        fsspec (:mod:`deepsport.remote`). A file object must seek; it is read under a lock.
    max_pixels : int
        Largest picture accepted.
    max_packets : int
        Longest video accepted.
    deadline_seconds : float or None
        Give up after this long.
    sample_tables : bool
        Read the tables of an mp4 where they tell everything; otherwise visit every packet.
    index_cache : bool or path
        Keep indexes that took long to make: ``True`` in :func:`index_cache_folder`,
        ``False`` nowhere, or in a folder of yours.
    keep_after_seconds : float
        What counts as long.

    Raises
    ------
    VideoNotFoundError, NotAVideoError, TruncatedVideoError, CorruptVideoError,
    EncryptedVideoError, UnsupportedVideoError, LimitExceededError, DecodeTimeoutError, VideoIOError
    """
    options = {
        "max_pixels": max_pixels,
        "max_packets": max_packets,
        "deadline_seconds": deadline_seconds,
        "sample_tables": sample_tables,
        "index_cache": index_cache,
        "keep_after_seconds": keep_after_seconds,
    }
    what: Any
    reopen = None
    if isinstance(path, (str, os.PathLike)):
        name = what = os.fspath(path)
        if not isinstance(name, str) or "\0" in name:
            raise InvalidRequestError(f"path {name!r}: valid is text without a zero character")
        if name.startswith("~"):
            name = what = str(Path(name).expanduser())
        if "://" in name and not name.startswith("file://"):
            from deepsport.remote import open_address

            reopen, what = (name, options), _from_file_object(open_address(name))[1]
        else:
            what = name.removeprefix("file://")
            reopen = (str(Path(what).absolute()), options)
    elif isinstance(path, (bytes, bytearray, memoryview)):
        name, what = f"<{len(path)} bytes in memory>", bytes(path)
    else:
        name, what = _from_file_object(path)
    folder = index_cache_folder() if index_cache is True else index_cache or ""
    core = _core.open(
        what,
        name,
        deadline_seconds or 0.0,
        max_pixels,
        max_packets,
        sample_tables,
        os.fspath(folder),
        keep_after_seconds,
    )
    if remark := core.facts()["remark"]:
        logger.warning("%s: %s", name, remark)
    return Video(core, name, reopen)


def index_cache_folder() -> str:
    """Return where index files are kept, empty for nowhere.

    The folder that ``DEEPSPORT_INDEX_CACHE`` names, ``off`` for none; else
    ``$XDG_CACHE_HOME/deepsport/index``, else ``~/.cache/deepsport/index``.
    """
    wanted = os.environ.get("DEEPSPORT_INDEX_CACHE")
    if wanted is not None:
        return "" if wanted.lower() in {"", "0", "off", "no"} else wanted
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(base) if base else Path.home() / ".cache"
    except RuntimeError:  # no home
        return ""
    return str(folder / "deepsport" / "index")


def _open_again(path: str, options: dict[str, Any]) -> Video:
    return open(path, **options)


def _from_file_object(file: BinaryIO | RangeReader) -> tuple[str, Any]:
    if not hasattr(file, "read") or not hasattr(file, "seek"):
        raise InvalidRequestError(
            f"a {type(file).__name__} is not a video source; valid are a path, bytes, or a binary "
            "file object that can seek"
        )
    size = file.seek(0, os.SEEK_END)

    def read_at(offset: int, count: int) -> bytes:
        file.seek(offset)
        return file.read(count)

    return f"<{getattr(file, 'name', type(file).__name__)}>", (read_at, size)


def _as_index(value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise InvalidRequestError(
            f"{value!r} is a {type(value).__name__}, not a whole number; valid frame indices and "
            "counts are integers"
        ) from None


def _checked_size(size: Sequence[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    if len(size) != 2:
        raise InvalidRequestError(f"size {tuple(size)}: valid is (width, height)")
    width, height = _as_index(size[0]), _as_index(size[1])
    if not (1 <= width <= 1 << 14 and 1 <= height <= 1 << 14):
        raise InvalidRequestError(
            f"size {width}x{height}: valid widths and heights are 1..{1 << 14}"
        )
    return width, height
