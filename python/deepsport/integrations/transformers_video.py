"""A video decoder for transformers: `load_video(path, backend="deepsport")`.

    from deepsport.integrations import transformers_video
    transformers_video.install()
    frames, metadata = transformers.video_utils.load_video(path, num_frames=8, backend="deepsport")

Processors choose their decoder themselves; hand them the frames and the metadata with
``do_sample_frames=False``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import deepsport
from deepsport.errors import MissingExtraError

__all__ = ["install", "read_video"]

NAME = "deepsport"


def read_video(
    video_path: Any, sample_indices_fn: Callable[..., Any], **kwargs: Any
) -> tuple[NDArray[np.uint8], Any]:
    """Decode as an entry of `transformers.video_utils.VIDEO_DECODERS`.

    Parameters
    ----------
    video_path : path or binary file object
    sample_indices_fn : callable
        Takes ``metadata=`` and `kwargs`, returns the frame indices wanted.

    Returns
    -------
    frames : array
        uint8, (n, height, width, 3), RGB.
    metadata : transformers.video_utils.VideoMetadata

    Raises
    ------
    VideoError
        See :func:`deepsport.open` and :meth:`deepsport.Video.at`.
    """
    from transformers.video_utils import VideoMetadata

    video = deepsport.open(video_path)
    metadata = VideoMetadata(
        total_num_frames=video.frame_count,
        fps=video.average_fps,
        width=video.width,
        height=video.height,
        duration=video.duration_seconds,
        video_backend=NAME,
    )
    indices = [int(i) for i in sample_indices_fn(metadata=metadata, **kwargs)]
    metadata.frames_indices = indices
    return video.at(indices).data, metadata


def install() -> None:
    """Add the decoder under the name ``"deepsport"``.

    Raises
    ------
    MissingExtraError
        When transformers is not installed, or too old to know decoders by name.
    """
    try:
        from transformers.video_utils import VIDEO_DECODERS
    except ImportError as error:
        raise MissingExtraError(f"transformers 5 is needed for this decoder: {error}") from error
    VIDEO_DECODERS[NAME] = read_video
