"""`deepsport evaluate`: play questions with a policy, score them, and keep every attempt."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepsport.errors import SettingsError

if TYPE_CHECKING:
    from deepsport.rollout import Policy
    from deepsport.task import Task
    from deepsport.tool import ToolSettings

__all__ = ["register", "run"]

_EXAMPLES = """examples:
  deepsport evaluate --tasks tasks.jsonl --media-root videos --model out/rl --out runs/rl
  deepsport evaluate --tasks tasks.jsonl --media-root videos --model out/rl --out runs/rl-blind \\
      --control no-frames
  deepsport evaluate --finebadminton clips/finebadminton --policy random --out runs/chance
  deepsport evaluate --tasks tasks.jsonl --endpoint http://localhost:8000/v1 \\
      --model-name Qwen3-VL-8B --out runs/qwen
  deepsport evaluate rescore runs/rl          score again what was answered, without the model
  deepsport evaluate compare runs/base runs/rl
  deepsport evaluate lmms-eval --tasks tasks.jsonl --media-root videos --out lmms/sports
  deepsport evaluate inspect runs/rl --out logs/rl.json

A run that was stopped goes on when the same command is given again: only attempts that are missing
or failed for reasons that are not the policy's are played.
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "evaluate",
        help="play questions with a model, score the answers and what was looked at",
        description="Play questions with a model, score the answers and what was looked at, with "
        "intervals that know that questions of one match are not independent.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, action="play")
    add_play_arguments(parser)
    actions = parser.add_subparsers(dest="action", metavar="{rescore,compare,lmms-eval,inspect}")
    rescore = actions.add_parser("rescore", help="score recorded attempts again")
    rescore.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    rescore.set_defaults(run=run_rescore)
    compare = actions.add_parser("compare", help="difference of two runs on shared questions")
    compare.add_argument("first", type=Path, metavar="RUN")
    compare.add_argument("second", type=Path, metavar="RUN")
    compare.set_defaults(run=run_compare)
    lmms = actions.add_parser("lmms-eval", help="write tasks as a task folder of lmms-eval")
    add_task_arguments(lmms)
    lmms.add_argument("--out", type=Path, required=True, metavar="DIR")
    lmms.add_argument("--name", default="deepsport", help="name of the task there")
    lmms.set_defaults(run=run_lmms_eval)
    inspect = actions.add_parser("inspect", help="write a run as a log of Inspect AI")
    inspect.add_argument("run_folder", type=Path, metavar="RUN")
    inspect.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    inspect.set_defaults(run=run_inspect)


def add_task_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the choice of questions to a parser."""
    what = parser.add_argument_group("questions")
    what.add_argument("--tasks", type=Path, metavar="FILE", help="tasks as JSON lines")
    what.add_argument("--finebadminton", type=Path, metavar="DIR", help="a FineBadminton folder")
    what.add_argument("--media-root", type=Path, metavar="DIR", help="default: beside the tasks")
    what.add_argument("--split", default="", help="only tasks of this split")
    what.add_argument("--limit", type=int, metavar="N", help="only the first N tasks")


def add_play_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a run to a parser."""
    add_task_arguments(parser)
    add_policy_arguments(parser)
    how = parser.add_argument_group("how")
    how.add_argument("--out", type=Path, metavar="RUN", help="folder of the run")
    how.add_argument("--name", default="", help="what tables call the run")
    how.add_argument(
        "--control",
        metavar="NAME",
        help="no-tool, no-frames, one-frame, uniform-N, shuffled-frames or shuffled-options",
    )
    how.add_argument("--samples", type=int, default=1, metavar="K", help="attempts a question")
    how.add_argument("--seed", type=int, default=0)
    how.add_argument("--batch-size", type=int, default=8, metavar="N")
    how.add_argument("--max-calls", type=int, metavar="N", help="tool calls allowed")
    how.add_argument("--first-frames", type=int, metavar="N", help="frames shown at the start")
    how.add_argument(
        "--tool-settings",
        type=Path,
        metavar="FILE",
        help="JSON of tool settings; default: those beside the model, if any",
    )


def add_policy_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the choice of a policy to a parser; `ask` has the same."""
    who = parser.add_argument_group("policy (one of)")
    who.add_argument("--model", metavar="PATH", help="checkpoint folder, Qwen2.5-VL or Qwen3-VL")
    who.add_argument("--endpoint", metavar="URL", help="an OpenAI-compatible server, .../v1")
    who.add_argument("--policy", metavar="NAME", help="scripted: first, random, look or truth")
    sampling = parser.add_argument_group("sampling")
    sampling.add_argument("--model-name", default="", help="model to ask the endpoint for")
    sampling.add_argument(
        "--temperature", type=float, default=0.0, help="0 (default) takes the likeliest token"
    )
    sampling.add_argument("--max-reply-tokens", type=int, default=1024, metavar="N")
    sampling.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    sampling.add_argument("--device", default="", help="default: cuda when there is one")


def run(args: argparse.Namespace) -> int:
    """Play, score and print a summary."""
    from deepsport.evaluate.run import evaluate
    from deepsport.tool import FrameSource

    if args.out is None:
        raise SettingsError("--out RUN is missing: the folder that the run is written to")
    if args.samples > 1 and args.temperature == 0 and not args.policy:
        raise SettingsError(
            f"--samples {args.samples} at temperature 0 would play the same {args.samples} times; "
            "valid is a --temperature above 0"
        )
    tasks, root = load_tasks(args)
    settings = tool_settings(args)
    policy, extra = make_policy(args, settings)
    summary = evaluate(
        tasks, policy, args.out, FrameSource(root), settings,
        attempts=args.samples, batch_size=args.batch_size, control=args.control, seed=args.seed,
        name=args.name, extra=extra,
    )  # fmt: skip
    print(summary)
    print(f"\nwritten to {args.out}; see it with: deepsport report {args.out} --out report.html")
    if summary.faults:
        print(
            f"{summary.faults} attempts failed for reasons that are not the policy's; give the "
            "same command again to repeat them",
            file=sys.stderr,
        )
        return 1
    return 0


def load_tasks(args: argparse.Namespace) -> tuple[list[Task], Path]:
    """Return the tasks asked for and the folder their videos lie in."""
    from deepsport.task import read_tasks

    if (args.tasks is None) == (args.finebadminton is None):
        raise SettingsError("valid is exactly one of --tasks FILE and --finebadminton DIR")
    if args.finebadminton is not None:
        from deepsport.sources.finebadminton import load

        tasks, root = load(args.finebadminton), args.finebadminton
    else:
        tasks, root = list(read_tasks(args.tasks)), args.tasks.parent
    found = sorted({task.split or "none" for task in tasks})
    if args.split:
        tasks = [task for task in tasks if task.split == args.split]
    if not tasks:
        raise SettingsError(f"no task of split {args.split!r}; found are {', '.join(found)}")
    return tasks[: args.limit], args.media_root or root


def tool_settings(args: argparse.Namespace) -> ToolSettings:
    """Return the settings of a file, else those saved beside the model, else the defaults."""
    import dataclasses
    import json

    from deepsport.tool import ToolSettings

    path = args.tool_settings
    if path is None and args.model and (Path(args.model) / "tool_settings.json").is_file():
        path = Path(args.model) / "tool_settings.json"
    settings = ToolSettings()
    if path is not None:
        try:
            settings = ToolSettings.from_json(json.loads(path.read_text(encoding="utf-8")))
        except json.JSONDecodeError as error:
            raise SettingsError(f"{path} is not JSON: {error}") from error
    changes = {"max_calls": args.max_calls, "first_frames": args.first_frames}
    return dataclasses.replace(settings, **{k: v for k, v in changes.items() if v is not None})


def make_policy(args: argparse.Namespace, settings: ToolSettings) -> tuple[Policy, dict[str, Any]]:
    """Return the policy asked for and what belongs into the fingerprint of its runs."""
    chosen = [name for name in ("model", "endpoint", "policy") if getattr(args, name)]
    if len(chosen) != 1:
        raise SettingsError(
            "valid is exactly one of --model PATH, --endpoint URL and --policy NAME; "
            f"given are {', '.join('--' + name for name in chosen) or 'none'}"
        )
    seed = getattr(args, "seed", 0)
    sampling = {"temperature": args.temperature, "max_reply_tokens": args.max_reply_tokens}
    if args.policy:
        from deepsport.evaluate.scripted import scripted_policy

        return scripted_policy(args.policy.removeprefix("scripted:"), seed), {}
    if args.endpoint:
        from deepsport.rollout.endpoint_policy import EndpointPolicy

        policy = EndpointPolicy(
            args.endpoint, args.model_name, temperature=args.temperature,
            max_reply_tokens=args.max_reply_tokens, seed=seed,
        )  # fmt: skip
        return policy, {"model": args.model_name, "sampling": sampling}
    from deepsport.evaluate.local import local_policy

    return local_policy(args, settings, seed)


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


def run_lmms_eval(args: argparse.Namespace) -> int:
    """Write a task folder for lmms-eval."""
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
