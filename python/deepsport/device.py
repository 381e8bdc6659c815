"""Which devices deepsport can use here and, for what it cannot use, one sentence that says why.

Importing this touches nothing of CUDA; the first call of :func:`cuda_status` looks for the driver.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from deepsport._core import device as _device
from deepsport.errors import DeviceUnavailableError

__all__ = [
    "CudaDevice",
    "CudaStatus",
    "choose_device",
    "cuda_device",
    "cuda_status",
    "require_cuda",
]


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CudaStatus:
    """What the CUDA path consists of here; each missing piece comes with its reason.

    Attributes
    ----------
    kernels : bool
        This build carries device code.
    driver : bool
        ``libcuda.so.1`` was found, has every function needed, and sees a device.
    nvdec : bool
        ``libnvcuvid.so.1``, the video decoding part of the driver, was found.
    driver_version : int
        CUDA version of the driver: 1000 * major + 10 * minor; 0 without a driver.
    device_count : int
        CUDA devices the driver sees.
    why_no_kernels, why_no_driver, why_no_nvdec : str
        Empty when the piece is there.
    """

    kernels: bool
    driver: bool
    nvdec: bool
    driver_version: int
    device_count: int
    why_no_kernels: str
    why_no_driver: str
    why_no_nvdec: str

    @property
    def decodes(self) -> bool:
        """Whether videos can be decoded to device memory."""
        return self.kernels and self.driver and self.nvdec

    @property
    def why_not(self) -> str:
        """The first piece that is missing, as a sentence; empty when :attr:`decodes`."""
        if not self.kernels:
            return self.why_no_kernels
        return self.why_no_nvdec if self.driver else self.why_no_driver


@dataclass(frozen=True)
class CudaDevice:
    """One CUDA device: its name, compute capability, memory, and what its video engine decodes."""

    ordinal: int
    name: str
    compute: tuple[int, int]
    memory_bytes: int
    codecs: tuple[str, ...]


def cuda_status() -> CudaStatus:
    """Look for the CUDA path; never raises. The answer is kept for the life of the process."""
    return CudaStatus(**_device.cuda_status())


def cuda_device(ordinal: int) -> CudaDevice:
    """Ask for the facts of one device.

    Raises
    ------
    DeviceUnavailableError
        There is no driver, or no such device.
    UsedAfterForkError
        CUDA was used before ``fork()``, in the parent of this process.
    """
    facts = _device.cuda_device(ordinal)
    return CudaDevice(
        ordinal=ordinal,
        name=facts["name"],
        compute=facts["compute"],
        memory_bytes=facts["memory_bytes"],
        codecs=tuple(facts["codecs"]),
    )


def require_cuda() -> None:
    """Raise :class:`~deepsport.errors.DeviceUnavailableError` unless CUDA can decode here."""
    status = cuda_status()
    if not status.decodes:
        raise DeviceUnavailableError(
            f"device cuda was asked for: {status.why_not}; valid here is device='cpu'"
        )


def choose_device(device: str) -> str:
    """Settle ``"auto"``: ``"cuda"`` where it can decode, else ``"cpu"``, whose reason is logged."""
    if device != "auto":
        return device
    status = cuda_status()
    if not status.decodes:
        logger.info("decoding on the CPU: %s", status.why_not)
    return "cuda" if status.decodes else "cpu"
