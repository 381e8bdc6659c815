"""`deepsport report`: runs and learning curves as one page."""

from __future__ import annotations

import argparse
from pathlib import Path

from deepsport.errors import SettingsError

__all__ = ["register", "run"]

_EXAMPLES = """examples:
  deepsport report runs/rl --out report.html
  deepsport report runs/base runs/sft runs/rl --out report.html \\
      --curve "SFT=out/sft/curve.jsonl" --curve "RL=out/rl/curve.jsonl"
  deepsport report runs/rl-0 --seeds SFT=runs/sft-0,runs/sft-1 --seeds RL=runs/rl-0,runs/rl-1
  deepsport report out/rl/rollouts --curve out/rl/curve.jsonl --out training.html
                                       rollouts that training kept, with their frames
"""


def _curve(text: str) -> tuple[str, Path]:
    name, equals, path = text.rpartition("=")
    return (name if equals else Path(path).parent.name or "training"), Path(path)


def _setting(text: str) -> tuple[str, list[Path]]:
    name, equals, paths = text.partition("=")
    folders = [Path(path) for path in paths.split(",") if path]
    if not equals or not name or not folders:
        raise argparse.ArgumentTypeError(f"{text!r}: valid is NAME=RUN,RUN,...")
    return name, folders


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "report",
        help="make one HTML page of runs and learning curves",
        description="Make one HTML page of runs: scores with intervals, slices, what was looked at, "
        "learning curves, and every question with its frames. Opens offline; with many frames they "
        "lie in a folder beside it. The first run is what the others are compared with.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("--out", type=Path, default=Path("report.html"), metavar="FILE")
    parser.add_argument(
        "--curve",
        action="append",
        default=[],
        type=_curve,
        metavar="NAME=FILE",
        help="learning curve, JSON lines; may be given several times",
    )
    parser.add_argument(
        "--seeds",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME=RUN,RUN,...",
        help="runs of several training seeds of one setting: their mean with an interval over seeds "
        "and matches; may be given several times, the first is what the others are compared with",
    )
    parser.add_argument("--title", default="Evaluation report")
    parser.add_argument("--intro", default="", help="a sentence below the title")
    parser.add_argument(
        "--subject",
        default="",
        metavar="NAME",
        help="run the page is about; default: the last that is no control",
    )
    parser.add_argument(
        "--media-root",
        type=Path,
        metavar="DIR",
        help="folder of the videos, when they have moved since the runs",
    )
    parser.add_argument(
        "--inline-frames",
        type=int,
        metavar="N",
        help="up to N frames go into the page itself (default 1200)",
    )
    parser.add_argument(
        "--max-frames", type=int, default=60_000, metavar="N", help="decode at most N frames"
    )
    parser.add_argument(
        "--published",
        nargs="?",
        const="paper",
        metavar="FILE",
        help="also show scores reported by others, marked as such; without FILE "
        "those of the DeepSport paper",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Build the page."""
    from deepsport.evaluate.training_rollouts import is_training_rollouts, make_run
    from deepsport.report import PUBLISHED, build
    from deepsport.report.pictures import INLINE_PICTURES

    for name, path in args.curve:
        if not path.is_file():
            raise SettingsError(f"curve {name!r}: there is no file {path}")
    runs = [make_run(folder) if is_training_rollouts(folder) else folder for folder in args.runs]
    published = PUBLISHED if args.published == "paper" else args.published
    report = build(
        runs, args.out, curves=dict(args.curve), title=args.title, intro=args.intro,
        published=published, subject=args.subject, media_root=args.media_root,
        max_pictures=args.max_frames, seeds=dict(args.seeds),
        inline_pictures=INLINE_PICTURES if args.inline_frames is None else args.inline_frames,
    )  # fmt: skip
    print(f"{report.path}: {report.questions} questions, {report.pictures} frames")
    if report.missing_pictures:
        print(
            f"{report.missing_pictures} frames could not be decoded again; --media-root says where "
            "the videos are"
        )
    if report.folder is not None:
        print(f"keep {report.folder} beside it")
    return 0
