"""`deepsport testbed`: simulate matches as real video, with their annotation and questions."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["register", "run"]

_EXAMPLES = """examples:
  deepsport testbed --out bed --matches 30            120 clips in about ten seconds a core
  deepsport testbed --out bed --matches 30 --seed 1   other matches
  deepsport frames bed/goal-0-0000/clip0.mp4 --out frames
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "testbed",
        help="simulate sports clips whose events only a second look shows",
        description="Write simulated matches as H.264 videos (matches.jsonl says what happens in "
        "them) and questions about them (tasks.jsonl), split by match. A test bed, not sport.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--matches", type=int, default=30, metavar="N")
    parser.add_argument("--clips", type=int, default=4, metavar="N", help="clips of each match")
    parser.add_argument("--seconds", type=float, default=32.0, help="length of a clip")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2, metavar="N")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Simulate, ask, and say what was written."""
    from collections import Counter

    from deepsport.task import write_tasks
    from deepsport.testbed.simulate import simulate
    from deepsport.testbed.tasks import make_tasks, split_tasks

    matches = simulate(
        args.out,
        matches=args.matches,
        seed=args.seed,
        clips=args.clips,
        seconds=args.seconds,
        workers=args.processes,
    )
    tasks = split_tasks(make_tasks(matches), args.seed)
    write_tasks(args.out / "tasks.jsonl", tasks)
    counts = Counter(task.split for task in tasks)
    shares = ", ".join(f"{counts[name]} {name}" for name in ("train", "validation", "test"))
    print(f"{len(matches)} matches, {sum(len(m.clips) for m in matches)} clips in {args.out}")
    print(f"{len(tasks)} questions in {args.out / 'tasks.jsonl'}: {shares}")
    return 0
