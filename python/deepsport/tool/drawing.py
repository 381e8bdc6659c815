"""Boxes on a frame, in plain NumPy: an outline of two pixels, one colour a label."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepsport.trajectory import Box

__all__ = ["box_colour", "draw_boxes"]

# told apart by people with colour blindness too (Okabe and Ito, 2008)
_COLOURS = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (204, 121, 167),
)  # fmt: skip
_THICKNESS = 2


def box_colour(label: str) -> tuple[int, int, int]:
    """Return the colour of a label, the same in every run and process."""
    return _COLOURS[zlib.crc32(label.encode()) % len(_COLOURS)]


def draw_boxes(image: NDArray[np.uint8], boxes: Sequence[Box]) -> NDArray[np.uint8]:
    """Return a copy of an image, uint8 (height, width, 3), with the outlines of boxes; read-only."""
    out = image.copy()
    height, width = out.shape[:2]
    for box in boxes:
        left, right = (round(v * width / 1000) for v in (box.left, box.right))
        top, bottom = (round(v * height / 1000) for v in (box.top, box.bottom))
        colour = box_colour(box.label)
        inner = [slice(max(0, top), max(0, bottom)), slice(max(0, left), max(0, right))]
        out[inner[0], inner[1]][:_THICKNESS] = colour
        out[inner[0], inner[1]][-_THICKNESS:] = colour
        out[inner[0], inner[1]][:, :_THICKNESS] = colour
        out[inner[0], inner[1]][:, -_THICKNESS:] = colour
    out.flags.writeable = False
    return out
