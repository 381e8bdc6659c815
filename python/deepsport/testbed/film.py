"""Encode frames as a real H.264 mp4: B-frames, long GOPs, 4:2:0, the same bytes for the same frames.

Needs PyAV. Not for reading video: that is the core's work (`deepsport.video`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepsport.errors import MissingExtraError

__all__ = ["GOP_FRAMES", "write_film"]

GOP_FRAMES = 120  #: longest distance between keyframes; broadcast and web video have 50 to 300


def write_film(path: Path, frames: Iterable[NDArray[np.uint8]], fps: int) -> int:
    """Encode frames, uint8 (height, width, 3) RGB, into `path`; return the number of frames.

    The file appears under its name only when it is complete.

    Raises
    ------
    MissingExtraError
        When PyAV is not installed.
    """
    av = _av()
    partial = path.with_name(path.name + ".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    # bitexact leaves dates and library versions out of the file
    with av.open(str(partial), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream: Any = None
        for frame in frames:
            if stream is None:
                stream = container.add_stream("libx264", rate=fps)
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.codec_context.thread_count = 1  # threads change the bytes
                stream.codec_context.gop_size = GOP_FRAMES
                stream.codec_context.max_b_frames = 3
                stream.options = {
                    "preset": "veryfast",
                    "crf": "28",
                    # with mbtree the bytes differ from run to run, with one thread too
                    "x264-params": "scenecut=0:b-adapt=0:rc-lookahead=8:mbtree=0",
                }
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(picture))
            count += 1
        if stream is not None:
            container.mux(stream.encode(None))
    partial.replace(path)
    return count


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(
            "simulating matches needs PyAV: pip install 'deepsport[testbed]'"
        ) from error
    return av
