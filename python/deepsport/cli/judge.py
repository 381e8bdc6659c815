"""`deepsport judge`: score open answers of a run with language models, and check the judges."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["register", "run_agreement", "run_judge", "run_vote"]

_EXAMPLES = """examples:
  deepsport judge run runs/rl --endpoint http://localhost:8000/v1 --model judge-model
  deepsport judge run runs/rl --endpoint URL --model first --model second --cache verdicts.sqlite
  deepsport judge vote runs/rl-8-samples --endpoint URL --model judge-model
  deepsport judge agreement --labels people.csv --run runs/rl

The file of labels is CSV: task_id, optionally attempt, then one column of scores a rater.
Judges are cached, so a run that was stopped goes on where it was.
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "judge",
        help="score open answers with a language model, and measure how far to trust it",
        description="Score the open answers of a run with one or several language models by a "
        "versioned rubric, and measure how well judges and people agree.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="{run,vote,agreement}")
    judge = actions.add_parser("run", help="judge the open answers of runs")
    judge.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    judge.add_argument("--endpoint", metavar="URL", help="default: OpenAI's own")
    judge.add_argument("--model", action="append", required=True, help="may be given several times")
    judge.add_argument("--rubric", default="open-answer-1", help="name, or a TOML file")
    judge.add_argument("--cache", type=Path, metavar="FILE", help="default: RUN/verdicts.sqlite")
    judge.add_argument("--concurrency", type=int, default=8, metavar="N")
    judge.set_defaults(run=run_judge)
    vote = actions.add_parser(
        "vote", help="pick the best of several attempts at a question, without the truth"
    )
    vote.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    vote.add_argument("--endpoint", required=True, metavar="URL")
    vote.add_argument("--model", default="", help="default: the only one the server offers")
    vote.add_argument("--cache", type=Path, metavar="FILE", help="default: RUN/verdicts.sqlite")
    vote.set_defaults(run=run_vote)
    check = actions.add_parser("agreement", help="kappa between judges and people")
    check.add_argument("--labels", type=Path, action="append", default=[], metavar="CSV")
    check.add_argument(
        "--run",
        dest="runs",
        type=Path,
        action="append",
        default=[],
        metavar="RUN",
        help="judges' scores of a judged run; at most one",
    )
    check.set_defaults(run=run_agreement)


def run_judge(args: argparse.Namespace) -> int:
    """Judge runs."""
    from contextlib import ExitStack

    from deepsport.evaluate.judging import judge_run
    from deepsport.evaluate.table import score_lines
    from deepsport.reward.judge import Judge, JudgeSettings, VerdictCache

    failed = 0
    for folder in args.runs:
        rubric = Path(args.rubric) if args.rubric.endswith(".toml") else args.rubric
        with ExitStack() as stack:
            cache = stack.enter_context(VerdictCache(args.cache or folder / "verdicts.sqlite"))
            judges = [
                stack.enter_context(
                    Judge(
                        JudgeSettings(model, base_url=args.endpoint, concurrency=args.concurrency),
                        rubric,
                        cache,
                    )
                )
                for model in args.model
            ]
            result = judge_run(folder, judges)
        failed += result.failed
        print(
            f"{folder}: {result.judged} open answers judged, {result.failed} without a verdict, "
            f"{result.from_cache} verdicts from the cache"
        )
        print("\n".join(score_lines(result.scores)))
    if failed:
        print("give the same command again to ask for the missing verdicts")
    return 1 if failed else 0


def run_vote(args: argparse.Namespace) -> int:
    """Let a judge pick among the attempts of runs."""
    from deepsport.evaluate.judge_vote import judge_votes
    from deepsport.evaluate.run import rescore_folder
    from deepsport.evaluate.table import score_lines
    from deepsport.reward.judge import VerdictCache
    from deepsport.rollout.endpoint_policy import ChatEndpoint

    failed = 0
    for folder in args.runs:
        with (
            ChatEndpoint(args.endpoint, args.model) as endpoint,
            VerdictCache(args.cache or folder / "verdicts.sqlite") as cache,
        ):
            votes = judge_votes(folder, endpoint, cache)
        failed += votes.failed
        print(
            f"{folder}: a pick for {votes.picked} choices, none for {votes.failed}, "
            f"{votes.unanimous} with one answer only"
        )
        print("\n".join(score_lines(rescore_folder(folder))))
    if failed:
        print("give the same command again to ask for the missing picks")
    return 1 if failed else 0


def run_agreement(args: argparse.Namespace) -> int:
    """Print how well raters agree."""
    from deepsport.errors import SettingsError
    from deepsport.evaluate.agreement import agreement, read_labels, run_labels

    labels: dict[str, dict[str, float]] = {}
    for path in args.labels:
        labels |= read_labels(path)
    for folder in args.runs:
        labels |= run_labels(folder)
    if len(labels) < 2:
        raise SettingsError(
            f"agreement needs two raters or more, found are {', '.join(labels) or 'none'}; valid "
            "are columns of --labels and judges of a --run"
        )
    pairs, fleiss, items = agreement(labels)
    print(f"{'raters':<44} {'items':>6} {'same':>7} {'kappa':>7} {'weighted':>9} {'rank':>6}")
    for pair in pairs:
        print(
            f"{pair.first + ' / ' + pair.second:<44.44} {pair.items:>6} {100 * pair.same:>6.1f}% "
            f"{_number(pair.kappa):>7} {_number(pair.weighted):>9} "
            f"{_number(pair.rank_correlation):>6}"
        )
    print(f"Fleiss' kappa of all {len(labels)} raters on {items} items: {_number(fleiss)}")
    return 0


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
