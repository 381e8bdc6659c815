"""What can be known of the kernels without a GPU: nvcc's own output against the host compiler's."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CPP = Path(__file__).parents[2] / "cpp"
FLAGS = ("-std=c++17", "-fmad=false", "-prec-div=true", "-prec-sqrt=true", "-ftz=false")

pytestmark = pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")


def _ptx(cpp: Path, into: Path) -> str:
    subprocess.run(
        ["nvcc", *FLAGS, "-I", str(cpp), "-arch=compute_80", "-ptx", str(cpp / "cuda/kernels.cu"),
         "-o", str(into / "kernels.ptx")],
        check=True,
    )  # fmt: skip
    return (into / "kernels.ptx").read_text()


def _sizes_on_the_device(ptx: str) -> dict[str, int]:
    found = re.findall(r"\.param \.align \d+ \.b8 (\w+)_param_0\[(\d+)\]", ptx)
    return {name: int(size) for name, size in found}


def _sizes_on_the_host(cpp: Path, into: Path) -> dict[str, int]:
    program = into / "sizes.cpp"
    program.write_text(
        "#define __global__\n#define __grid_constant__\n"
        "struct Three { unsigned x, y; } threadIdx, blockIdx, blockDim;\n"
        '#include "cuda/kernels.cuh"\n#include <cstdio>\n'
        '#define X(kernel, Parameters) std::printf("%s %zu\\n", #kernel, sizeof(Parameters));\n'
        "int main() { DEEPSPORT_KERNELS(X) }\n"
    )
    subprocess.run(
        ["g++", "-std=c++17", "-I", str(cpp), str(program), "-o", str(into / "sizes")], check=True
    )
    lines = subprocess.run([str(into / "sizes")], check=True, capture_output=True, text=True).stdout
    return {name: int(size) for name, size in (line.split() for line in lines.splitlines())}


@pytest.fixture(scope="module")
def ptx(tmp_path_factory):
    return _ptx(CPP, tmp_path_factory.mktemp("ptx"))


def test_host_and_device_agree_on_the_size_of_every_kernels_parameters(ptx, tmp_path):
    host = _sizes_on_the_host(CPP, tmp_path)
    assert len(host) >= 4
    assert _sizes_on_the_device(ptx) == host


def test_a_member_only_the_device_has_is_noticed(tmp_path):
    shutil.copytree(CPP / "cuda", tmp_path / "cpp" / "cuda")
    header = tmp_path / "cpp" / "cuda" / "picture.hpp"
    text = header.read_text()
    planted = text.replace(
        "struct Layout {\n", "struct Layout {\n#ifdef __CUDACC__\n  long planted;\n#endif\n"
    )
    assert planted != text
    header.write_text(planted)
    cpp = tmp_path / "cpp"
    assert _sizes_on_the_device(_ptx(cpp, tmp_path)) != _sizes_on_the_host(cpp, tmp_path)


def test_no_floating_point_operation_is_contracted_or_approximate(ptx):
    assert re.findall(r"\bfma\.\w+", ptx) == []
    assert re.findall(r"\b(?:div|sqrt|rcp)\.approx\S*|\.ftz\b", ptx) == []
    assert "div.rn.f32" in ptx


def test_kernels_need_no_stack_and_spill_no_register_on_any_target(tmp_path):
    targets = [f"-gencode=arch=compute_{n},code=sm_{n}" for n in (80, 90, 100, 120)]
    run = subprocess.run(
        ["nvcc", *FLAGS, "-I", str(CPP), *targets, "-fatbin", "-Xptxas", "-v",
         str(CPP / "cuda/kernels.cu"), "-o", str(tmp_path / "kernels.fatbin")],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    stacks = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores", run.stderr)
    registers = [int(n) for n in re.findall(r"Used (\d+) registers", run.stderr)]
    assert len(stacks) == len(registers) >= 4 * len(targets)
    assert set(stacks) == {("0", "0")}
    assert max(registers) <= 64  # four blocks of 256 threads on one multiprocessor
