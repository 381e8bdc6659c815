"""What `deepsport evaluate` does with recorded runs: rescore, compare, average, print, export."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["NAMES", "print_paper_table", "register"]

NAMES = ("rescore", "compare", "seeds", "paper", "lmms-eval", "inspect")


def register(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    add_task_arguments: Callable[[argparse.ArgumentParser], None],
) -> None:
    """Add the actions to the parser of `evaluate`."""
    rescore = actions.add_parser("rescore", help="score recorded attempts again")
    rescore.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    rescore.set_defaults(run=run_rescore)
    compare = actions.add_parser("compare", help="difference of two runs on shared questions")
    compare.add_argument("first", type=Path, metavar="RUN")
    compare.add_argument("second", type=Path, metavar="RUN")
    compare.set_defaults(run=run_compare)
    seeds = actions.add_parser(
        "seeds", help="mean over runs of several training seeds, with an interval over both"
    )
    seeds.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    seeds.add_argument(
        "--against",
        nargs="+",
        type=Path,
        default=[],
        metavar="RUN",
        help="another setting: its runs in the same order of seeds, or one run",
    )
    seeds.set_defaults(run=run_seeds)
    paper = actions.add_parser(
        "paper", help="the table of the DeepSport paper, with its own numbers marked as reported"
    )
    paper.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    paper.set_defaults(run=run_paper)
    lmms = actions.add_parser("lmms-eval", help="write tasks as a task folder of lmms-eval")
    add_task_arguments(lmms)
    lmms.add_argument("--out", type=Path, required=True, metavar="DIR")
    lmms.add_argument("--name", default="deepsport", help="name of the task there")
    lmms.set_defaults(run=run_lmms_eval)
    inspect = actions.add_parser("inspect", help="write a run as a log of Inspect AI")
    inspect.add_argument("run_folder", type=Path, metavar="RUN")
    inspect.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    inspect.set_defaults(run=run_inspect)


def run_rescore(args: argparse.Namespace) -> int:
    """Score recorded attempts again."""
    from deepsport.evaluate.rescore import rescore
    from deepsport.evaluate.table import score_lines

    for folder in args.runs:
        changed, scores = rescore(folder)
        print(f"{folder}: {changed} verdicts changed")
        print("\n".join(score_lines(scores)))
    return 0


def run_compare(args: argparse.Namespace) -> int:
    """Compare two runs."""
    from deepsport.evaluate.rescore import compare_runs

    print("\n".join(compare_runs(args.first, args.second)))
    return 0


def run_seeds(args: argparse.Namespace) -> int:
    """Average runs of one setting."""
    from deepsport.evaluate.seeds import seed_lines

    print("\n".join(seed_lines(args.runs, args.against)))
    return 0


def run_paper(args: argparse.Namespace) -> int:
    """Print the table of the paper."""
    print_paper_table(args.runs)
    return 0


def print_paper_table(folders: Sequence[Path]) -> None:
    """Print dimensions, overall and frames of runs, and what others reported below."""
    from deepsport.evaluate.run_folder import Run
    from deepsport.report.paper_table import paper_lines, paper_table, read_published

    runs = [Run(folder) for folder in folders]
    table = paper_table(
        [run.info.name for run in runs], [run.scores() for run in runs], read_published()
    )
    print("\n".join(paper_lines(table)))


def run_lmms_eval(args: argparse.Namespace) -> int:
    """Write a task folder for lmms-eval."""
    from deepsport.cli.evaluate import load_tasks
    from deepsport.evaluate.lmms_eval import export_lmms_eval

    tasks, root = load_tasks(args)
    path = export_lmms_eval(tasks, root, args.out, name=args.name)
    print(f"{path}: {len(tasks)} tasks; use: --include_path {args.out} --tasks {args.name}")
    return 0


def run_inspect(args: argparse.Namespace) -> int:
    """Write a log for Inspect AI."""
    from deepsport.evaluate.inspect_log import export_inspect

    count = export_inspect(args.run_folder, args.out)
    print(f"{args.out}: {count} samples; see it with: inspect view --log-dir {args.out.parent}")
    return 0
