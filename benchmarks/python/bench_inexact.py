"""What the opt-ins that trade exactness gain, and what they cost: nearby frames, no loop filter.

    python benchmarks/python/bench_inexact.py build/bench-clips/h264-720p.mp4 build/bench-clips/hevc-720p.mp4

Processor time of one thread against the exact request, medians; PSNR against the exact frames; and
how far from the time asked for a snapped frame is.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from pathlib import Path

import numpy as np

import deepsport


def milliseconds(path: Path, rounds: int, **how: object) -> list[float]:
    """Time an exact and a changed request in turns; return both medians."""
    taken: list[list[float]] = [[], []]
    snap = how.pop("snap", None)
    for _ in range(rounds):
        for which in (0, 1):
            video = deepsport.open(path)
            frames = [video.frame_count * k // 8 + 97 for k in range(8)]
            begin = time.process_time()
            if which and snap is not None:
                frames = video.snap(frames, snap)
            video.at(frames, **(how if which else {}))
            taken[which].append((time.process_time() - begin) * 1000)
    return [statistics.median(one) for one in taken]


def main() -> None:
    """Print a row of Markdown for each clip and opt-in."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    for path in args.clips:
        exact, rough = milliseconds(path, args.rounds, loop_filter=False)
        video = deepsport.open(path)
        key = int(np.flatnonzero(video.packets()["is_key"])[1])
        start = int(video.packets()["frame"][key])
        losses = []
        for ahead in (1, 60, 240):
            frame = [min(start + ahead, video.frame_count - 1)]
            difference = (
                video.at(frame).data.astype(float) - video.at(frame, loop_filter=False).data
            )
            losses.append(10 * math.log10(255**2 / max(1e-9, float((difference**2).mean()))))
        loss = ", ".join(f"{one:.0f}" for one in losses)
        print(
            f"| {path.stem} | no loop filter | {exact:.0f} | {rough:.0f} ({exact / rough:.2f}) | PSNR {loss} dB |"
        )
        for within in (0.1, 0.5):
            exact, near = milliseconds(path, args.rounds, snap=within)
            frames = [video.frame_count * k // 8 + 97 for k in range(8)]
            away = np.abs(video.pts_seconds[video.snap(frames, within)] - video.pts_seconds[frames])
            print(f"| {path.stem} | within {within:g} s | {exact:.0f} | {near:.0f} ({exact / near:.2f}) | "
                  f"{away.mean():.2f} s away |")  # fmt: skip


if __name__ == "__main__":
    main()
