"""Stand-ins for the CUDA libraries that torchcodec's wheel is linked to, so that it loads without.

From 0.14 on the wheel on PyPI is built for CUDA only and does not import beside a CPU build of
torch. Decoding on the CPU calls none of CUDA; every function here returns "error 999, unknown".
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from pathlib import Path

__all__ = ["build", "load"]

LIBRARIES = ("libcudart.so.13", "libnvrtc.so.13", "libc10_cuda.so", "libtorch_cuda.so")


def build(torchcodec: Path, folder: Path) -> None:
    """Compile the stand-ins for the package in `torchcodec` into `folder`; needs cc and nm."""
    names: set[str] = set()
    for library in torchcodec.glob("libtorchcodec_*.so"):
        listing = subprocess.run(
            ["nm", "-D", "--undefined-only", str(library)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        names |= set(re.findall(r"U (\w*cuda\w*|nvrtc\w+)", listing, re.IGNORECASE))
    names.discard("aoti_torch_device_type_cuda")  # in every torch
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "stubs.c"
    source.write_text("".join(f"int {name}(void) {{ return 999; }}\n" for name in sorted(names)))
    for library in LIBRARIES:
        own = ["-x", "c", "/dev/null"]
        if library.startswith("libcudart"):  # its symbols are versioned
            versions = folder / "versions.map"
            versions.write_text(f"{library} {{ *; }};\n")
            own = [str(source), f"-Wl,--version-script={versions}"]
        subprocess.run(
            ["cc", "-shared", "-fPIC", f"-Wl,-soname,{library}", "-o", str(folder / library), *own],
            check=True,
        )  # fmt: skip


def load(folder: Path) -> None:
    """Load the stand-ins; torchcodec's libraries then find them by name."""
    for library in LIBRARIES:
        ctypes.CDLL(str(folder / library), mode=ctypes.RTLD_GLOBAL)


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
