"""Frames straight to what Qwen2.5-VL and Qwen3-VL take: `pixel_values` and `image_grid_thw`.

Resizing, normalising and cutting into patches happen in the core; the image processors of
transformers are not needed, and the tests compare with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from deepsport.errors import InvalidRequestError
from deepsport.pixels import Pixels
from deepsport.video import Status, Video

__all__ = ["PatchBatch", "PatchLayout", "patches", "smart_resize"]

Element = Literal["float32", "float16", "bfloat16"]
_ELEMENTS = ("float32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class PatchLayout:
    """How a model cuts pictures into patches.

    Attributes
    ----------
    patch, merge, temporal : int
        Pixels of a patch's side, patches of a block's side, pictures a patch spans.
    mean, std : three floats
        Of red, green and blue in 0..1.
    min_pixels, max_pixels : int
        Bounds of a picture's area for :func:`smart_resize`.
    """

    patch: int
    merge: int
    temporal: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    min_pixels: int
    max_pixels: int

    QWEN25_VL: ClassVar[PatchLayout]
    QWEN3_VL: ClassVar[PatchLayout]

    def pixels(self, dtype: Element = "float32", *, as_video: bool = False) -> Pixels:
        """What to ask of :meth:`deepsport.Video.at` for such patches."""
        return Pixels(
            "patches", dtype, self.mean, self.std, self.patch, self.merge, self.temporal, as_video
        )

    def size(self, height: int, width: int, max_pixels: int | None = None) -> tuple[int, int]:
        """The (height, width) that pictures of a size are brought to; `max_pixels` may lower the
        layout's bound.
        """
        bound = min(max_pixels or self.max_pixels, self.max_pixels)
        return smart_resize(
            height, width, factor=self.factor, min_pixels=self.min_pixels, max_pixels=bound
        )

    @property
    def factor(self) -> int:
        """Sides of pictures are multiples of this."""
        return self.patch * self.merge


# preprocessor_config.json of Qwen/Qwen2.5-VL-7B-Instruct and Qwen/Qwen3-VL-8B-Instruct.
PatchLayout.QWEN25_VL = PatchLayout(
    14, 2, 2, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711),
    56 * 56, 28 * 28 * 1280,
)  # fmt: skip
PatchLayout.QWEN3_VL = PatchLayout(
    16, 2, 2, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 256 * 256, 4096 * 4096
)


def smart_resize(
    height: int, width: int, *, factor: int, min_pixels: int, max_pixels: int
) -> tuple[int, int]:
    """Return the (height, width) a picture is resized to: multiples of `factor`, area in bounds.

    The rule is that of transformers' ``smart_resize`` (models/qwen2_vl), rounding half to even.

    Raises
    ------
    InvalidRequestError
        A picture more than 200 times as long as wide, or without area.
    """
    if height < 1 or width < 1 or max(height, width) / min(height, width) > 200:
        raise InvalidRequestError(
            f"a picture of {width}x{height}: valid are sides of at least 1 and at most 200 times "
            "each other"
        )
    high, wide = round(height / factor) * factor, round(width / factor) * factor
    if high * wide > max_pixels:
        shrink = math.sqrt(height * width / max_pixels)
        high = max(factor, math.floor(height / shrink / factor) * factor)
        wide = max(factor, math.floor(width / shrink / factor) * factor)
    elif high * wide < min_pixels:
        grow = math.sqrt(min_pixels / (height * width))
        high = math.ceil(height * grow / factor) * factor
        wide = math.ceil(width * grow / factor) * factor
    return high, wide


@dataclass(frozen=True, slots=True)
class PatchBatch:
    """Patches of frames.

    Attributes
    ----------
    pixel_values : array
        (patches, 3 * temporal * patch * patch), float32; float16; or, for bfloat16 which NumPy does
        not know, its bits as uint16: ``torch.from_numpy(x).view(torch.bfloat16)``.
    image_grid_thw : array
        int64, (pictures, 3), or (1, 3) for a video: patches in time, height and width.
    indices, pts_seconds, status
        As in :class:`deepsport.FrameBatch`.
    """

    pixel_values: NDArray[Any]
    image_grid_thw: NDArray[np.int64]
    indices: NDArray[np.int64]
    pts_seconds: NDArray[np.float64]
    status: tuple[Status, ...]


def patches(
    video: Video,
    indices: Iterable[int],
    layout: PatchLayout = PatchLayout.QWEN25_VL,
    *,
    max_pixels: int | None = None,
    as_video: bool = False,
    dtype: Element = "float32",
    **how: Any,
) -> PatchBatch:
    """Decode frames into patches.

    Parameters
    ----------
    video : Video
    indices : iterable of int
        As in :meth:`deepsport.Video.at`.
    layout : PatchLayout
    max_pixels : int or None
        A lower bound on area than the layout's.
    as_video : bool
        Let each patch span `temporal` consecutive frames (the last repeats to fill up) instead of
        one frame repeated.
    dtype : str
        ``"float32"``, ``"float16"`` or ``"bfloat16"``.
    **how
        Other arguments of :meth:`deepsport.Video.at`. With ``device="cuda:0"`` the patches are made
        there, by one kernel a picture, and `pixel_values` is what `data` is in a batch of frames;
        ``out=`` says where to write.

    Raises
    ------
    VideoError
        As :meth:`deepsport.Video.at`; InvalidRequestError for an unknown `dtype` or no frame.

    Examples
    --------
    >>> batch = patches(video, [0, 30, 60, 90], max_pixels=640 * 360)   # doctest: +SKIP
    >>> model(pixel_values=torch.from_numpy(batch.pixel_values), ...)   # doctest: +SKIP
    """
    if dtype not in _ELEMENTS:
        raise InvalidRequestError(f"dtype {dtype!r}: valid are {', '.join(_ELEMENTS)}")
    chosen = list(indices)
    if not chosen:
        raise InvalidRequestError("patches of no frame; valid is one or more pictures")
    height, width = layout.size(video.height, video.width, max_pixels)
    pixels = layout.pixels(dtype, as_video=as_video)
    batch = video.at(chosen, size=(width, height), pixels=pixels, **how)
    times = -(-len(chosen) // layout.temporal) if as_video else 1
    grid = (times, height // layout.patch, width // layout.patch)
    grids = np.array([grid] * (1 if as_video else len(chosen)), np.int64)
    return PatchBatch(batch.data, grids, batch.indices, batch.pts_seconds, batch.status)
