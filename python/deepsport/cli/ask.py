"""`deepsport ask`: one question about one's own video, every turn printed as it happens."""

from __future__ import annotations

import argparse
from pathlib import Path

from deepsport.cli.evaluate import (
    add_budget_arguments,
    add_policy_arguments,
    closing_policy,
    make_policy,
    tool_settings,
)

__all__ = ["register", "run"]

_EXAMPLES = """examples:
  deepsport ask rally.mp4 "Which shot ends the rally?" --model out/rl
  deepsport ask rally.mp4 "Which shot ends the rally?" --choices "Smash" "Net shot" "Clear" \\
      --endpoint http://localhost:8000/v1 --html answer.html --frames seen
  deepsport ask rally.mp4 "Who is at the net?" --model out/rl --tools choose_frames,zoom \\
      --detections rally.detections.jsonl --seconds
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "ask",
        help="ask one question about a video",
        description="Ask one question about a video and watch the model look: its thoughts, the "
        "windows it asks for, the frames it is shown, its answer. Nothing is scored.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("video", type=Path, metavar="VIDEO")
    parser.add_argument("question", metavar="QUESTION")
    parser.add_argument("--choices", nargs="+", default=[], metavar="TEXT")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="also write a page with the frames"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--frames", type=Path, metavar="DIR", help="save the frames of each turn there, as PNG"
    )
    add_budget_arguments(parser)
    add_policy_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask, print, and write the page."""
    import tempfile

    from deepsport.evaluate.ask import ask, describe_turn, open_question, save_asked
    from deepsport.tool import FrameSource
    from deepsport.trajectory import Status, Turn

    task = open_question(args.video, args.question, args.choices)
    settings = tool_settings(args)
    policy, _ = make_policy(args, settings)
    source = FrameSource(args.video.parent)

    def tell(turn: Turn) -> None:
        for line in describe_turn(turn):
            print(line, flush=True)
        if args.frames is not None and turn.frames:
            print(f"saved    {len(turn.frames)} frames in {args.frames}", flush=True)

    with closing_policy(policy):
        trajectory = ask(task, policy, source, settings, tell, frames=args.frames)
    if trajectory.status is not Status.ANSWERED:
        why = trajectory.fault.message if trajectory.fault else trajectory.reason
        print(f"no answer: {trajectory.status.value}{f' ({why})' if why else ''}")
    if args.html is not None:
        from deepsport.report import build

        with tempfile.TemporaryDirectory() as folder:
            save_asked(folder, task, trajectory, source, settings)
            report = build([folder], args.html, title=args.question)
        print(f"written to {report.path}")
    return 0 if trajectory.status is Status.ANSWERED else 1
