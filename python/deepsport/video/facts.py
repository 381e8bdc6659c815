"""What is known of an opened video without decoding it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepsport._core import video as _core

if TYPE_CHECKING:
    from deepsport.isolation import IsolatedVideo

__all__ = ["VideoFacts"]


class VideoFacts:
    """Sizes, counts and times of a stream; the part of :class:`deepsport.Video` that never decodes."""

    _core: _core.Video | IsolatedVideo
    _facts: dict[str, Any]

    @cached_property
    def pts_seconds(self) -> NDArray[np.float64]:
        """float64, (frames,): when each frame appears; read-only."""
        times = self._core.pts_seconds()
        times.flags.writeable = False
        return times

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
        """Shape of a stored pixel, width to height; (0, 1) when unknown.

        Frames keep the stored pixels unless ``square_pixels=True`` is asked for.
        """
        num, den = self._facts["sample_aspect_ratio"]
        return int(num), int(den)

    @property
    def square_size(self) -> tuple[int, int]:
        """Width and height at which pixels are square: one side stretched, none shrunk."""
        width, height = self._facts["square_size"]
        return int(width), int(height)

    @property
    def color_range(self) -> str:
        """``"limited"``, ``"full"``, or ``"unknown"`` when the stream is silent."""
        return str(self._facts["color_range"])

    @property
    def color_primaries(self) -> str:
        """FFmpeg's name of the primaries, e.g. ``"bt709"``; ``"unknown"`` when silent."""
        return str(self._facts["color_primaries"])

    @property
    def color_transfer(self) -> str:
        """FFmpeg's name of the transfer, e.g. ``"bt709"``, ``"smpte2084"`` (PQ); or ``"unknown"``."""
        return str(self._facts["color_transfer"])

    @property
    def color_matrix(self) -> str:
        """FFmpeg's name of the matrix, e.g. ``"bt709"``, ``"gbr"``; ``"unknown"`` when silent."""
        return str(self._facts["color_matrix"])

    @property
    def is_hdr(self) -> bool:
        """Is the transfer PQ or HLG? Such frames are handed out as stored, not tone-mapped."""
        return bool(self._facts["is_hdr"])

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
        if "signature" not in self._facts:
            self._facts["signature"] = self._core.signature()
        return str(self._facts["signature"])

    @property
    def index_origin(self) -> str:
        """How the frames were found.

        ``"sample table"`` (mp4), ``"block headers"`` (Matroska), ``"transport stream"``,
        ``"packet scan"`` or ``"decoding"``.
        """
        return str(self._facts["origin"])

    @property
    def index_from_cache(self) -> bool:
        """Was the index read from an index file?"""
        return bool(self._facts["from_cache"])
