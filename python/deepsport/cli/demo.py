"""`deepsport demo`: the whole system once, on simulated matches, with a tiny model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

__all__ = ["register", "run"]

_EXAMPLES = """examples:
  deepsport demo --out demo                     about ten minutes on two cores; see demo/report.html
  deepsport demo --out smoke --budget smoke     the mechanics only, about a minute
  deepsport demo --out demo --seed 1            another world, another model

A demo that was stopped goes on when the same command is given again. Set OMP_NUM_THREADS=1 when
the cores are shared.
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "demo",
        help="simulate matches, train a tiny model to look, measure what it learnt",
        description="Simulate matches, let a scripted teacher play, train a tiny model of the real "
        "architecture by imitation and then by reinforcement, evaluate every step on matches it "
        "has not seen, and write a report. A test bed for the system, not a result about sport.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--budget", choices=("full", "smoke"), default="full")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2, metavar="N")
    parser.add_argument(
        "--split",
        choices=("test", "validation"),
        default="test",
        help="matches to measure on; settings are chosen on validation only",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demo and print its table."""
    from deepsport.demo.run import run_demo
    from deepsport.demo.table import table

    summary = run_demo(args.out, args.budget, args.seed, processes=args.processes, split=args.split)
    print(table(summary))
    report = "report.html" if args.split == "test" else f"report-{args.split}.html"
    print(f"\nreport: {args.out / report}", file=sys.stderr)
    return 0
