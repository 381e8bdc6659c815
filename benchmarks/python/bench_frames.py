"""Frames from deepsport beside torchcodec, PyAV, decord2 and OpenCV, measured side by side.

Each decoder runs in a process of its own and does the same job in turn, in a new order each round;
every job opens the file anew. What is compared is the median of processor time (of wall time with
two threads). Writes JSON, from which bench_page.py makes docs/benchmarks.md.

    nox -s bench -- --quick
    python benchmarks/python/bench_frames.py --clips build/bench-clips --rounds 5 --json out.json
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
import clips
import deepsport

Job = tuple[str, list[Any], int]  # name of the peers' method, arguments, threads


class Process:
    """A peer's process; answers one job at a time."""

    def __init__(self, name: str) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("peers.py")), name, "1"],
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


def group_windows(count: int) -> list[list[int]]:
    """Three windows for each of eight rollouts: two near two events, one anywhere; 16 frames each."""
    generator = random.Random(7)
    windows = []
    for _ in range(8):
        for event in (0.31, 0.68, None):
            seconds = generator.uniform(2, 8)
            middle = (
                generator.random()
                if event is None
                else event + generator.uniform(-2, 2) * 30 / count
            )
            first = min(max(0, int(middle * count - seconds * 15)), count - int(seconds * 30) - 1)
            windows.append([first + int(seconds * 30 * k / 16) for k in range(16)])
    return windows


def jobs_for(path: Path, folder: str) -> dict[str, Job]:
    """The jobs of a clip, seeded."""
    name, count = str(path), deepsport.open(path, index_cache=False).frame_count
    generator = random.Random(11)
    window = [count * 7 // 10 + 60 * k // 16 for k in range(16)]
    uniform = [count * k // 8 for k in range(8)]
    return {
        "open": ("open", [name], 1),
        "open, sidecar": ("open_with_sidecar", [name, folder], 1),
        "8 uniform": ("at", [name, uniform], 1),
        "16 in 2 s": ("at", [name, window], 1),
        "64 random": ("at", [name, [generator.randrange(count) for _ in range(64)]], 1),
        "sequential": ("sequential", [name, 240], 1),
        "16 in 2 s to patches": ("patches", [name, window], 1),
        "tail": ("tail", [name, window], 1),
        "group, a call each": ("group", [name, group_windows(count)], 1),
        "group, union": ("union", [name, group_windows(count)], 1),
        "8 uniform, 2 threads": ("at", [name, uniform], 2),
        "group, a call each, 2 threads": ("group", [name, group_windows(count)], 2),
        "group, union, 2 threads": ("union", [name, group_windows(count)], 2),
    }


# What is run on which clip; the rest of the matrix says nothing new.
_ACCESS = ("8 uniform", "16 in 2 s", "64 random")
_GROUP = ("group, a call each", "group, union", "group, a call each, 2 threads",
          "group, union, 2 threads")  # fmt: skip
PLAN: dict[str, tuple[str, ...]] = {
    "h264-720p": ("open", *_ACCESS, "sequential", "16 in 2 s to patches", "tail",
                  "8 uniform, 2 threads"),
    "h264-1080p": ("open", *_ACCESS, "sequential", "16 in 2 s to patches", "tail",
                   "8 uniform, 2 threads"),
    "h264-720p-gop48": _ACCESS,
    "h264-720p-nob": _ACCESS,
    "hevc-720p": _ACCESS,
    "hevc-1080p": _ACCESS,
    "vp9-720p": _ACCESS,
    "av1-720p": _ACCESS,
    "h264-720p-mkv": ("open", "open, sidecar"),
    "h264-720p-ts": ("open", "open, sidecar"),
    "h264-720p-10min": ("open", *_GROUP),
    "h264-1080p-10min": ("open",),
}  # fmt: skip


def needed_runs(path: Path, indices: list[int]) -> list[list[int]]:
    """The packets without which these frames cannot be decoded, a run for each start.

    From the index of a packet scan, which says what is droppable; the plan is written out here
    again, so that the floor does not depend on deepsport's.
    """
    plain = {"index_cache": False, "sample_tables": False}
    packets = deepsport.open(path, **plain).packets()
    packet_of = {int(frame): n for n, frame in enumerate(packets["frame"]) if frame >= 0}
    keys = [n for n, key in enumerate(packets["is_key"]) if key]
    runs: dict[int, set[int]] = {}
    for target in (packet_of[index] for index in set(indices)):
        start = max(k for k in keys if k <= target and packets["pts"][k] <= packets["pts"][target])
        runs.setdefault(start, set()).add(target)
    return [
        [
            n
            for n in range(start, max(targets) + 1)
            if n in targets or not packets["is_droppable"][n]
        ]
        for start, targets in sorted(runs.items())
    ]


def floor_ms(program: Path, path: Path, indices: list[int]) -> float:
    """What libavcodec alone takes for the needed packets, once, as cold as the others."""
    lines = "\n".join(" ".join(map(str, run)) for run in needed_runs(path, indices))
    done = subprocess.run(
        [str(program), str(path), "1"],
        input=lines,
        text=True,
        capture_output=True,
        check=True,
    )
    [time] = json.loads(done.stdout)["cpu_ms"]
    return float(time)


def same_frames(ours: list[float], theirs: list[float]) -> bool:
    """Do the means of the pictures agree? Conversions differ by a step or two of 255."""
    return len(ours) == len(theirs) and all(
        abs(a - b) < 3 for a, b in zip(ours, theirs, strict=True)
    )


def measure(
    processes: list[Process], job: Job, rounds: int, generator: random.Random, floor: Path | None
) -> tuple[dict[str, dict[str, Any]], list[float]]:
    """A job by every peer, in turn, and the floor of each round when there is a program for it.

    The first round warms caches and imports and is not counted.
    """
    name, arguments, threads = job
    found: dict[str, dict[str, Any]] = {
        p.name: {"cpu": [], "wall": [], "peak_mb": [], "read_mb": []} for p in processes
    }
    floors = []
    for number in range(rounds + 1):
        if floor is not None and number > 0:
            floors.append(floor_ms(floor, Path(arguments[0]), arguments[1]))
        for process in generator.sample(processes, len(processes)):
            process.ask("threads", threads)
            answer = process.ask(name, *arguments)
            one = found[process.name]
            if "error" in answer:
                one["error"] = answer["error"]
            elif number > 0:
                for key in ("cpu", "wall", "peak_mb", "read_mb"):
                    one[key].append(answer[key])
                one["means"] = answer.get("means", [])
    ours = found["deepsport"].get("means", [])
    for one in found.values():
        means = one.pop("means", None)
        if means and not same_frames(ours, means):
            one["other_frames"] = True
    return found, floors


def machine() -> dict[str, Any]:
    """What it was measured on."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    ffmpeg = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=False)
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "python": platform.python_version(),
        "ffmpeg": ffmpeg.stdout.split()[2] if ffmpeg.stdout else "unknown",
    }


def main() -> None:
    """Measure, print as it goes, and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, default=Path("build/bench-clips"))
    parser.add_argument("--only", help="clips, by name, with commas")
    parser.add_argument("--jobs", help="jobs, by name, with semicolons")
    parser.add_argument("--peers", default="deepsport,torchcodec,pyav,decord2,opencv")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one codec, two rounds")
    parser.add_argument("--floor", type=Path, help="the program floor of benchmarks/cpp")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"))
    args = parser.parse_args()

    processes = [Process(name) for name in args.peers.split(",")]
    versions: dict[str, str] = {}
    for process in list(processes):
        answer = process.ask("version")
        if "error" in answer:
            print(f"{process.name} is left out: {answer['error']}")
            processes.remove(process)
        else:
            versions[process.name] = answer["value"]
    rounds = min(args.rounds, 2) if args.quick else args.rounds
    chosen = args.only.split(",") if args.only else clips.QUICK if args.quick else list(PLAN)
    known = {"machine": machine(), "versions": versions, "rounds": rounds, "results": []}
    if args.json.exists():  # results of other clips and jobs stay
        known["results"] = json.loads(args.json.read_text())["results"]
    generator = random.Random(5)
    folder = tempfile.TemporaryDirectory()
    for clip in chosen:
        path = clips.make(clip, args.clips)
        jobs = jobs_for(path, folder.name)
        for label in PLAN[clip]:
            if args.jobs and label not in args.jobs.split(";"):
                continue
            able = [p for p in processes if label != "open, sidecar" or p.name == "deepsport"]
            has_floor = args.floor if jobs[label][0] == "at" and jobs[label][2] == 1 else None
            found, floors = measure(able, jobs[label], rounds, generator, has_floor)
            row: dict[str, Any] = {"clip": clip, "job": label, "peers": found,
                                   "load": round(os.getloadavg()[0], 1)}  # fmt: skip
            if floors:
                row["floor_ms"] = floors
            known["results"] = [
                r for r in known["results"] if (r["clip"], r["job"]) != (clip, label)
            ] + [row]
            clock = "wall" if jobs[label][2] > 1 else "cpu"
            cells = [
                f"{name} {statistics.median(one[clock]) * 1000:.1f}"
                if one[clock]
                else f"{name} fails"
                for name, one in found.items()
            ]
            floor = f", floor {statistics.median(row['floor_ms']):.1f}" if "floor_ms" in row else ""
            print(f"{clip}, {label}, {clock} ms: " + ", ".join(cells) + floor, flush=True)
            args.json.parent.mkdir(parents=True, exist_ok=True)
            args.json.write_text(json.dumps(known, indent=1))
    for process in processes:
        if process.process.stdin:
            process.process.stdin.close()
        process.process.wait(30)


if __name__ == "__main__":
    main()
