"""Which nvcc a build takes for its kernels: a stand-in that tells a release, configured for real."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = f"""
cmake_minimum_required(VERSION 3.24)
project(kernels LANGUAGES NONE)
set(PROJECT_SOURCE_DIR {ROOT})
include({ROOT}/cpp/cuda/fatbin.cmake)
deepsport_fatbin(source)
cmake_path(GET source FILENAME name)
message(STATUS "taken: ${{name}}")
"""

pytestmark = pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")


def configure(folder: Path, nvcc: str, *options: str) -> tuple[int, str]:
    """Configure with a shell script as nvcc; return the status and what was said, in one line."""
    (folder / "CMakeLists.txt").write_text(PROJECT)
    program = folder / "bin" / "nvcc"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{nvcc}\n")
    program.chmod(0o755)
    done = subprocess.run(
        ["cmake", "-S", folder, "-B", folder / "build", f"-DDEEPSPORT_NVCC={program}", *options],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def telling(release: str) -> str:
    """The script of an nvcc of a release."""
    return (
        'case $1 in --version) echo "Cuda compilation tools, release '
        f'{release}, V{release}.1";; *) echo sm_80; echo sm_120;; esac'
    )


def test_an_nvcc_too_old_for_the_kernels_leaves_them_out_and_says_so(tmp_path):
    status, said = configure(tmp_path, telling("12.4"))
    assert status == 0, said
    assert "taken: no_fatbin.c" in said
    assert "is too old, of CUDA 12.4; valid are a CUDA 12.8 or 13 toolkit" in said


def test_where_kernels_are_a_must_an_nvcc_too_old_is_an_error(tmp_path):
    status, said = configure(tmp_path, telling("11.8"), "-DDEEPSPORT_CUDA=ON")
    assert status != 0
    assert "is too old, of CUDA 11.8" in said
    assert "or DEEPSPORT_CUDA=OFF" in said


@pytest.mark.parametrize("release", ["12.8", "13.0"])
def test_an_nvcc_new_enough_is_taken(tmp_path, release):
    status, said = configure(tmp_path, telling(release))
    assert status == 0, said
    assert "taken: fatbin.c" in said


def test_an_nvcc_that_does_not_run_leaves_the_kernels_out(tmp_path):
    status, said = configure(tmp_path, "exit 1")
    assert status == 0, said
    assert "taken: no_fatbin.c" in said
    assert "does not run" in said
