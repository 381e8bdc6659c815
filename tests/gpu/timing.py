"""The same requests by deepsport and, where they are installed, other libraries; part of check.py.

Each request opens the file and leaves the frames in device memory, at their own size, as uint8. The
ways take turns, so that what disturbs the machine disturbs all of them.
"""

from __future__ import annotations

import importlib.util
import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deepsport

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RECIPES = ("h264-1080p", "h264-720p", "hevc-720p", "av1-720p")
CPU = "deepsport, CPU, one thread"
Way = Callable[[Path, list[int]], Any]


def table(
    clips: list[Path], folder: Path | None, rounds: int, is_fake: bool
) -> tuple[list[str], int]:
    """Median milliseconds of each request by each way; of the clips in `folder`, if one is given."""
    ways, missing = _ways(is_fake)
    rows = [*missing, "", "| clip | request | way | median ms | least | most |",
            "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    timed = sorted(folder.iterdir()) if folder is not None else _benchmark_clips(is_fake)
    for clip in timed or clips[:1]:
        video = deepsport.open(clip)
        count, rate = len(video), len(video) / (video.end_seconds - video.first_pts_seconds)
        start = count // 3
        requests = {
            "8 uniform frames": [int((i + 0.5) * count / 8) for i in range(8)],
            "16 frames of 2 s": [min(count - 1, start + int(i * rate / 8)) for i in range(16)],
            "64 frames in a row": [min(count - 1, start + i) for i in range(64)],
            "64 frames at random": random.Random(0).choices(range(count), k=64),
        }
        for name, frames in requests.items():
            taken: dict[str, list[float]] = {way: [] for way in ways}
            failed: dict[str, str] = {}
            for turn in range(rounds + 1):
                for way, work in ways.items():
                    if way in failed or (way == CPU and turn > 1):  # known well, and slow
                        continue
                    try:
                        begun = time.perf_counter()
                        work(clip, frames)
                        if turn > 0:  # the first makes decoders and loads kernels
                            taken[way].append(1000 * (time.perf_counter() - begun))
                    except Exception as error:  # noqa: BLE001 - reported, and the others run
                        failed[way] = f"{type(error).__name__}: {error}".splitlines()[0][:120]
            for way, times in taken.items():
                cells = (
                    f"{failed[way]} | | " if way in failed else
                    f"{statistics.median(times):.1f} | {min(times):.1f} | {max(times):.1f}"
                )  # fmt: skip
                rows.append(f"| {clip.name} | {name} | {way} | {cells} |")
    return rows, 0


def _benchmark_clips(is_fake: bool) -> list[Path]:
    """The clips of the frame benchmark, as far as this ffmpeg can make them."""
    if is_fake or shutil.which("ffmpeg") is None:
        return []
    sys.path.insert(0, str(BENCHMARKS))
    import clips

    made = []
    for name in RECIPES:
        try:
            made.append(clips.make(name, Path("build/gpu/benchmark")))
        except Exception as error:  # noqa: BLE001 - reported, and the others run
            print(f"not timed: {name}: {error}", flush=True)
    return made


def _ways(is_fake: bool) -> tuple[dict[str, Way], list[str]]:
    """The libraries that are here, and a line for each that is not."""
    synchronise: Callable[[], Any] | None = None
    if not is_fake and importlib.util.find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            synchronise = torch.cuda.synchronize

    def ours(clip: Path, frames: list[int], threads: int = 1) -> None:
        data = deepsport.open(clip).at(frames, device="cuda", threads=threads).data
        if synchronise is None:
            data.numpy()  # nothing else here waits for the device
        else:
            synchronise()

    ways: dict[str, Way] = {
        "deepsport, cuda": ours,
        "deepsport, cuda, 4 decoders": lambda clip, frames: ours(clip, frames, 4),
        CPU: lambda clip, frames: deepsport.open(clip).at(frames),
    }
    missing = []
    if synchronise is None:
        missing.append("No torch with CUDA: deepsport's times contain a copy to the host.")
    elif importlib.util.find_spec("torchcodec"):
        from torchcodec.decoders import VideoDecoder

        def torchcodec(clip: Path, frames: list[int]) -> None:
            VideoDecoder(str(clip), device="cuda", seek_mode="exact").get_frames_at(frames)
            synchronise()

        ways["torchcodec, cuda, exact"] = torchcodec
    else:
        missing.append("torchcodec is not installed.")
    if not is_fake and importlib.util.find_spec("PyNvVideoCodec"):
        import PyNvVideoCodec

        def pynv(clip: Path, frames: list[int]) -> None:
            decoder = PyNvVideoCodec.SimpleDecoder(
                str(clip), gpu_id=0, use_device_memory=True,
                output_color_type=PyNvVideoCodec.OutputColorType.RGB,
            )  # fmt: skip
            decoder.get_batch_frames_by_index(frames)
            if synchronise is not None:
                synchronise()

        ways["PyNvVideoCodec"] = pynv
    else:
        missing.append("PyNvVideoCodec is not installed.")
    return ways, missing
