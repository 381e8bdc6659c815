from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
