from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepsport._core.frames import Format

class Memory:
    def __init__(self, ordinal: int, bytes: int) -> None: ...
    @property
    def address(self) -> int: ...
    @property
    def stream(self) -> int: ...
    def filled(self) -> None: ...
    def dlpack(self, stream: int, shape: Sequence[int], element: int, versioned: bool) -> Any: ...
    def to_host(self) -> NDArray[np.uint8]: ...

class Pinned:
    def __init__(self, ordinal: int, bytes: int) -> None: ...
    @property
    def is_pinned(self) -> bool: ...
    def array(self) -> NDArray[np.uint8]: ...

def decode(
    video: Any,
    frames: Sequence[int],
    format: Format,
    ordinal: int,
    address: int,
    bytes: int,
    stream: int,
    threads: int,
    drop_unneeded: bool,
    seconds: float,
    keep_callbacks: bool = False,
) -> tuple[NDArray[np.uint8], dict[str, Any]]: ...
def release_decoders() -> None: ...
def queue_advantages(
    ordinal: int,
    stream: int,
    rewards: int,
    masked: int,
    out: int,
    groups: int,
    group_size: int,
    scheme: int,
    epsilon: float,
) -> None: ...
def queue_spread(
    ordinal: int,
    stream: int,
    advantages: int,
    mask: int,
    out: int,
    rows: int,
    tokens: int,
    mask_bytes: int,
) -> None: ...
