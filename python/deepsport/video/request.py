"""Checks of what callers ask, at the door."""

from __future__ import annotations

import operator
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepsport.errors import FrameRangeError, InvalidRequestError
from deepsport.pixels import Pixels

__all__ = ["as_core_integer", "as_index", "checked_size", "whole_number", "writable_frames"]

_BEYOND_CORE = 1 << 63


def whole_number(value: Any) -> int:
    """Return a whole number as int; InvalidRequestError for anything else."""
    try:
        return operator.index(value)
    except TypeError:
        raise InvalidRequestError(
            f"{value!r} is a {type(value).__name__}, not a whole number; valid frame indices and "
            "counts are integers"
        ) from None


def as_index(value: Any) -> int:
    """Return a frame index as int; InvalidRequestError for what is no whole number, FrameRangeError for
    one that no video reaches.
    """
    index = whole_number(value)
    if not -_BEYOND_CORE <= index < _BEYOND_CORE:
        raise FrameRangeError(
            f"frame {index}: no video has so many; valid are indices from 0 to the number of frames, "
            "or negative ones from the end"
        )
    return index


def as_core_integer(value: Any) -> int:
    """Return a count as the core can take it: beyond 64 bits the nearest, which it refuses as well."""
    return min(max(whole_number(value), -_BEYOND_CORE), _BEYOND_CORE - 1)


def checked_size(size: Sequence[int] | None) -> tuple[int, int] | None:
    """Return (width, height) within bounds, or None for the video's own."""
    if size is None:
        return None
    try:
        width, height = map(whole_number, size)
    except InvalidRequestError:
        raise
    except (TypeError, ValueError):
        raise InvalidRequestError(f"size {size!r}: valid is (width, height)") from None
    if not (1 <= width <= 1 << 14 and 1 <= height <= 1 << 14):
        raise InvalidRequestError(
            f"size {width}x{height}: valid widths and heights are 1..{1 << 14}"
        )
    return width, height


def writable_frames(out: Any, pixels: Pixels, count: int, size: tuple[int, int]) -> NDArray[Any]:
    """Return `out`, an array or torch tensor in host memory, as the array to decode into."""
    dtype = "uint16" if pixels.dtype == "bfloat16" else pixels.dtype
    shape = pixels.shape(count, *size)
    try:
        if str(getattr(out, "dtype", "")) == "torch.bfloat16":  # NumPy does not know it: its bits
            out = out.view(sys.modules["torch"].uint16)
        array = out if isinstance(out, np.ndarray) else out.numpy()  # of torch: the same memory
    except (AttributeError, TypeError):
        raise InvalidRequestError(
            f"out is a {type(out).__name__} that is not in host memory; valid with device 'cpu' are "
            "a NumPy array and a torch tensor on the CPU"
        ) from None
    if array.shape != shape or array.dtype != dtype:
        raise InvalidRequestError(
            f"out is {array.dtype} of shape {array.shape}; valid here is {dtype} of shape {shape}"
        )
    if not (array.flags.c_contiguous and array.flags.writeable):
        raise InvalidRequestError("out has gaps or is read only; valid is a packed array to write")
    found: NDArray[Any] = array
    return found
