"""Devices by name, and what is said when there is no GPU. Tests with one: tests/gpu/check.py."""

from __future__ import annotations

import subprocess
import sys

import pytest

from deepsport._core.device import parse_device
from deepsport.device import CudaStatus, cuda_device, cuda_status, require_cuda
from deepsport.errors import DeviceUnavailableError, InvalidRequestError


@pytest.mark.parametrize(
    ("text", "device"), [("cpu", ("cpu", 0)), ("cuda", ("cuda", 0)), ("cuda:7", ("cuda", 7))]
)
def test_a_device_is_read_from_its_name(text, device):
    assert parse_device(text) == device


@pytest.mark.parametrize(
    "text", ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:1234", "CPU", "cuda:0 "]
)
def test_a_name_of_no_device_says_which_are_valid(text):
    with pytest.raises(InvalidRequestError, match='valid are "cpu", "cuda" and "cuda:N"'):
        parse_device(text)


def test_the_first_missing_piece_is_the_reason():
    parts = {"driver_version": 0, "device_count": 0, "why_no_kernels": "K", "why_no_driver": "D",
             "why_no_nvdec": "N"}  # fmt: skip
    assert CudaStatus(kernels=False, driver=False, nvdec=False, **parts).why_not == "K"
    assert CudaStatus(kernels=True, driver=False, nvdec=False, **parts).why_not == "D"
    assert CudaStatus(kernels=True, driver=True, nvdec=False, **parts).why_not == "N"


def test_without_a_driver_cuda_is_refused_with_the_reason():
    if cuda_status().driver:
        pytest.skip("this machine has a CUDA driver")
    assert "driver" in cuda_status().why_no_driver
    with pytest.raises(DeviceUnavailableError, match=r"device cuda"):
        require_cuda()
    with pytest.raises(DeviceUnavailableError, match="valid is cpu"):
        cuda_device(0)


def test_importing_everything_of_the_core_loads_no_driver():
    script = """
import deepsport.device, deepsport._core, pathlib
maps = pathlib.Path("/proc/self/maps").read_text()
assert "libcuda" not in maps and "nvcuvid" not in maps, maps
"""
    subprocess.run([sys.executable, "-c", script], check=True)
