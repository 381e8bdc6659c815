"""The first run on a GPU, and every later one: ``nox -s gpu``. Hardware-safe: touches no driver state.

    python tests/gpu/check.py --clips FOLDER [--report docs/gpu-report.md] [--trace FILE]

Compares every clip with the CPU path byte for byte, tries memory and streams shared with torch, runs
itself under compute-sanitizer where that is installed, times the same requests beside torchcodec and
PyNvVideoCodec where those are, and notes the parser's callbacks. Exit 1 when anything differs, 77
without a GPU.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import importlib.util
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import deepsport
from deepsport import cuda
from deepsport._core import cuda as core
from deepsport.device import cuda_device, cuda_status

ROUNDS = 5


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--clips", type=Path, required=True)
    arguments.add_argument("--report", type=Path)
    arguments.add_argument("--trace", type=Path)
    arguments.add_argument("--only-compare", action="store_true")
    arguments.add_argument("--fake", action="store_true", help="to try this script itself")
    args = arguments.parse_args()
    status = cuda_status()
    if not status.decodes:
        print(f"skipped: {status.why_not}")
        return 77
    device = cuda_device(0)
    if device.name.startswith("Fake") and not args.fake:
        print("this is the fake driver: take it off LD_LIBRARY_PATH")
        return 1
    clips = sorted(p for p in args.clips.iterdir() if p.suffix in {".mp4", ".webm", ".ts", ".avi"})
    lines = [
        "# The CUDA path on a device",
        "",
        (
            f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {device.name}, compute {device.compute[0]}."
            f"{device.compute[1]}, driver for CUDA {status.driver_version // 1000}."
            f"{status.driver_version % 1000 // 10}, {platform.platform()}."
        ),
        "",
        f"NVDEC says it decodes: {', '.join(device.codecs) or 'nothing'}.",
        "",
        "| clip | frames | by | native | resized | patches |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    failed = 0
    for clip in clips:
        row, wrong = compare(clip)
        lines.append(row)
        failed += wrong
        print(row, flush=True)
    if not args.only_compare:
        for title, part in (("Torch", torch_shares), ("compute-sanitizer", sanitizer)):
            answer, wrong = part(args)
            lines += ["", f"## {title}", "", answer]
            failed += wrong
            print(f"{title}: {answer}", flush=True)
        lines += ["", "## Times", "", *times(clips)]
        if args.trace:
            args.trace.parent.mkdir(parents=True, exist_ok=True)
            args.trace.write_text(trace(clips))
            lines += ["", f"Callbacks of the parser: `{args.trace.name}`."]
    if args.report and not failed:
        args.report.write_text("\n".join(lines) + "\n")
    print("everything agrees" if not failed else f"{failed} comparisons differ")
    return 1 if failed else 0


def compare(clip: Path) -> tuple[str, int]:
    """One clip, all frames, three ways; a row of the report and the number of differences."""
    video = deepsport.open(clip)
    frames = list(range(len(video)))[:200]
    ways: list[tuple[tuple[int, int] | None, cuda.Pixels]] = [
        (None, cuda.Pixels()),
        ((224, 168), cuda.Pixels()),
        ((224, 168), cuda.Pixels("patches", "float32", (0.48, 0.46, 0.41), (0.27, 0.26, 0.28))),
    ]
    cells, wrong, by = [], 0, "NVDEC"
    for size, pixels in ways:
        batch = video.at(frames, size, device="cuda", pixels=pixels)
        if batch.counts["decoded_on_cpu"]:
            by = "the CPU"
        found = batch.data.numpy()
        wanted: Any = video.at(frames, size).data
        if pixels.order == "patches":
            wanted = core_patches(wanted, pixels)
        same = hashlib.md5(found.tobytes()).digest() == hashlib.md5(wanted.tobytes()).digest()
        cells.append("same" if same else f"{int((found != wanted).sum())} values differ")
        wrong += not same
    return f"| {clip.name} | {len(frames)} | {by} | {' | '.join(cells)} |", wrong


def core_patches(rgb: np.ndarray, pixels: cuda.Pixels) -> np.ndarray:
    from deepsport._core import frames

    values, _ = frames.patches(
        rgb, pixels.patch, pixels.merge, pixels.temporal, pixels.mean, pixels.std, True, 0
    )
    return values


def torch_shares(args: argparse.Namespace) -> tuple[str, int]:
    """Memory and streams shared with torch, both ways."""
    if args.fake or importlib.util.find_spec("torch") is None:
        return "not tried: torch is not installed here, or this is the fake driver", 0
    import torch

    if not torch.cuda.is_available():
        return "not tried: this torch has no CUDA", 0
    video = deepsport.open(args.clips / "h264.mp4")
    wanted = video.at([3, 40]).data
    wrong = []
    with torch.cuda.stream(torch.cuda.Stream()):
        out = torch.zeros(wanted.shape, dtype=torch.uint8, device="cuda")
        video.at([3, 40], device="cuda", out=out)
        if not np.array_equal(out.cpu().numpy(), wanted):
            wrong.append("out=")
        shared = torch.from_dlpack(video.at([3, 40], device="cuda").data)
        if not np.array_equal(shared.clone().cpu().numpy(), wanted):
            wrong.append("from_dlpack")
        rewards = torch.rand(64, device="cuda")
        found = torch.empty_like(rewards)
        cuda.group_advantages(rewards, found, group_size=8)
        groups = rewards.double().view(-1, 8)
        exact = (groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-4)
        if not torch.allclose(found.double(), exact.flatten(), atol=1e-6):
            wrong.append("group_advantages")
    return (
        f"differs: {', '.join(wrong)}" if wrong else "out=, from_dlpack, advantages agree"
    ), len(wrong)


def sanitizer(args: argparse.Namespace) -> tuple[str, int]:
    """memcheck over the comparisons, in a process of its own."""
    tool = shutil.which("compute-sanitizer")
    if tool is None or args.fake:
        return "not run: compute-sanitizer is not installed here", 0
    run = subprocess.run(
        [tool, "--tool", "memcheck", "--error-exitcode", "9", sys.executable, __file__,
         "--clips", str(args.clips), "--only-compare"],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return f"memcheck exits with {run.returncode}", int(run.returncode != 0)


def times(clips: list[Path]) -> list[str]:
    """Medians of the same requests by each way that is installed."""
    clip = next(p for p in clips if p.name == "h264.mp4")
    video = deepsport.open(clip)
    uniform = [int(i * len(video) / 8) for i in range(8)]
    ways: dict[str, Callable[[], Any]] = {
        "deepsport, CPU, one thread": lambda: video.at(uniform, (224, 168)),
        "deepsport, cuda": lambda: video.at(uniform, (224, 168), device="cuda").data.numpy(),
    }
    rows = ["8 frames of a two-second clip of 352x270, to 224x168 where the library can:", ""]
    if importlib.util.find_spec("torchcodec"):
        from torchcodec.decoders import VideoDecoder

        ways["torchcodec, cuda"] = lambda: (
            VideoDecoder(str(clip), device="cuda").get_frames_at(uniform).data.cpu()
        )
    else:
        rows.append("torchcodec is not installed.")
    if importlib.util.find_spec("PyNvVideoCodec"):
        import PyNvVideoCodec

        ways["PyNvVideoCodec"] = lambda: PyNvVideoCodec.SimpleDecoder(
            str(clip)
        ).get_batch_frames_by_index(uniform)
    else:
        rows.append("PyNvVideoCodec is not installed.")
    rows += ["", "| way | median ms | least | most |", "| --- | --- | --- | --- |"]
    for name, work in ways.items():
        work()
        taken = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            work()
            taken.append(1000 * (time.perf_counter() - begun))
        rows.append(
            f"| {name} | {statistics.median(taken):.1f} | {min(taken):.1f} | {max(taken):.1f} |"
        )
    return rows


def trace(clips: list[Path]) -> str:
    """What the parser said of each clip, without the numbers of surfaces, which it may choose."""
    parts = []
    for clip in clips:
        video = deepsport.open(clip)
        layout = core.Format(64, 48, 0, 0, [0.0] * 3, [1.0] * 3, [14, 2, 2], True)
        memory = core.Memory(0, layout.total_bytes(1))
        last = len(video) - 1
        _, report = core.decode(
            video._core, [last], layout, 0, memory.address, layout.total_bytes(1), memory.stream,
            1, False, 0.0, keep_callbacks=True,
        )  # fmt: skip
        said = []
        for line in report["callbacks"]:
            word, *rest = line.split()
            said.append(line if word == "sequence" else " ".join([word, *rest[1:]]))
        parts.append("\n".join([f"clip {clip.name}", *said]))
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
