"""The first run on a GPU, and every later one: ``nox -s gpu``. Hardware-safe: touches no driver state.

    python tests/gpu/check.py [--clips FOLDER] [--report docs/gpu-report.md] [--trace FILE]

Compares every clip with the CPU path byte for byte, decodes damaged copies, tries memory and streams
shared with torch, runs itself under compute-sanitizer where that is installed, times the same requests
beside torchcodec and PyNvVideoCodec where those are, and notes the parser's callbacks. A part that
fails is reported and the others still run. Exit 1 when anything differs or fails, 77 without a GPU.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import compare
import sharing
import timing

import deepsport
from deepsport._core import cuda as core
from deepsport._core import frames as layouts
from deepsport.device import CudaDevice, cuda_device, cuda_status

HERE = Path(__file__).parent
OWN_CLIPS = HERE / "clips"  # small, in the repository: their callbacks can be compared anywhere
SUFFIXES = {".mp4", ".webm", ".ts", ".avi", ".mkv"}
PARTS = ("pictures", "damaged", "requests", "torch", "sanitizer", "times")
Part = Callable[[], tuple[list[str], int]]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--clips", type=Path, action="append", default=[])
    arguments.add_argument("--report", type=Path)
    arguments.add_argument("--trace", type=Path)
    arguments.add_argument(
        "--only",
        choices=(*PARTS, "trace"),
        action="append",
        help="this part; may be repeated. Default: all",
    )
    arguments.add_argument(
        "--timed", type=Path, help="folder of clips to time, instead of made ones"
    )
    arguments.add_argument("--limit", type=float, default=900, help="seconds for compute-sanitizer")
    arguments.add_argument("--frames", type=int, default=200, help="most frames of a clip")
    arguments.add_argument("--rounds", type=int, default=7, help="of each timing")
    arguments.add_argument("--fake", action="store_true", help="to try this script itself")
    args = arguments.parse_args()
    status = cuda_status()
    if not status.decodes:
        print(f"skipped: {status.why_not}")
        return 77
    device = cuda_device(0)
    is_fake = device.name.startswith("Fake")
    if is_fake != args.fake:
        print(f"--fake is {args.fake}, but this is {device.name}")
        return 1
    clips = [
        path
        for folder in (OWN_CLIPS, *args.clips)
        for path in sorted(folder.iterdir())
        if path.suffix in SUFFIXES
    ]
    parts: dict[str, tuple[str, Part]] = {
        "pictures": ("Pictures", lambda: compare.pictures(clips, args.frames)),
        "damaged": ("Damaged copies", lambda: compare.damaged(OWN_CLIPS)),
        "requests": ("Requests", lambda: compare.requests(clips[0], status.device_count)),
        "torch": ("Torch", lambda: sharing.with_torch(OWN_CLIPS / "h264_open_gop.mp4", is_fake)),
        "sanitizer": ("compute-sanitizer", lambda: sanitizer(is_fake, args.limit)),
        "times": ("Times", lambda: timing.table(clips, args.timed, args.rounds, is_fake)),
    }
    lines, failed = headline(device, status.driver_version), 0
    for name in args.only or PARTS:
        if name == "trace":  # noted below, whatever else is done
            continue
        title, part = parts[name]
        found, wrong = run(part)
        failed += wrong
        lines += ["", f"## {title}", "", *found]
        print(f"## {title}", *found, "", sep="\n", flush=True)
    if args.trace:
        args.trace.parent.mkdir(parents=True, exist_ok=True)
        args.trace.write_text(trace())
        lines += ["", f"The parser's callbacks: `{args.trace.name}`."]
    verdict = "Everything agrees." if not failed else f"**{failed} checks differ or failed.**"
    lines[2:2] = [verdict, ""]
    if args.report:
        args.report.parent.mkdir(parents=True, exist_ok=True)
        args.report.write_text("\n".join(lines) + "\n")
    print(verdict)
    return 1 if failed else 0


def run(part: Part) -> tuple[list[str], int]:
    """Run one part; a crash of it is its result, and the others still run."""
    try:
        return part()
    except Exception:  # noqa: BLE001 - reported, and the others run
        return ["failed:", "", "```text", *traceback.format_exc().splitlines()[-12:], "```"], 1


def headline(device: CudaDevice, driver_version: int) -> list[str]:
    return [
        "# The CUDA path on a device",
        "",
        (
            f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {device.name}, compute {device.compute[0]}."
            f"{device.compute[1]}, {device.memory_bytes / 2**30:.0f} GiB, driver for CUDA "
            f"{driver_version // 1000}.{driver_version % 1000 // 10}, {platform.platform()}, "
            f"deepsport {deepsport.__version__}. Command: `nox -s gpu`."
        ),
        "",
        f"NVDEC says it decodes: {', '.join(device.codecs) or 'nothing'}.",
    ]


def sanitizer(is_fake: bool, limit: float) -> tuple[list[str], int]:
    """memcheck over the comparison of the small clips, in a process of its own.

    No racecheck: no kernel has shared memory. No initcheck: it does not see what NVDEC writes.
    """
    roots = (os.environ.get("CUDA_HOME"), "/usr/local/cuda", *Path("/usr/local").glob("cuda-*"))
    places = os.pathsep.join(str(Path(root) / "bin") for root in roots if root)
    tool = shutil.which("compute-sanitizer") or shutil.which("compute-sanitizer", path=places)
    if is_fake or tool is None:
        return ["Not run: this is the fake driver, or compute-sanitizer is not installed."], 0
    command = [tool, "--tool", "memcheck", "--leak-check", "no", "--error-exitcode", "9",
               sys.executable, __file__, "--only", "pictures", "--frames", "8"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    lines = [f"memcheck: exit {done.returncode}."]
    if done.returncode != 0:
        lines += ["", "```text", *(done.stdout + done.stderr).splitlines()[-30:], "```"]
    return lines, int(done.returncode != 0)


def trace() -> str:
    """What the parser said of each small clip, without the numbers of surfaces, which it may choose."""
    parts = []
    for clip in sorted(OWN_CLIPS.iterdir()):
        video = deepsport.open(clip)
        layout = layouts.Format(64, 48, 0, 0, [0.0] * 3, [1.0] * 3, [14, 2, 2], True)
        memory = core.Memory(0, layout.total_bytes(2))
        wanted = [len(video) // 2 + 1, len(video) - 1]
        _, report = core.decode(
            video._core, wanted, layout, 0, memory.address, layout.total_bytes(2), memory.stream,
            1, False, 0.0, keep_callbacks=True,
        )  # fmt: skip
        if report["why_on_cpu"]:  # a codec that this device does not decode
            continue
        said = []
        for line in report["callbacks"]:
            word, *rest = line.split()
            said.append(" ".join([word, *rest[1:]]) if word in {"decode", "display"} else line)
        parts.append("\n".join([f"clip {clip.name}", *said]))
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
