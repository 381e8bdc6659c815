from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

class Video:
    def facts(self) -> dict[str, Any]: ...
    def signature(self) -> str: ...
    def pts_seconds(self) -> NDArray[np.float64]: ...
    def packets(self) -> dict[str, NDArray[Any]]: ...
    def resolve(self, indices: Sequence[int]) -> NDArray[np.int64]: ...
    def played_at(self, seconds: Sequence[float]) -> NDArray[np.int64]: ...
    def window(self, start: float, stop: float, count: int) -> NDArray[np.int64]: ...
    def rgb(
        self,
        frames: Sequence[int],
        width: int,
        height: int,
        threads: int,
        drop_unneeded: bool,
        seconds: float,
        out: NDArray[np.uint8] | None = None,
        cancel: Event | None = None,
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8], tuple[int, int, int]]: ...
    def planes(
        self, frames: Sequence[int], threads: int, drop_unneeded: bool, seconds: float
    ) -> list[tuple[str, int, int, NDArray[np.uint8], int]]: ...

def open(
    what: str | int | bytes | tuple[Callable[[int, int], bytes], int, bool],
    name: str,
    open_seconds: float,
    max_pixels: int,
    max_packets: int,
    use_sample_table: bool,
    cache_folder: str,
    keep_after_seconds: float,
    cancel: Event | None = None,
) -> Video: ...
