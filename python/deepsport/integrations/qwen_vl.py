"""A video reader for `qwen-vl-utils`, the preprocessing of the Qwen vision-language models.

    from deepsport.integrations import qwen_vl
    qwen_vl.install()                       # before the first video is read

The reader finds the frames by their true times, where the package's own readers compute
``index = second * fps``. Choosing how many frames, and resizing them, stays with the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import deepsport
from deepsport.errors import FrameRangeError, MissingExtraError
from deepsport.video import Video

__all__ = ["install", "read_video"]

NAME = "deepsport"


def read_video(ele: Mapping[str, Any]) -> tuple[Any, dict[str, Any], float]:
    """Read a video as a reader of `qwen_vl_utils.vision_process.VIDEO_READER_BACKENDS`.

    Parameters
    ----------
    ele : mapping
        ``video`` (path, ``file://`` or an address that fsspec opens), ``video_start`` and
        ``video_end`` in seconds, and ``nframes`` or ``fps`` with ``min_frames``, ``max_frames``.

    Returns
    -------
    video : torch.Tensor
        uint8, (frames, 3, height, width), RGB.
    metadata : dict
        With ``frames_indices`` and ``fps``, whose quotient is the time of each frame. Of a video
        with a variable frame rate, they count on a clock that ticks at the average rate.
    sample_fps : float
        Frames a second among those returned.

    Raises
    ------
    FrameRangeError
        When start and end leave no frame.
    VideoError
        See :func:`deepsport.open`.
    """
    import torch
    from qwen_vl_utils.vision_process import smart_nframes

    video = deepsport.open(str(ele["video"]).removeprefix("file://"))
    first, last = _range(video, ele.get("video_start"), ele.get("video_end"))
    total, fps = last - first + 1, video.average_fps
    count = smart_nframes(dict(ele), total_frames=total, video_fps=fps)
    indices = np.linspace(first, last, count).round().astype(int)
    clock = indices
    if video.variable_frame_rate:
        begin, end = video.pts_seconds[[first, last]]
        seconds = np.linspace(begin, end, count)
        indices = np.searchsorted(video.pts_seconds, seconds, side="right") - 1
        clock = np.round((video.pts_seconds[indices] - video.first_pts_seconds) * fps).astype(int)
    batch = video.at(indices.tolist())
    metadata = {
        "fps": fps,
        "frames_indices": clock.tolist(),
        "total_num_frames": total,
        "video_backend": NAME,
    }
    frames = torch.from_numpy(batch.data).permute(0, 3, 1, 2)
    return frames, metadata, count / total * fps


def _range(video: Video, start: float | None, end: float | None) -> tuple[int, int]:
    """Return the first frame that begins at or after `start`, the last that begins by `end`."""
    pts: NDArray[np.float64] = video.pts_seconds - video.first_pts_seconds
    first = 0 if start is None else int(np.searchsorted(pts, start, side="left"))
    last = len(pts) - 1 if end is None else int(np.searchsorted(pts, end, side="right")) - 1
    if first > last or first >= len(pts):
        raise FrameRangeError(
            f"seconds {start} to {end} of {video.path}: no frame begins there, valid are "
            f"0..{video.duration_seconds:.3f} with the start before the end"
        )
    return first, last


def install() -> None:
    """Make `qwen-vl-utils` read every video with deepsport, also when one was read before.

    A failure to read then is raised as it is; the package would try torchvision's reader, which
    no longer exists, and show that error instead.

    This holds for this process and those forked from it. A spawned one installs again, such as the
    workers of a data loader by their ``worker_init_fn``: the package has no place for readers of
    others, so its variable ``FORCE_QWENVL_VIDEO_READER`` cannot name one.

    Raises
    ------
    MissingExtraError
        When `qwen-vl-utils` or torchvision is not installed.
    """
    try:
        from qwen_vl_utils import vision_process
    except ImportError as error:
        raise MissingExtraError(
            f"qwen-vl-utils and torchvision are needed for this reader: {error}"
        ) from error
    vision_process.FORCE_QWENVL_VIDEO_READER = NAME
    vision_process.VIDEO_READER_BACKENDS[NAME] = read_video
    vision_process.VIDEO_READER_BACKENDS["torchvision"] = _raise_again
    vision_process.get_video_reader_backend.cache_clear()


def _raise_again(_: Mapping[str, Any]) -> Any:
    """Stand in for the fallback, which is called while the first error is being handled."""
    raise  # noqa: PLE0704
