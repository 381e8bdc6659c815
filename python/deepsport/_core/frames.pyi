from __future__ import annotations

from collections.abc import Sequence
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

class Format:
    def __init__(
        self,
        width: int,
        height: int,
        order: int,
        element: int,
        mean: Sequence[float],
        std: Sequence[float],
        patch: Sequence[int],
        spans: bool,
    ) -> None: ...
    def total_bytes(self, frames: int) -> int: ...

def decode(
    video: Any,
    frames: Sequence[int],
    format: Format,
    out: NDArray[Any] | None,
    threads: int,
    drop_unneeded: bool,
    seconds: float,
    cancel: Event | None = None,
    loop_filter: bool = True,
) -> tuple[NDArray[Any], NDArray[np.uint8], tuple[int, int, int]]: ...
def release_spare_memory() -> int: ...
def lay_out(pictures: NDArray[np.uint8], format: Format) -> NDArray[Any]: ...
def lay_out_list(pictures: Sequence[NDArray[np.uint8]], format: Format) -> NDArray[Any]: ...
def patches(
    pictures: NDArray[np.uint8],
    patch: int,
    merge: int,
    temporal: int,
    mean: Sequence[float],
    std: Sequence[float],
    as_video: bool,
    element: int,
) -> tuple[NDArray[Any], tuple[int, int, int]]: ...
