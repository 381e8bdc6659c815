"""Frames in device memory: what ``Video.at(..., device="cuda:0")`` and ``patches(...)`` stand on,
and the reward steps that are worth doing where the tensors are.

Not for asking which devices there are (`deepsport.device`). Importing this touches nothing of CUDA.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deepsport._core import cuda as _core
from deepsport._core.device import parse_device
from deepsport.device import require_cuda
from deepsport.errors import InvalidRequestError
from deepsport.pixels import Element, Pixels

__all__ = ["CudaArray", "Pixels", "decode", "group_advantages", "pinned_empty", "release_decoders",
           "spread"]  # fmt: skip

Scheme = Literal["grpo", "mean_only", "leave_one_out"]
_ELEMENTS: dict[str, int] = {"uint8": 0, "float32": 1, "bfloat16": 2, "float16": 3}
_ELEMENT_BYTES: dict[str, int] = {"uint8": 1, "float32": 4, "bfloat16": 2, "float16": 2}
_SCHEMES: dict[str, int] = {"grpo": 0, "mean_only": 1, "leave_one_out": 2}
_TYPESTR = {"|u1": "uint8", "<f4": "float32", "<f2": "float16", "|b1": "bool", "<i4": "int32",
            "<i8": "int64"}  # fmt: skip
_CUDA = 2  # DLPack's number


class CudaArray:
    """An array in device memory of deepsport's own, for any library that speaks DLPack.

    ``torch.from_dlpack(array)`` shares the memory, ordered on torch's current stream; it is freed
    when the last sharer lets go, behind what they had queued. A stream it was exported to must live
    until then, as torch's do. Safe to share between threads.

    Attributes
    ----------
    shape : tuple of int
    dtype : str
        ``"uint8"``, ``"float32"``, ``"bfloat16"`` or ``"float16"``.
    ordinal : int
        Which CUDA device.
    """

    def __init__(self, memory: Any, shape: tuple[int, ...], dtype: Element, ordinal: int) -> None:
        self._memory = memory
        self.shape = shape
        self.dtype = dtype
        self.ordinal = ordinal

    def __repr__(self) -> str:
        return f"<CudaArray {self.shape} {self.dtype} on cuda:{self.ordinal}>"

    def __len__(self) -> int:
        return self.shape[0]

    def __dlpack_device__(self) -> tuple[int, int]:
        """Say where the memory lies: DLPack's number of CUDA, and the device."""
        return (_CUDA, self.ordinal)

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """Export the memory; `stream` as the array API standard says, -1 for no waiting."""
        if stream == 0:
            raise ValueError("stream 0 is ambiguous; valid are None, 1, 2, -1 or a stream's handle")
        if copy or (dl_device is not None and tuple(dl_device) != self.__dlpack_device__()):
            raise BufferError(
                f"valid is sharing on cuda:{self.ordinal}; copy it on the consumer's side"
            )
        # Consumers that name no version speak the DLPack of before 1.0.
        versioned = max_version is not None and max_version[0] >= 1
        return self._memory.dlpack(
            1 if stream is None else stream, list(self.shape), _ELEMENTS[self.dtype], versioned
        )

    def numpy(self) -> NDArray[Any]:
        """Copy to the host; bfloat16, which NumPy does not know, comes as its bits in uint16."""
        kind = "uint16" if self.dtype == "bfloat16" else self.dtype
        size = math.prod(self.shape)
        host: NDArray[np.uint8] = self._memory.to_host()
        return host[: size * _ELEMENT_BYTES[self.dtype]].view(kind).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class _Place:
    """Somebody's tensor on a device: address, size and type."""

    address: int
    shape: tuple[int, ...]
    dtype: str
    stream: int
    ordinal: int | None


def _place(tensor: Any, what: str, stream: Any) -> _Place:
    """Read a torch tensor, or anything with ``__cuda_array_interface__``."""
    if hasattr(tensor, "data_ptr") and hasattr(tensor, "is_contiguous"):
        if tensor.device.type != "cuda":
            raise InvalidRequestError(f"{what} is on {tensor.device}; valid is a CUDA device")
        if not tensor.is_contiguous():
            raise InvalidRequestError(
                f"{what} has gaps between its rows; valid is a contiguous tensor"
            )
        ordinal = tensor.device.index or 0
        if stream is None:
            stream = sys.modules["torch"].cuda.current_stream(ordinal).cuda_stream
        dtype = str(tensor.dtype).removeprefix("torch.")
        return _Place(tensor.data_ptr(), tuple(tensor.shape), dtype, _handle(stream), ordinal)
    try:
        facts = tensor.__cuda_array_interface__
    except AttributeError:
        raise InvalidRequestError(
            f"{what} is a {type(tensor).__name__}; valid are a torch tensor on a CUDA device or an "
            "object with __cuda_array_interface__"
        ) from None
    if facts.get("strides") is not None:
        raise InvalidRequestError(f"{what} has strides; valid is a contiguous array")
    address, read_only = facts["data"]
    if read_only and what == "out":
        raise InvalidRequestError("out is read only; valid is an array that can be written")
    dtype = _TYPESTR.get(facts["typestr"], facts["typestr"])
    chosen = facts.get("stream") if stream is None else stream
    return _Place(address, tuple(facts["shape"]), dtype, _handle(chosen), None)


def _handle(stream: Any) -> int:
    """A CUstream as a number: of a torch or CuPy stream, or the number itself."""
    for name in ("cuda_stream", "ptr"):
        stream = getattr(stream, name, stream)
    return int(stream or 0)


def decode(
    core: Any,
    frames: Sequence[int],
    size: tuple[int, int],
    device: str,
    pixels: Pixels,
    *,
    out: Any = None,
    stream: Any = None,
    threads: int = 1,
    drop_unneeded: bool = True,
    deadline_seconds: float | None = 120.0,
) -> tuple[Any, list[int], dict[str, Any]]:
    """Decode frames of an opened video into device memory; `Video.at` is the way to call this.

    Parameters
    ----------
    core : deepsport._core.video.Video
    frames : sequence of int
        Frame indices from 0.
    size : (width, height)
    device : str
        ``"cuda"`` or ``"cuda:N"``.
    pixels : Pixels
    out : tensor or None
        Where to write; its shape and dtype must be those `pixels` gives.
    stream : int, stream object or None
        The stream the writing is queued on. With `out`, ``None`` is torch's current stream, or the
        one the array names, or the default stream.
    threads, drop_unneeded, deadline_seconds
        As in :meth:`deepsport.Video.at`.

    Returns
    -------
    (data, status, report)
        `out`, or a `CudaArray`; a status for each frame; what it cost.

    Raises
    ------
    DeviceUnavailableError
        A part of the CUDA path is missing; says which, and why.
    InvalidRequestError
        `out` does not fit.
    DeviceFailedError
        The driver refused, e.g. for want of memory.
    """
    ordinal = _ordinal(device)
    require_cuda()
    width, height = size
    shape = pixels.shape(len(frames), width, height)
    layout = pixels.format(width, height)
    how = (threads, drop_unneeded, deadline_seconds or 0.0)
    if out is not None:
        place = _place(out, "out", stream)
        if place.shape != shape or place.dtype != pixels.dtype:
            raise InvalidRequestError(
                f"out is {place.dtype} of shape {place.shape}; valid here is {pixels.dtype} of "
                f"shape {shape}"
            )
        if place.ordinal not in {None, ordinal}:
            raise InvalidRequestError(
                f"out is on cuda:{place.ordinal}; valid here is cuda:{ordinal}"
            )
        size_bytes = math.prod(shape) * _ELEMENT_BYTES[pixels.dtype]
        status, report = _core.decode(
            core, frames, layout, ordinal, place.address, size_bytes, place.stream, *how
        )
        return out, status.tolist(), report
    if stream is not None:
        raise InvalidRequestError("a stream without out; valid are both, or neither")
    memory = _core.Memory(ordinal, layout.total_bytes(len(frames)))
    status, report = _core.decode(
        core, frames, layout, ordinal, memory.address, layout.total_bytes(len(frames)),
        memory.stream, *how,
    )  # fmt: skip
    memory.filled()
    return CudaArray(memory, shape, pixels.dtype, ordinal), status.tolist(), report


def pinned_empty(shape: tuple[int, ...], *, device: str = "cuda") -> NDArray[np.uint8]:
    """Make an uninitialised uint8 array in pinned host memory, to decode into and upload from.

    ``video.at(indices, size, out=array)`` fills it on the CPU; torch sees that it is pinned, and
    ``torch.from_numpy(array).to(device, non_blocking=True)`` copies without a detour. Make one and
    use it again: pinning is slow, and so is letting go, which waits for copies that are queued.
    Where the driver has no memory to pin, plain memory comes back.

    Raises
    ------
    DeviceUnavailableError
        There is no driver, or no such device.
    """
    size = math.prod(shape)
    array: NDArray[np.uint8] = _core.Pinned(_ordinal(device), size).array()
    return array[:size].reshape(shape)


def release_decoders() -> None:
    """Give back the hardware decoders that are kept for the next request, and their memory."""
    _core.release_decoders()


def group_advantages(
    rewards: Any,
    out: Any,
    *,
    group_size: int,
    masked: Any = None,
    scheme: Scheme = "grpo",
    epsilon: float = 1e-4,
    device: str | None = None,
    stream: Any = None,
) -> None:
    """Queue the advantages of rewards that are on a device already; returns without waiting.

    The numbers are those of :mod:`deepsport.reward`, rounded to float32. Nothing is claimed of
    speed: the point is that no step waits for the host.

    Parameters
    ----------
    rewards, out : float32, (n,)
        Members of a group are neighbours; `out` may be `rewards`' own kind of tensor only.
    group_size : int
        Members of a group; divides n.
    masked : bool or uint8, (n,), or None
        Nonzero members get 0 and are left out of their group's statistics.
    scheme : str
        ``"grpo"``: (r - mean) / (sample std + epsilon); ``"mean_only"``: r - mean (Dr. GRPO);
        ``"leave_one_out"``: r - mean of the others.
    epsilon : float
    device : str or None
        Where the tensors are; ``None``: torch tensors know, for others it is ``"cuda:0"``.
    stream
        As in :func:`decode`.

    Raises
    ------
    InvalidRequestError
        Shapes or types that do not fit together.
    DeviceUnavailableError
        There is no driver, or no device code in this build.
    """
    if scheme not in _SCHEMES:
        raise InvalidRequestError(f"scheme {scheme!r}: valid are {', '.join(_SCHEMES)}")
    source, target = _place(rewards, "rewards", stream), _place(out, "out", stream)
    count = math.prod(source.shape)
    if source.dtype != "float32" or (target.dtype, target.shape) != ("float32", source.shape):
        raise InvalidRequestError(
            f"rewards are {source.dtype} {source.shape}, out is {target.dtype} {target.shape}; "
            "valid are two float32 of one shape"
        )
    if group_size < 1 or count % group_size:
        raise InvalidRequestError(
            f"{count} rewards in groups of {group_size}; valid is a divisor of their number"
        )
    mask = 0
    places = [source, target]
    if masked is not None:
        place = _place(masked, "masked", stream)
        places.append(place)
        if place.dtype not in {"bool", "uint8"} or math.prod(place.shape) != count:
            raise InvalidRequestError(
                f"masked is {place.dtype} {place.shape}; valid is bool or uint8, one a reward"
            )
        mask = place.address
    _core.queue_advantages(
        _common_device(device, places), source.stream, source.address, mask, target.address,
        count // group_size, group_size, _SCHEMES[scheme], epsilon,
    )  # fmt: skip


def spread(
    advantages: Any, mask: Any, out: Any, *, device: str | None = None, stream: Any = None
) -> None:
    """Queue ``out[row, token] = advantages[row] if mask[row, token] else 0``; does not wait.

    Parameters
    ----------
    advantages : float32, (rows,)
    mask : bool, uint8, int32 or int64, (rows, tokens)
    out : float32, (rows, tokens)
    device, stream
        As in :func:`group_advantages`.

    Raises
    ------
    InvalidRequestError
        Shapes or types that do not fit together.
    DeviceUnavailableError
        There is no driver, or no device code in this build.
    """
    source, chosen, target = (
        _place(advantages, "advantages", stream), _place(mask, "mask", stream),
        _place(out, "out", stream),
    )  # fmt: skip
    sizes = {"bool": 1, "uint8": 1, "int32": 4, "int64": 8}
    if (
        len(chosen.shape) != 2
        or chosen.dtype not in sizes
        or target.shape != chosen.shape
        or source.shape != chosen.shape[:1]
        or {source.dtype, target.dtype} != {"float32"}
    ):
        raise InvalidRequestError(
            f"advantages {source.dtype} {source.shape}, mask {chosen.dtype} {chosen.shape}, out "
            f"{target.dtype} {target.shape}; valid are float32 (rows,), bool, uint8, int32 or "
            "int64 (rows, tokens), and float32 (rows, tokens)"
        )
    _core.queue_spread(
        _common_device(device, [source, chosen, target]), source.stream, source.address, chosen.address, target.address,
        *chosen.shape, sizes[chosen.dtype],
    )  # fmt: skip


def _common_device(device: str | None, places: Sequence[_Place]) -> int:
    known = {place.ordinal for place in places if place.ordinal is not None}
    if device is not None:
        known.add(_ordinal(device))
    if len(known) > 1:
        names = ", ".join(f"cuda:{ordinal}" for ordinal in sorted(known))
        raise InvalidRequestError(f"tensors or device on {names}; valid is one device for all")
    return known.pop() if known else 0


def _ordinal(device: str) -> int:
    kind, ordinal = parse_device(device)
    if kind != "cuda":
        raise InvalidRequestError(f"device {device!r}: valid here are 'cuda' and 'cuda:N'")
    return ordinal
