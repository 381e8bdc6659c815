"""decord's `VideoReader` by name and behaviour, on deepsport: change the import, keep the code.

    from deepsport.integrations.decord import VideoReader, bridge, cpu    # was: decord

Arrays are NumPy's with an `asnumpy` of their own, or torch tensors after ``bridge.set_bridge("torch")``.
docs/migration.md lists the differences.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import deepsport
from deepsport.errors import FrameRangeError, InvalidRequestError
from deepsport.tool.frame_source import fit_inside
from deepsport.video import Video

__all__ = ["VideoReader", "bridge", "cpu"]


class Array(np.ndarray):
    """A NumPy array that also answers to `asnumpy`."""

    def asnumpy(self) -> NDArray[Any]:
        """Return the plain array, the same memory."""
        return self.view(np.ndarray)


class _Bridge(threading.local):
    """What kind of array this thread gets: ``"native"`` or ``"torch"``."""

    kind = "native"

    def set_bridge(self, kind: str) -> None:
        """Choose ``"native"`` or ``"torch"`` for this thread."""
        if kind not in ("native", "torch"):
            raise InvalidRequestError(f"bridge {kind!r}, valid are 'native' and 'torch'")
        self.kind = kind

    def reset_bridge(self) -> None:
        """Go back to ``"native"``."""
        self.kind = "native"

    def out(self, data: NDArray[np.uint8]) -> Any:
        if self.kind == "torch":
            import torch

            return torch.from_numpy(data)
        return data.view(Array)


bridge = _Bridge()


def cpu(device: int = 0) -> str:  # noqa: ARG001
    """Name the CPU as a context; the only one there is."""
    return "cpu"


class VideoReader:
    """Frames of a video by index, and one after another.

    Parameters
    ----------
    uri : path or binary file object
    ctx
        What `cpu()` returns; ignored.
    width, height : int
        Size of the frames; -1 for the video's own, or what keeps the aspect when the other is given.
    num_threads : int
        Decoders at work at once; 0 means 1.
    fault_tol
        Accepted; a frame that cannot be decoded is an error here.

    Raises
    ------
    VideoError
        See :func:`deepsport.open`.

    Notes
    -----
    Safe to share between threads, but for `next` and what moves its place.
    """

    def __init__(
        self,
        uri: Any,
        ctx: Any = None,  # noqa: ARG002
        width: int = -1,
        height: int = -1,
        num_threads: int = 0,
        fault_tol: int = -1,  # noqa: ARG002
    ) -> None:
        self._video: Video = uri if isinstance(uri, Video) else deepsport.open(uri)
        self._threads = max(1, num_threads)
        self._size: tuple[int, int] | None = None
        if width > 0 and height > 0:
            self._size = (width, height)
        elif width > 0 or height > 0:
            most = 1 << 14
            self._size = fit_inside(
                self._video.width * most, self._video.height * most,
                width if width > 0 else most, height if height > 0 else most,
            )  # fmt: skip
        self._place = 0

    def __len__(self) -> int:
        return self._video.frame_count

    def __getitem__(self, key: int | slice) -> Any:
        if isinstance(key, slice):
            return self.get_batch(range(*key.indices(len(self))))
        [index] = self._video.resolve([key])
        self._place = index + 1
        return bridge.out(self._at([index])[0])

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def _at(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        return self._video.at(indices, self._size, threads=self._threads).data

    def get_batch(self, indices: Any) -> Any:
        """Return frames, uint8 (n, height, width, 3), RGB."""
        return bridge.out(self._at([int(i) for i in indices]))

    def next(self) -> Any:
        """Return the next frame and move on; raise StopIteration at the end."""
        if self._place >= len(self):
            raise StopIteration
        return self[self._place]

    def seek(self, pos: int) -> None:
        """Go to a frame, exactly: decord's goes to the keyframe before it."""
        if not 0 <= pos < len(self):
            raise FrameRangeError(
                f"frame {pos} of {self._video.path}, valid are 0..{len(self) - 1}"
            )
        self._place = int(pos)

    def seek_accurate(self, pos: int) -> None:
        """Go to a frame."""
        self.seek(pos)

    def skip_frames(self, num: int = 1) -> None:
        """Leave out frames."""
        self._place = min(len(self), self._place + max(0, num))

    def get_avg_fps(self) -> float:
        """Return frames a second over the whole video."""
        return self._video.average_fps

    def get_key_indices(self) -> list[int]:
        """Return the indices of the frames at which decoding can start."""
        packets = self._video.packets()
        found: list[int] = np.sort(packets["frame"][packets["is_key"]]).tolist()
        return [frame for frame in found if frame >= 0]

    def get_frame_timestamp(self, idx: Any) -> NDArray[np.float32]:
        """Return when frames appear and go, float32 (n, 2), or (2,) of a single one; seconds."""
        resolved = np.array(self._video.resolve(np.atleast_1d(idx).tolist()), dtype=np.int64)
        ends = np.append(self._video.pts_seconds[1:], self._video.end_seconds)
        times = np.stack([self._video.pts_seconds[resolved], ends[resolved]], axis=1)
        return (times if np.ndim(idx) else times[0]).astype(np.float32)
