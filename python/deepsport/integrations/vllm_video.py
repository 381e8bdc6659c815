"""A video loader for vLLM, and frames sent to a vLLM server as what they are.

The loader is found by vLLM itself (entry point `vllm.general_plugins`); choose it with
``VLLM_VIDEO_LOADER_BACKEND=deepsport`` or ``--media-io-kwargs '{"video": {"video_backend":
"deepsport"}}'``. The client's half needs no vLLM.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

import deepsport
from deepsport.errors import MissingExtraError
from deepsport.integrations.frame_service import encode_jpeg
from deepsport.video import FrameBatch, Video

__all__ = ["install", "load_bytes", "video_part"]

NAME = "deepsport"


def load_bytes(
    data: bytes,
    num_frames: int = -1,
    fps: float = -1,
    max_duration: float = 300,  # noqa: ARG001 - part of the interface, unused by vLLM's own too
    frame_recovery: bool = False,
    **kwargs: Any,
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Load frames from the bytes of a video, as `vllm.multimodal.video.VideoLoader` does.

    Parameters
    ----------
    data : bytes
    num_frames, fps : int, float
        Uniform frames; the smaller number of the two counts, -1 for no limit.
    frame_recovery : bool
        Return black frames where nothing can be decoded, instead of failing.

    Returns
    -------
    frames : array
        uint8, (n, height, width, 3), RGB.
    metadata : dict
        The keys of `VideoLoader.create_hf_metadata`.

    Raises
    ------
    VideoError
        See :func:`deepsport.open` and :meth:`deepsport.Video.at`.
    """
    options: dict[str, Any] = {"max_pixels": limit} if (limit := _max_pixels()) else {}
    video = deepsport.open(data, **options)
    wanted = video.frame_count
    if num_frames > 0:
        wanted = min(wanted, num_frames)
    if fps > 0:
        wanted = min(wanted, int(video.duration_seconds * fps))
    indices = np.linspace(0, video.frame_count - 1, max(1, wanted)).astype(int).tolist()
    batch = video.at(indices, strict=not frame_recovery, threads=int(kwargs.get("threads", 1)))
    return batch.data, {
        "total_num_frames": video.frame_count,
        "fps": video.average_fps,
        "duration": video.duration_seconds,
        "video_backend": NAME,
        "frames_indices": indices,
        "do_sample_frames": len(indices) == video.frame_count,
    }


def _max_pixels() -> int:
    """Return vLLM's own limit on the pixels of a frame, 0 for none."""
    try:
        from vllm import envs
    except ImportError:
        return 0
    return max(0, int(getattr(envs, "VLLM_MAX_IMAGE_PIXELS", 0) or 0))


def install() -> None:
    """Register the loader with vLLM under the name ``"deepsport"``.

    Raises
    ------
    MissingExtraError
        When vLLM is not installed.
    """
    try:
        from vllm.multimodal.video import VIDEO_LOADER_REGISTRY, VideoLoader
    except ImportError as error:
        raise MissingExtraError(f"vLLM is needed for this loader: {error}") from error
    loader = type(
        "DeepsportVideoLoader",
        (VideoLoader,),
        {"load_bytes": staticmethod(load_bytes), "__doc__": "Exact frames by deepsport."},
    )
    VIDEO_LOADER_REGISTRY.register(NAME)(loader)


def video_part(video: Video, batch: FrameBatch) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return frames as one video for a vLLM server, with their true places in the video.

    Returns
    -------
    part : dict
        Content part of a user message; needs Pillow.
    media_io_kwargs : dict
        To send beside it: ``extra_body={"media_io_kwargs": ...}``.
    """
    images = ",".join(base64.b64encode(encode_jpeg(frame)).decode() for frame in batch.data)
    part = {"type": "video_url", "video_url": {"url": f"data:video/jpeg;base64,{images}"}}
    return part, {
        "video": {
            "num_frames": len(batch),
            "fps": video.average_fps,
            "frames_indices": [int(i) for i in batch.indices],
            "total_num_frames": video.frame_count,
            "duration": video.duration_seconds,
            "do_sample_frames": False,
        }
    }
