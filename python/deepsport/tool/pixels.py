"""From a frame's record to its pixels: whole frames, regions of them, boxes drawn on them.

The only place where pixels are made, for rollouts, training and the report alike: what a model saw
can be shown again from its trajectory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepsport.tool.drawing import draw_boxes
from deepsport.tool.frame_source import FrameSource, fit_inside
from deepsport.trajectory import FrameRef

__all__ = ["frame_pixels", "picture_name", "shown_size"]

Image = NDArray[np.uint8]


def shown_size(
    frame: FrameRef, width: int, height: int, max_width: int, max_height: int
) -> tuple[int, int]:
    """Return (width, height) that a frame of a video of `width` by `height` is shown in."""
    if frame.region is not None:
        left, top, right, bottom = frame.region
        width, height = right - left, bottom - top
    return fit_inside(width, height, max_width, max_height)


def picture_name(path: str, frame: FrameRef) -> Path:
    """Return where the picture of a frame lies in a folder of pictures, the same in all of them."""
    video = hashlib.sha256(path.encode()).hexdigest()[:12]
    view = f"-{hashlib.sha256(frame.view.encode()).hexdigest()[:8]}" if frame.view else ""
    return Path("frames") / video / f"{frame.index}{view}.jpg"


def frame_pixels(
    source: FrameSource, path: str, frames: Sequence[FrameRef], max_width: int, max_height: int
) -> list[Image]:
    """Decode frames as they are shown: fitted inside the limits, aspect kept, never scaled up.

    A region is cut from the original frame, scaled by the core so that it fits: where it is small
    enough, its pixels are those of the file.

    Returns
    -------
    list of array
        uint8, (height, width, 3), RGB; read-only.

    Raises
    ------
    VideoError
        When a frame cannot be decoded.
    """
    video = source.video(path)
    limits = (video.width, video.height, max_width, max_height)
    whole = fit_inside(*limits)
    plain = [frame.index for frame in frames if frame.region is None]
    decoded = iter(source.frames(path, plain, whole) if plain else ())
    images = []
    for frame in frames:
        if frame.region is None:
            image = next(decoded)
        else:
            image = _region(source, path, frame, *limits)
        if frame.boxes:
            image = draw_boxes(image, frame.boxes)
        images.append(image)
    return images


def _region(
    source: FrameSource, path: str, frame: FrameRef, width: int, height: int, *limits: int
) -> Image:
    assert frame.region is not None
    left, top, right, bottom = frame.region
    wide, high = shown_size(frame, width, height, *limits)
    scale = min(limits[0] / (right - left), limits[1] / (bottom - top), 1.0)
    full = (max(wide, round(width * scale)), max(high, round(height * scale)))
    x = min(round(left * scale), full[0] - wide)
    y = min(round(top * scale), full[1] - high)
    part = source.frames(path, [frame.index], full)[0][y : y + high, x : x + wide].copy()
    part.flags.writeable = False
    return part
