"""# Embed in C++

Compile a C++ program against an installed deepsport and run it. PREFIX is an install tree (see
embedding.md) or the site-packages folder of a wheel.

    python embed_in_cpp.py PREFIX rally.mp4
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

prefix, clip = Path(sys.argv[1]), Path(sys.argv[2]).resolve()

# The program: frames of a window, as an array of bytes.
PROGRAM = r"""
#include <cstdio>
#include <deepsport/deepsport.hpp>

int main(int, char** argv) {
  auto source = deepsport::open_file(argv[1]).value();  // value() throws deepsport::Error
  auto video = deepsport::Video::open(source, {}, deepsport::Deadline::after(60)).value();
  const auto frames = video->window(0.0, 1.0, 4);
  std::vector<std::uint8_t> rgb(frames.size() * 96 * 64 * 3);
  const auto status = video->rgb(frames, {96, 64}, {}, rgb.data()).value();
  std::printf("%lld frames, %zu of them decoded, first byte %d\n",
              static_cast<long long>(video->index().frame_count()), status.size(), rgb[0]);
}
"""

# pkg-config knows the flags; CMake users write find_package(deepsport).
[found] = prefix.rglob("deepsport.pc")
env = {
    **os.environ,
    "PKG_CONFIG_PATH": f"{found.parent}:{os.environ.get('PKG_CONFIG_PATH', '')}",
    "LD_LIBRARY_PATH": str(found.parent.parent),
}
with tempfile.TemporaryDirectory() as folder:
    source, program = Path(folder) / "main.cpp", Path(folder) / "main"
    source.write_text(PROGRAM)
    flags = subprocess.check_output(
        ["pkg-config", "--cflags", "--libs", "deepsport"], env=env, text=True
    ).split()
    subprocess.run(["c++", "-std=c++17", source, *flags, "-o", program], check=True, env=env)
    print(subprocess.check_output([program, clip], env=env, text=True).strip())
