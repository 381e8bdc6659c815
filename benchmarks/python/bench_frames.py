"""Frames from deepsport beside torchcodec, PyAV, decord2 and OpenCV, measured side by side.

Each decoder runs in a process of its own and does the same job in turn, in a new order each round;
every job opens the file anew. Prints medians, ratios, and whether the same frames came out.

    python benchmarks/python/bench_frames.py --clips /tmp/bench-clips --rounds 5
    python benchmarks/python/bench_frames.py --peers deepsport,torchcodec --threads 2 --markdown
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
import clips
import deepsport


class Process:
    """A peer's process; answers one job at a time."""

    def __init__(self, name: str, threads: int) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("peers.py")), name, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=environment,
        )  # fmt: skip

    def ask(self, job: str, *arguments: Any) -> dict[str, Any]:
        """Do a job; an ``error`` when it failed or the process died."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps([job, arguments]) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        return json.loads(line) if line else {"error": "the process ended"}


def jobs_for(path: Path) -> dict[str, tuple[str, list[Any]]]:
    """The jobs of a clip, seeded."""
    count = deepsport.open(path).frame_count
    generator = random.Random(11)
    uniform = [count * k // 8 for k in range(8)]
    middle = count // 2
    window = [middle + 60 * k // 16 for k in range(16)]
    scattered = [generator.randrange(count) for _ in range(64)]
    return {
        "open": ("open", [str(path)]),
        "8 uniform": ("at", [str(path), uniform]),
        "16 in 2 s": ("at", [str(path), window]),
        "64 random": ("at", [str(path), scattered]),
        "16 in 2 s to patches": ("patches", [str(path), window, 640 * 360]),
    }


def same_frames(ours: list[float], theirs: list[float]) -> bool:
    """Do the means of the pictures agree? Conversions differ by a step or two of 255."""
    return len(ours) == len(theirs) and all(
        abs(a - b) < 3 for a, b in zip(ours, theirs, strict=True)
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--clips", type=Path, default=Path("build/bench-clips"), help="where to make them"
    )
    parser.add_argument("--only", default=",".join(clips.RECIPES), help="clips, by name")
    parser.add_argument("--jobs", default="open,8 uniform,16 in 2 s,64 random,16 in 2 s to patches")
    parser.add_argument("--peers", default="deepsport,torchcodec,pyav,decord2,opencv")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=["cpu", "wall"], default="cpu")
    parser.add_argument("--json", type=Path, help="write every figure here")
    args = parser.parse_args()

    processes = [Process(name, args.threads) for name in args.peers.split(",")]
    versions = {p.name: p.ask("version") for p in processes}
    for process in list(processes):
        if "error" in versions[process.name]:
            print(f"{process.name} is left out: {versions[process.name]['error']}")
            processes.remove(process)
    names = [p.name for p in processes]
    shown = ", ".join(f"{name} {versions[name]['value']}" for name in names)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores; {shown}; "
          f"{args.threads} thread(s); {args.clock} milliseconds, median of {args.rounds}; "
          "ratio = the peer's time over deepsport's\n")  # fmt: skip
    print(
        "| clip | job | "
        + " | ".join(names)
        + " | "
        + " | ".join(f"{n} ratio" for n in names[1:])
        + " |"
    )
    print("|---" * (2 * len(names) + 1) + "|")
    generator = random.Random(5)
    everything = []
    for clip in args.only.split(","):
        path = clips.make(clip, args.clips)
        for label, (job, arguments) in jobs_for(path).items():
            if label not in args.jobs.split(","):
                continue
            times: dict[str, list[float]] = {name: [] for name in names}
            notes: dict[str, str] = {}
            means: dict[str, list[float]] = {}
            for round_number in range(args.rounds + 1):
                for process in generator.sample(processes, len(processes)):
                    answer = process.ask(job, *arguments)
                    if "error" in answer:
                        notes[process.name] = "fails"
                    elif round_number > 0:  # the first warms caches and imports
                        times[process.name].append(answer[args.clock] * 1000)
                        means[process.name] = answer.get("means", [])
            ours = statistics.median(times["deepsport"])
            cells, ratios = [], []
            for name in names:
                if name in notes or not times[name]:
                    cells.append("fails")
                    ratios.append("")
                    continue
                median = statistics.median(times[name])
                wrong = means[name] and not same_frames(means["deepsport"], means[name])
                cells.append(f"{median:.2f}" + (" (other frames)" if wrong else ""))
                ratios.append(f"{median / ours:.2f}")
            print(f"| {clip} | {label} | " + " | ".join(cells + ratios[1:]) + " |", flush=True)
            everything.append({"clip": clip, "job": label, "times_ms": times, "notes": notes})
    if args.json:
        args.json.write_text(json.dumps({"versions": versions, "results": everything}, indent=1))
    for process in processes:
        if process.process.stdin:
            process.process.stdin.close()
        process.process.wait(30)


if __name__ == "__main__":
    main()
