"""A video opened for exact access: frames by index, second and window."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepsport._core import frames as _frames
from deepsport._core import video as _core
from deepsport.device import choose_device
from deepsport.errors import CorruptVideoError, InvalidRequestError, LimitExceededError
from deepsport.pixels import Pixels
from deepsport.video.facts import VideoFacts
from deepsport.video.frame_batch import STATUSES, FrameBatch, Status
from deepsport.video.request import as_core_integer, as_index, checked_size, writable_frames
from deepsport.video.snap import cheapest_near

if TYPE_CHECKING:
    from threading import Event

    from deepsport.isolation import IsolatedVideo

__all__ = ["Video"]

logger = logging.getLogger(__name__)
_RGB = Pixels()


class Video(VideoFacts):
    """A video opened for exact access; made by :func:`deepsport.open`.

    Frames are numbered from 0 in the order they are shown. Times are those of the stream, in
    seconds: the first frame need not be at 0.

    Notes
    -----
    Safe to share between threads; the GIL is released while decoding. Usable after ``fork()``, unless
    opened from a file object, whose place in the file parent and child would share: UsedAfterForkError
    there, but for a `BytesIO`. Can be pickled when opened from a path or an address; it is opened again
    where it arrives.

    Examples
    --------
    >>> video = deepsport.open("rally.mp4")                             # doctest: +SKIP
    >>> video.window(2.0, 4.0, num=8, size=(640, 360)).data.shape       # doctest: +SKIP
    (8, 360, 640, 3)
    """

    def __init__(
        self,
        core: _core.Video | IsolatedVideo,
        facts: dict[str, Any],
        path: str,
        reopen: tuple[str, dict[str, Any]] | None,
    ) -> None:
        self._core = core
        self._reopen = reopen
        self._facts = facts
        self.path = path

    def __repr__(self) -> str:
        return (
            f"<Video {self.path}: {self.frame_count} frames, {self.width}x{self.height}, "
            f"{self.codec}>"
        )

    def __len__(self) -> int:
        return self.frame_count

    @property
    def identity(self) -> str | None:
        """Text that no other file's content shares: path, time of change, size, head and tail.

        None for bytes, file objects and addresses, whose middle nobody has vouched for.
        """
        modified_ns = int(self._facts["modified_ns"])
        if self._reopen is None or not modified_ns:
            return None
        return f"{self._reopen[0]} {modified_ns} {self.signature}"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._reopen is None:
            raise TypeError(
                f"{self.path}: opened from memory or a file object; only a video opened from a "
                "path can be pickled"
            )
        from deepsport.video.opening import open_again

        return (open_again, self._reopen)

    def resolve(self, indices: Iterable[int]) -> list[int]:
        """Return frame indices with negative ones counted from the end.

        Raises
        ------
        FrameRangeError
            An index outside of the video.
        InvalidRequestError
            One that is not a whole number.
        """
        found: list[int] = self._core.resolve([as_index(index) for index in indices]).tolist()
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

    def at(
        self,
        indices: Iterable[int],
        size: tuple[int, int] | None = None,
        *,
        threads: int = 1,
        square_pixels: bool = False,
        strict: bool = True,
        deadline_seconds: float | None = 120.0,
        drop_unneeded: bool = True,
        device: str = "cpu",
        out: Any = None,
        stream: Any = None,
        pixels: Pixels | None = None,
        cancel: Event | None = None,
        loop_filter: bool = True,
    ) -> FrameBatch:
        """Return the frames with these indices.

        Parameters
        ----------
        indices : iterable of int
            In any order, repeats allowed; negative ones count from the end.
        size : (width, height) or None
            Size of the pictures; ``None`` keeps the video's.
        square_pixels : bool
            Apply the sample aspect ratio: the size is `square_size`. Only without `size`.
        threads : int
            Decoders at work at once, over groups of pictures; on a CUDA device, which has several
            engines, each keeps one of them busy.
        strict : bool
            Raise when a frame cannot be decoded; otherwise its status is ``"missing"``.
        deadline_seconds : float or None
            Give up after this long.
        drop_unneeded : bool
            Skip pictures that nothing is predicted from; the frames are the same either way.
        device : str
            ``"cpu"``; ``"cuda"`` or ``"cuda:N"``, to decode into device memory, where `data` is a
            `deepsport.cuda.CudaArray` or `out`; ``"auto"``: the first CUDA device if it can decode
            here, else the CPU, whose reason is logged.
        out : array, tensor or None
            Memory to write into, of the shape and type that `pixels` gives, instead of fresh pages.
            With a CUDA device a torch tensor, or an object with ``__cuda_array_interface__``; with
            the CPU a NumPy array (bfloat16: uint16) or torch tensor, such as one of pinned memory
            (`deepsport.cuda.pinned_empty`).
        stream : int, stream object or None
            Only with `out`: the stream to queue on; ``None`` is torch's current one.
        pixels : deepsport.Pixels or None
            Order, dtype and normalisation; ``None`` is uint8, (n, height, width, 3). bfloat16,
            which NumPy does not know, comes as its bits in uint16 from the CPU.
        cancel : threading.Event or None
            Only with the device ``"cpu"``: stop soon after it is set.
        loop_filter : bool
            ``False`` leaves out the filter of H.264, HEVC and VP9 that smooths the edges of blocks:
            faster, and **not exact**: pictures drift from what was encoded the further they lie from
            their key picture. See docs/frames.md for how much. Only with the device ``"cpu"``, and
            not with `isolate`.

        Raises
        ------
        DeviceUnavailableError
            A CUDA device was asked for that cannot decode here; says why.
        FrameRangeError
            An index outside of the video.
        CorruptVideoError
            A frame cannot be decoded and `strict` is set.
        InvalidRequestError
            A size, `pixels` or number of threads that cannot be; a `size` together with `square_pixels`;
            a `cancel` with another device than the CPU; no `loop_filter` where there must be one.
        LimitExceededError
            Frames that need more than 64 GiB, or more than the system has.
        DecodeTimeoutError
            The deadline passed.
        DecodeCancelledError
            `cancel` was set.
        """
        asked = [as_index(index) for index in indices]
        frames = self._core.resolve(asked)
        if square_pixels:
            if size is not None:
                raise InvalidRequestError(
                    f"size {tuple(size)} with square_pixels; valid is one of them"
                )
            size = self.square_size
        if cancel is not None and device != "cpu":  # also where "auto" would find no GPU
            raise InvalidRequestError(
                f"cancel with device {device!r}; valid are device='cpu', or deadline_seconds instead"
            )
        if not loop_filter and (device != "cpu" or not isinstance(self._core, _core.Video)):
            raise InvalidRequestError(
                f"loop_filter=False with device {device!r}, or of an isolated video; valid is "
                "device='cpu' and a video of this process"
            )
        device = choose_device(device)
        if device == "cpu":
            if stream is not None:
                raise InvalidRequestError("a stream with device 'cpu'; valid are CUDA devices")
            return self._get(
                frames, size, threads, strict, deadline_seconds, drop_unneeded, pixels, out, cancel,
                loop_filter,
            )  # fmt: skip
        how = {
            "threads": threads,
            "deadline_seconds": deadline_seconds,
            "drop_unneeded": drop_unneeded,
        }
        return self._get_on(device, frames, size, pixels, strict, out=out, stream=stream, **how)

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
        LimitExceededError
            More than ``1 << 24`` frames.
        """
        frames = self.window_indices(start_seconds, stop_seconds, num)
        return self.at(frames.tolist(), size, **how)

    def window_indices(
        self, start_seconds: float, stop_seconds: float, num: int
    ) -> NDArray[np.int64]:
        """Return the indices of the frames that :meth:`window` would decode."""
        return self._core.window(float(start_seconds), float(stop_seconds), as_core_integer(num))

    def snap(self, indices: Iterable[int], within_seconds: float) -> list[int]:
        """Return for each frame the one near it that costs least to decode.

        An opt-in for those to whom a moment is as good as another:
        ``video.at(video.snap(indices, 0.2))`` says in its `indices` and `pts_seconds` what it shows.

        Parameters
        ----------
        indices : iterable of int
        within_seconds : float
            How far the time of a frame may lie from that of the one asked for.

        Raises
        ------
        FrameRangeError
            An index outside of the video.
        InvalidRequestError
            `within_seconds` is negative or no number.
        """
        return cheapest_near(self, self.resolve(indices), within_seconds)

    def packets(self) -> dict[str, NDArray[Any]]:
        """Return the packets of the stream in decoding order, one array a column.

        Returns
        -------
        dict
            ``pts``, ``dts`` in ticks of the stream's clock, ``offset``, ``size`` in bytes, ``frame``
            (index of the frame it becomes, -1 for none), ``is_key``, ``is_droppable``,
            ``is_direct`` (its bytes lie unchanged at `offset`). With ``index_origin`` "sample table"
            or "block headers" nothing is marked droppable: that is found when packets are read. With
            "transport stream", `offset` is where the first transport packet of a picture lies.
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
        asked = [as_index(index) for index in indices]
        frames = self._core.resolve(asked)
        found = self._core.planes(frames.tolist(), threads, drop_unneeded, deadline_seconds or 0.0)
        return [(name, w, h, data, STATUSES[status]) for name, w, h, data, status in found]

    def _get(
        self,
        frames: NDArray[np.int64],
        size: tuple[int, int] | None,
        threads: int,
        strict: bool,
        deadline_seconds: float | None,
        drop_unneeded: bool,
        pixels: Pixels | None = None,
        out: Any = None,
        cancel: Event | None = None,
        loop_filter: bool = True,
    ) -> FrameBatch:
        width, height = checked_size(size) or (self.width, self.height)
        layout = pixels or _RGB
        format_ = layout.format(width, height)
        if format_.total_bytes(len(frames)) > 1 << 36:
            raise LimitExceededError(
                f"{len(frames)} frames of {width}x{height} of {self.path}: they need "
                f"{format_.total_bytes(len(frames)) / 2**30:.0f} GiB at once, the limit is 64 GiB; "
                "ask for fewer or smaller frames at a time"
            )
        into = None if out is None else writable_frames(out, layout, len(frames), (width, height))
        how = (threads, drop_unneeded, deadline_seconds or 0.0)
        stop: dict[str, Any] = {} if cancel is None else {"cancel": cancel}
        data: NDArray[Any]
        if isinstance(self._core, _core.Video):
            data, found, counts = _frames.decode(
                self._core, frames.tolist(), format_, into, *how, loop_filter=loop_filter, **stop
            )
        else:
            data, found, counts = self._core.rgb(frames.tolist(), width, height, *how, **stop)
            data = data if pixels is None else _frames.lay_out(data, format_)
            if into is not None:
                into[...] = data
        status = self._statuses(frames, found.tolist(), strict)
        names = ("packets_decoded", "packets_dropped", "seeks")
        return FrameBatch(
            data if out is None else out,
            frames,
            self.pts_seconds[frames],
            status,
            dict(zip(names, counts, strict=True)),
        )

    def _get_on(
        self,
        device: str,
        frames: NDArray[np.int64],
        size: tuple[int, int] | None,
        pixels: Pixels | None,
        strict: bool,
        **how: Any,
    ) -> FrameBatch:
        from deepsport import cuda

        if not isinstance(self._core, _core.Video):
            raise InvalidRequestError(
                f"device {device!r} for {self.path}, opened with isolate; valid is the CPU"
            )
        data, codes, report = cuda.decode(
            self._core,
            frames.tolist(),
            checked_size(size) or (self.width, self.height),
            device,
            pixels or _RGB,
            **how,
        )
        why = report.pop("why_on_cpu")
        if why:
            level = logging.WARNING if why.startswith("NVDEC failed") else logging.INFO
            logger.log(
                level, "%s: decoded on the CPU and uploaded to %s: %s", self.path, device, why
            )
        report["decoded_on_cpu"] = int(bool(why))
        status = self._statuses(frames, codes, strict)
        return FrameBatch(data, frames, self.pts_seconds[frames], status, report)

    def _statuses(
        self, frames: NDArray[np.int64], codes: list[int], strict: bool
    ) -> tuple[Status, ...]:
        """Names of the statuses; raises for missing pictures when `strict` is set."""
        status = tuple(STATUSES[code] for code in codes)
        if strict and "missing" in status:
            missing = sorted({int(frames[k]) for k, s in enumerate(status) if s == "missing"})
            shown = ", ".join(map(str, missing[:8])) + (", ..." if len(missing) > 8 else "")
            raise CorruptVideoError(
                f"frames {shown} of {self.path}: nothing could be decoded for them "
                f"({len(missing)} of {len(set(frames.tolist()))} asked for); valid is an undamaged "
                "file, or strict=False to get the others"
            )
        return status
