"""Checks of what callers ask, at the door."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from deepsport.errors import InvalidRequestError

__all__ = ["as_index", "checked_size"]


def as_index(value: Any) -> int:
    """Return a whole number as int; InvalidRequestError for anything else."""
    try:
        return operator.index(value)
    except TypeError:
        raise InvalidRequestError(
            f"{value!r} is a {type(value).__name__}, not a whole number; valid frame indices and "
            "counts are integers"
        ) from None


def checked_size(size: Sequence[int] | None) -> tuple[int, int] | None:
    """Return (width, height) within bounds, or None for the video's own."""
    if size is None:
        return None
    if len(size) != 2:
        raise InvalidRequestError(f"size {tuple(size)}: valid is (width, height)")
    width, height = as_index(size[0]), as_index(size[1])
    if not (1 <= width <= 1 << 14 and 1 <= height <= 1 << 14):
        raise InvalidRequestError(
            f"size {width}x{height}: valid widths and heights are 1..{1 << 14}"
        )
    return width, height
