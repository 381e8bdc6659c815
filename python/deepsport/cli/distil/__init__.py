"""`deepsport distil`: let a teacher play tasks, judge and filter what it did, write the data set."""

from __future__ import annotations

import argparse
from pathlib import Path

from deepsport.cli.distil import steps as step
from deepsport.cli.distil.endpoint import add_endpoint, add_pace

__all__ = ["register", "run"]

_EXAMPLES = """examples:
  # a local vLLM server plays each task four times, with the tool as a JSON schema
  deepsport distil run tasks.jsonl --media videos --out job --base-url http://localhost:8000/v1 \\
      --model Qwen/Qwen3-VL-235B-A22B-Thinking --protocol tools --attempts 4 --max-concurrency 128

  # stop at ten dollars; run the same line again to go on, with more if need be
  deepsport distil run tasks.jsonl --media videos --out job --base-url https://api.example.com/v1 \\
      --model big-vl --api-key-env BIG_KEY --prompt-price 0.5 --completion-price 2 --max-cost 10

  deepsport distil status job

  # a text judge and a vision judge on what the other filters of paper-v2 keep, then the funnel
  deepsport distil judge job --preset paper-v2 --media videos --base-url ... --model judge-vl
  deepsport distil filter job --preset paper-v2 --explain --plot funnel.svg --out cot-v2

  # which tasks a model solves from the first frames alone
  deepsport distil run tasks.jsonl --out first --tool max_calls=0 --attempts 8 --base-url ... \\
      --model Qwen/Qwen2.5-VL-7B-Instruct
  deepsport distil classify first --out classified.jsonl
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "distil",
        help="let a teacher play tasks; judge, filter and write what it did",
        description="Distillation: a teacher behind any OpenAI-compatible endpoint plays tasks "
        "through the frame tool. Everything can be stopped, killed and continued.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    _register_run(steps)
    _register_status(steps)
    _register_judge(steps)
    _register_filter(steps)
    _register_classify(steps)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run one step."""
    return int(args.step_run(args))


def _register_run(steps: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = steps.add_parser("run", help="let the teacher play; run again to go on")
    parser.add_argument("tasks", type=Path, help="tasks as JSON lines")
    parser.add_argument("--out", type=Path, required=True, help="folder of the job")
    parser.add_argument("--media", type=Path, default=Path(), help="folder of the videos (here)")
    parser.add_argument("--attempts", type=int, default=1, help="times each task is played")
    parser.add_argument(
        "--tool",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="setting of the frame tool, e.g. max_calls=3 or form=native; may be repeated",
    )
    parser.add_argument(
        "--retry-faults", action="store_true", help="play again what ended in a fault"
    )
    parser.add_argument("--preset", default="plain", help="filters for the live count (plain)")
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="this process, or workers under Ray that share --out and --media (%(default)s)",
    )
    parser.add_argument("--workers", type=int, default=2, help="with ray: processes (%(default)s)")
    add_endpoint(parser)
    add_pace(parser)
    parser.set_defaults(step_run=step.run)


def _register_status(steps: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = steps.add_parser("status", help="requests, tokens, cost and results of a job so far")
    parser.add_argument("job", type=Path, help="folder of the job")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(step_run=step.status)


def _register_judge(steps: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = steps.add_parser(
        "judge", help="ask a judge what the filters need to know; run again to go on"
    )
    parser.add_argument("job", type=Path, help="folder of the job")
    parser.add_argument("--preset", default="paper-v2", help="filters to serve (%(default)s)")
    parser.add_argument("--media", type=Path, default=Path(), help="folder of the videos (here)")
    parser.add_argument("--samples", type=int, default=1, help="scores a trajectory (%(default)s)")
    add_endpoint(parser)
    add_pace(parser)
    parser.set_defaults(step_run=step.judge)


def _register_filter(steps: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = steps.add_parser("filter", help="say what is kept and why the rest is not")
    parser.add_argument("job", type=Path, help="folder of the job")
    parser.add_argument("--preset", default="plain", help="plain, paper-v1 or paper-v2")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting of the preset, e.g. max_per_task=1; may be repeated",
    )
    parser.add_argument(
        "--withheld",
        type=Path,
        metavar="JOB",
        help="job of the same teacher without the tool; with --set require_withheld_change=true "
        "answers that looking did not change are rejected",
    )
    parser.add_argument("--explain", action="store_true", help="bars, and examples of each reason")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="the funnel as .svg or .png")
    parser.add_argument("--json", action="store_true", help="the funnel as one JSON object")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write what is kept as a data set with a manifest"
    )
    parser.add_argument(
        "--embed", action="store_true", help="with --out: also write the frames, as JPEG"
    )
    parser.add_argument("--media", type=Path, default=Path(), help="folder of the videos (here)")
    parser.add_argument(
        "--licence",
        action="append",
        default=[],
        metavar="SOURCE=TEXT",
        help="licence of a source that deepsport does not know; may be repeated",
    )
    parser.set_defaults(step_run=step.filter)


def _register_classify(steps: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = steps.add_parser(
        "classify", help="store with each task whether the first frames alone were enough"
    )
    parser.add_argument("job", type=Path, help="folder of a job run with --tool max_calls=0")
    parser.add_argument("--out", type=Path, required=True, help="tasks with their class")
    parser.add_argument(
        "--min-share", type=float, default=0.5, help="of right attempts to count as solved (0.5)"
    )
    parser.set_defaults(step_run=step.classify)
