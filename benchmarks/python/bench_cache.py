"""The shared frame cache: four processes that ask for the same windows, with it and without.

Each process plays a rollout of the same prompt: eight uniform frames, then three windows of 16 frames near one
event, in an order of its own, at 448 pixels of width. Rounds with and without alternate; every round starts with an
empty cache. Prints medians of the processor time of all processes together, of the wall time, and the hit rate.

    python benchmarks/python/bench_cache.py --clips build/bench-clips --rounds 5
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import clips

PROCESSES = 4


def play(folder: str, name: str, seed: int) -> None:
    """One rollout; prints its processor seconds after start-up, and what it decoded."""
    from deepsport.tool import FrameSource
    from deepsport.tool.frame_source import fit_inside

    source = FrameSource(folder)
    video = source.video(name)
    size = fit_inside(video.width, video.height, 448, 448)
    count = video.frame_count
    event = count // 2
    uniform = [count * k // 8 for k in range(8)]
    windows = [[event + shift + 60 * k // 16 for k in range(16)] for shift in (-30, 0, 45)]
    random.Random(seed).shuffle(windows)
    print("ready", flush=True)
    sys.stdin.readline()
    before = resource.getrusage(resource.RUSAGE_SELF)
    for window in (uniform, *windows):
        source.frames(name, window, size)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    facts = source.shared.facts() if source.shared else None
    print(json.dumps({
        "cpu": cpu, "decoded": source.misses, "shared": source.shared_hits, "own": source.hits,
        "hit_rate": facts.hit_rate if facts else 0.0, "used": facts.used_bytes if facts else 0,
    }), flush=True)  # fmt: skip
    sys.stdin.readline()


def round_of(clip: Path, cache: str) -> dict[str, float]:
    """Start the processes, let them go at once, add up."""
    environment = os.environ | {"DEEPSPORT_FRAME_CACHE": cache, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--play", str(clip.parent), clip.name, str(seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        for seed in range(PROCESSES)
    ]  # fmt: skip
    for process in processes:
        process.stdout.readline()
    started = time.monotonic()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [json.loads(process.stdout.readline()) for process in processes]
    wall = time.monotonic() - started
    for process in processes:
        process.communicate("\n")
    return {
        "cpu": sum(r["cpu"] for r in results),
        "wall": wall,
        "decoded": sum(r["decoded"] for r in results),
        "hit_rate": max(r["hit_rate"] for r in results),
        "used": max(r["used"] for r in results),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, default=Path("build/bench-clips"))
    parser.add_argument("--recipe", default="h264-720p", choices=sorted(clips.RECIPES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--play", nargs=3, metavar=("FOLDER", "NAME", "SEED"), help=argparse.SUPPRESS
    )
    args = parser.parse_args()
    if args.play:
        play(args.play[0], args.play[1], int(args.play[2]))
        return
    clip = clips.make(args.recipe, args.clips)
    ways = {"without": "off", "with": f"/dev/shm/deepsport-frames-bench-{os.getpid()}:512MiB"}
    rounds: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for number in range(args.rounds):
        for way in sorted(ways, reverse=number % 2 == 0):
            rounds[way].append(round_of(clip, ways[way]))
    for way, results in rounds.items():
        middle = {name: statistics.median(r[name] for r in results) for name in results[0]}
        print(
            f"{way:8} CPU {middle['cpu']:6.2f} s  wall {middle['wall']:6.2f} s  frames decoded "
            f"{middle['decoded']:4.0f}  hit rate {middle['hit_rate']:.0%}  {middle['used'] / 2**20:.0f} MiB"
        )
    ratios = [
        one["cpu"] / other["cpu"]
        for one, other in zip(rounds["without"], rounds["with"], strict=True)
    ]
    print(f"processor time without / with: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
