"""torchcodec's `VideoDecoder` by name and behaviour, on deepsport: change the import, keep the code.

    from deepsport.integrations.torchcodec import VideoDecoder    # was: torchcodec.decoders

Frames are found exactly, as with ``seek_mode="exact"``; only the CPU, only the best video stream.
docs/migration.md lists the differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

import deepsport
from deepsport.errors import FrameRangeError, InvalidRequestError, MissingExtraError
from deepsport.video import Video

try:
    import torch
except ImportError as error:
    raise MissingExtraError(
        "torch is needed for tensors: pip install torch, or use deepsport.open for arrays"
    ) from error

__all__ = ["Frame", "FrameBatch", "VideoDecoder", "VideoStreamMetadata"]


@dataclass
class Frame:
    """One frame: `data` uint8 (3, height, width) or (height, width, 3), and its times."""

    data: torch.Tensor
    pts_seconds: float
    duration_seconds: float

    def __iter__(self) -> Iterator[Any]:
        return iter((self.data, self.pts_seconds, self.duration_seconds))


@dataclass
class FrameBatch:
    """Frames along the first dimension of each tensor; `data` shares memory with the decoder's."""

    data: torch.Tensor
    pts_seconds: torch.Tensor
    duration_seconds: torch.Tensor

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, key: Any) -> FrameBatch:
        return FrameBatch(self.data[key], self.pts_seconds[key], self.duration_seconds[key])

    def __iter__(self) -> Iterator[FrameBatch]:
        return (self[i] for i in range(len(self)))


@dataclass(frozen=True)
class VideoStreamMetadata:
    """What is known of the stream; names of torchcodec's metadata."""

    num_frames: int
    duration_seconds: float
    average_fps: float
    width: int
    height: int
    codec: str
    begin_stream_seconds: float
    end_stream_seconds: float
    rotation: int
    path: str


class VideoDecoder:
    """Frames of a video as tensors.

    Parameters
    ----------
    source : path, bytes or binary file object
    dimension_order : {"NCHW", "NHWC"}
    num_ffmpeg_threads : int
        Decoders at work at once; 0 means 1.
    stream_index, device, seek_mode
        None, ``"cpu"`` and ``"exact"``; ``"approximate"`` is accepted and exact as well.

    Raises
    ------
    InvalidRequestError
        When one of the last three asks for what is not there.
    VideoError
        See :func:`deepsport.open`.
    """

    def __init__(
        self,
        source: Any,
        *,
        stream_index: int | None = None,
        dimension_order: Literal["NCHW", "NHWC"] = "NCHW",
        num_ffmpeg_threads: int = 1,
        device: Any = "cpu",
        seek_mode: Literal["exact", "approximate"] = "exact",
    ) -> None:
        for name, value, valid in (
            ("stream_index", stream_index, {None}),
            ("dimension_order", dimension_order, {"NCHW", "NHWC"}),
            ("device", str(device or "cpu"), {"cpu"}),
            ("seek_mode", seek_mode, {"exact", "approximate"}),
        ):
            if value not in valid:
                raise InvalidRequestError(
                    f"{name} is {value!r}, valid are {sorted(map(str, valid))}"
                )
        self._video: Video = source if isinstance(source, Video) else deepsport.open(source)
        self._channels_first = dimension_order == "NCHW"
        self._threads = max(1, num_ffmpeg_threads)
        pts = self._video.pts_seconds
        self._durations = np.diff(np.append(pts, self._video.end_seconds))
        self.stream_index = 0
        self.metadata = VideoStreamMetadata(
            num_frames=self._video.frame_count,
            duration_seconds=self._video.duration_seconds,
            average_fps=self._video.average_fps,
            width=self._video.width,
            height=self._video.height,
            codec=self._video.codec,
            begin_stream_seconds=self._video.first_pts_seconds,
            end_stream_seconds=self._video.end_seconds,
            rotation=-self._video.rotation % 360,  # torchcodec counts counter-clockwise
            path=self._video.path,
        )

    def __len__(self) -> int:
        return self._video.frame_count

    def __getitem__(self, key: int | slice) -> torch.Tensor:
        if isinstance(key, slice):
            return self.get_frames_in_range(*key.indices(len(self))).data
        return self.get_frame_at(key).data

    def get_frame_at(self, index: int) -> Frame:
        """Return the frame with this index; negative ones count from the end."""
        batch = self.get_frames_at([index])
        return Frame(batch.data[0], float(batch.pts_seconds[0]), float(batch.duration_seconds[0]))

    def get_frames_at(self, indices: torch.Tensor | Sequence[int]) -> FrameBatch:
        """Return the frames with these indices, in this order."""
        asked = indices.tolist() if isinstance(indices, torch.Tensor) else list(indices)
        batch = self._video.at(asked, threads=self._threads)
        data = torch.from_dlpack(batch)
        return FrameBatch(
            data.permute(0, 3, 1, 2) if self._channels_first else data,
            torch.from_numpy(np.array(batch.pts_seconds)),
            torch.from_numpy(self._durations[batch.indices]),
        )

    def get_frames_in_range(self, start: int, stop: int, step: int = 1) -> FrameBatch:
        """Return the frames of ``range(start, stop, step)``, cut to the video like a slice."""
        return self.get_frames_at(range(*slice(start, stop, step).indices(len(self))))

    def get_frame_played_at(self, seconds: float) -> Frame:
        """Return the frame on screen at this second."""
        return self.get_frame_at(self._video.indices_played_at([seconds])[0])

    def get_frames_played_at(self, seconds: torch.Tensor | Sequence[float]) -> FrameBatch:
        """Return the frames on screen at these seconds."""
        asked = seconds.tolist() if isinstance(seconds, torch.Tensor) else seconds
        return self.get_frames_at(self._video.indices_played_at(asked))

    def get_frames_played_in_range(
        self, start_seconds: float, stop_seconds: float, fps: float | None = None
    ) -> FrameBatch:
        """Return the frames on screen in ``[start_seconds, stop_seconds)``, or at `fps` a second.

        With `fps` the times are those of the new rate, as in torchcodec.

        Raises
        ------
        InvalidRequestError
            When the range is reversed.
        FrameRangeError
            When it leaves the video.
        """
        video = self._video
        asked = f"seconds {start_seconds} to {stop_seconds} of {video.path}"
        if not start_seconds <= stop_seconds:
            raise InvalidRequestError(f"{asked}: valid is a start before the stop")
        begin, end = video.first_pts_seconds, video.end_seconds
        if not (begin <= start_seconds < end and stop_seconds <= end):
            raise FrameRangeError(f"{asked}: valid are {begin}..{end}")
        if start_seconds == stop_seconds:
            return self.get_frames_at([])
        if fps is not None:
            count = max(1, round((stop_seconds - start_seconds) * fps))
            seconds = start_seconds + np.arange(count) / fps
            frames = self.get_frames_played_at(seconds.tolist())
            frames.pts_seconds = torch.from_numpy(seconds)
            frames.duration_seconds = torch.full((count,), 1 / fps, dtype=torch.float64)
            return frames
        first = video.indices_played_at([start_seconds])[0]
        stop = int(np.searchsorted(video.pts_seconds, stop_seconds, side="left"))
        return self.get_frames_at(range(first, stop))

    def get_all_frames(self, fps: float | None = None) -> FrameBatch:
        """Return every frame, or `fps` a second."""
        if fps is None:
            return self.get_frames_at(range(len(self)))
        video = self._video
        return self.get_frames_played_in_range(video.first_pts_seconds, video.end_seconds, fps)
