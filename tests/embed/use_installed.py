"""Build and run the examples against an installed deepsport: CMake, pkg-config, C, C++, Rust.

    python use_installed.py PREFIX CLIP [--kinds shared,static,subdirectory]

PREFIX is an install tree or a site-packages folder; CLIP is the clip of tests/wheel/make_clip.py. The
kind "subdirectory" builds the sources of this checkout as a part of the other project.
Fails when one of them does not build, or does not print the frames that are in the clip.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples"
WINDOW = ["0.4", "1.2", "4"]
EXPECTED = [(10, 0.4), (15, 0.6), (20, 0.8), (25, 1.0)]  # of 25 frames a second


def run(*command, **how):
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, **how)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def check_output(name, text):
    """Compare what an example printed with what the clip holds: frame i has luma 16 + 4 i."""
    found = re.findall(r"frame (\d+) at ([\d.]+) s: mean ([\d.]+)", text)
    assert [(int(frame), float(second)) for frame, second, _ in found] == EXPECTED, (name, text)
    for frame, _, mean in found:
        assert abs(float(mean) - 4 * int(frame) * 255 / 219) < 3, (name, text)
    print(f"{name}: {len(found)} frames as expected")


def by_cmake(prefix, clip, kind, work):
    build = work / f"cmake-{kind}"
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    run(
        "cmake", "-S", HERE, "-B", build, *generator, f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DDEEPSPORT_KIND={kind}", "-DCMAKE_BUILD_TYPE=Release",
        *(["-DDEEPSPORT_CUDA=OFF"] if kind == "subdirectory" else []),
    )  # fmt: skip
    run("cmake", "--build", build, "-j", "2")
    check_output(f"C by CMake, {kind}", run(build / "frames_c", clip, *WINDOW))
    check_output(f"C++ by CMake, {kind}", run(build / "frames_cpp", clip, *WINDOW))
    print(run(build / "c_face", clip).strip())


def by_pkg_config(prefix, clip, kind, work):
    [found] = prefix.rglob("deepsport.pc")
    library = found.parent.parent.resolve()
    others = os.environ.get("PKG_CONFIG_PATH", "")
    env = {
        **os.environ,
        "PKG_CONFIG_PATH": f"{found.parent}{os.pathsep}{others}",
        "LD_LIBRARY_PATH": str(library),
    }
    name = "deepsport-static" if kind == "static" else "deepsport"
    flags = run("pkg-config", "--cflags", "--libs", name, env=env).split()
    for source, compiler in (("frames.c", "cc"), ("frames.cpp", "c++")):
        program = work / f"{source}-{kind}"
        run(compiler, EXAMPLES / source, *flags, "-o", program, env=env)
        check_output(f"{source} by pkg-config, {kind}", run(program, clip, *WINDOW, env=env))
    if kind == "shared" and has_rust():
        program = work / "frames-rs"
        run("rustc", "-O", EXAMPLES / "frames.rs", "-L", library, "-o", program, env=env)
        check_output("frames.rs", run(program, clip, *WINDOW, env=env))
    elif kind == "shared":
        print("frames.rs: not tried, there is no rustc that runs")


def has_rust():
    """Whether rustc runs: rustup's stand-in is there also where no toolchain has been chosen."""
    found = shutil.which("rustc")
    return bool(found) and subprocess.run([found, "--version"], capture_output=True).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prefix", type=Path)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--kinds", default="shared,static,subdirectory")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for kind in args.kinds.split(","):
            by_cmake(args.prefix.resolve(), args.clip.resolve(), kind, Path(folder))
            if kind != "subdirectory":
                by_pkg_config(args.prefix.resolve(), args.clip.resolve(), kind, Path(folder))


if __name__ == "__main__":
    main()
