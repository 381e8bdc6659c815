"""What a request returns: pictures, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["STATUSES", "FrameBatch", "Status"]

Status = Literal["ok", "damaged", "missing"]
STATUSES: tuple[Status, Status, Status] = ("ok", "damaged", "missing")  # by the core's numbers


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Pictures with what is known of each; row `k` of every array belongs to request `k`.

    Attributes
    ----------
    data : array
        uint8, (n, height, width, 3), RGB. From a CUDA device a `deepsport.cuda.CudaArray`, or the
        tensor that was given to write into, of the order and dtype that was asked for.
    indices : array
        int64, (n,): frame indices, from 0.
    pts_seconds : array
        float64, (n,): when each frame appears.
    status : tuple of str
        ``"ok"``; ``"damaged"``: the bitstream was damaged here or in a picture this one is
        predicted from; ``"missing"``: nothing could be decoded, the pixels are zero.
    counts : dict
        What the request cost: packets decoded, packets dropped, seeks.
    """

    data: NDArray[np.uint8]
    indices: NDArray[np.int64]
    pts_seconds: NDArray[np.float64]
    status: tuple[Status, ...]
    counts: dict[str, int]

    def __len__(self) -> int:
        return len(self.indices)

    def __dlpack__(self, **how: Any) -> Any:
        """Hand `data` to another library without a copy: ``torch.from_dlpack(batch)``."""
        return self.data.__dlpack__(**how)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Say where `data` lies: in main memory, or on a device."""
        return self.data.__dlpack_device__()
