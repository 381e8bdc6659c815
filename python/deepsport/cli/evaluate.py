"""`deepsport evaluate`: play questions with a policy, score them, and keep every attempt."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepsport.cli import _evaluate_recorded as recorded
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
  deepsport evaluate --manifest build/manifest.jsonl --media-root videos --model out/rl \
      --out runs/rl-test --paper              the split as listed, and the table of the paper
  deepsport evaluate --tasks tasks.jsonl --media-root videos --model out/rl --out runs/rl \
      --controls no-frames,no-tool,equal-frames
  deepsport evaluate --tasks tasks.jsonl --media-root videos --model out/rl --out runs/rl-8 \
      --samples 8 --temperature 1 --vote-judge http://localhost:8000/v1
  deepsport evaluate rescore runs/rl          score again what was answered, without the model
  deepsport evaluate compare runs/base runs/rl
  deepsport evaluate seeds runs/rl-0 runs/rl-1 runs/rl-2 --against runs/sft-0 runs/sft-1 runs/sft-2
  deepsport evaluate paper runs/base runs/rl
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
    add_play_arguments(parser)
    actions = parser.add_subparsers(dest="action", metavar="{" + ",".join(recorded.NAMES) + "}")
    recorded.register(actions, add_task_arguments)
    parser.set_defaults(run=run, action="play")


def add_task_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the choice of questions to a parser."""
    what = parser.add_argument_group("questions")
    what.add_argument("--tasks", type=Path, metavar="FILE", help="tasks as JSON lines")
    what.add_argument("--finebadminton", type=Path, metavar="DIR", help="a FineBadminton folder")
    what.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE",
        help="manifest.jsonl of `data build`: the tasks of --split (default test) as it lists them",
    )
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
        help="play this control instead: no-tool, no-frames, one-frame, uniform-N, shuffled-frames "
        "or shuffled-options",
    )
    how.add_argument(
        "--controls",
        default="",
        metavar="A,B,...",
        help="then play these controls too, each into RUN-NAME; equal-frames is uniform-N with as "
        "many frames as the run was shown on average",
    )
    how.add_argument("--samples", type=int, default=1, metavar="K", help="attempts a question")
    how.add_argument("--seed", type=int, default=0)
    how.add_argument("--batch-size", type=int, default=8, metavar="N")
    how.add_argument(
        "--paper", action="store_true", help="also print the table of the DeepSport paper"
    )
    add_budget_arguments(parser)
    vote = parser.add_argument_group("vote of several samples")
    vote.add_argument(
        "--vote-judge",
        metavar="URL",
        help="besides the majority, let the model of this server pick the best of the samples",
    )
    vote.add_argument(
        "--vote-model", default="", metavar="NAME", help="default: the only one it offers"
    )


def add_budget_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the budgets of frames and calls to a parser; `ask` has the same."""
    budget = parser.add_argument_group("budgets of the frame tool")
    budget.add_argument("--max-calls", type=int, metavar="N", help="tool calls allowed")
    budget.add_argument("--first-frames", type=int, metavar="N", help="frames shown at the start")
    budget.add_argument("--frames-per-call", type=int, metavar="N", help="frames a call returns")
    budget.add_argument(
        "--tool-settings",
        type=Path,
        metavar="FILE",
        help="JSON of tool settings; default: those beside the model, if any",
    )
    add_tool_arguments(budget)


def add_tool_arguments(group: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    """Add the choice of tools to a parser; `ask` has the same."""
    group.add_argument(
        "--tools", metavar="NAMES", help="choose_frames, zoom, detect, ...; separated by commas"
    )
    group.add_argument(
        "--detections", metavar="FILE", help="what a detector found, for the tool detect"
    )
    group.add_argument(
        "--seconds", action="store_true", help="windows are asked for in seconds, not in frames"
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
    sampling.add_argument("--top-p", type=float, default=1.0, metavar="P")
    sampling.add_argument("--max-reply-tokens", type=int, default=1024, metavar="N")
    sampling.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    sampling.add_argument("--device", default="", help="default: cuda when there is one")
    price = parser.add_argument_group("cost of an endpoint, US dollars a million tokens")
    price.add_argument("--prompt-price", type=float, default=0.0, metavar="X")
    price.add_argument("--completion-price", type=float, default=0.0, metavar="X")


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
    if args.vote_judge and args.samples < 2:
        raise SettingsError(
            "--vote-judge picks among several samples; valid with it is --samples 2 or more"
        )
    controls = _controls(args)
    tasks, root = load_tasks(args)
    settings = tool_settings(args)
    policy, extra = make_policy(args, settings)
    faults = 0

    def play(control: str | None, out: Path, name: str) -> float:
        nonlocal faults
        summary = evaluate(
            tasks, policy, out, FrameSource(root), settings,
            attempts=args.samples, batch_size=args.batch_size, control=control, seed=args.seed,
            name=name, extra=extra,
        )  # fmt: skip
        faults += summary.faults
        lines = str(summary)
        if args.vote_judge:
            lines = _vote(args, out)
        print(f"{control}:\n{lines}" if control and controls else lines)
        return float(summary.scores["looking"]["frames"] or 0.0)

    folders = [args.out]
    with closing_policy(policy):
        frames = play(args.control, args.out, args.name)
        for control in controls:
            if control == "equal-frames":
                control = f"uniform-{max(1, round(frames))}"
            out = args.out.with_name(f"{args.out.name}-{control}")
            print()
            play(control, out, f"{args.name} ({control})" if args.name else "")
            folders.append(out)
    if args.paper:
        print()
        recorded.print_paper_table(folders)
    runs = " ".join(map(str, folders))
    print(f"\nwritten to {runs}; see it with: deepsport report {runs} --out report.html")
    if faults:
        print(
            f"{faults} attempts failed for reasons that are not the policy's; give the "
            "same command again to repeat them",
            file=sys.stderr,
        )
        return 1
    return 0


def _controls(args: argparse.Namespace) -> list[str]:
    """Return the controls to play after the run, their names checked."""
    from deepsport.evaluate.control import Control

    names = [name.strip() for name in args.controls.split(",") if name.strip()]
    if names and args.control:
        raise SettingsError(
            "valid is one of --control (instead of the run) and --controls (after it)"
        )
    for name in names:
        if name != "equal-frames":
            Control(name)
    return list(dict.fromkeys(names))


def _vote(args: argparse.Namespace, out: Path) -> str:
    """Let the judge pick, and return the summary with its picks."""
    from deepsport.evaluate.judge_vote import judge_votes
    from deepsport.evaluate.run import rescore_folder
    from deepsport.evaluate.table import score_lines
    from deepsport.reward.judge import VerdictCache
    from deepsport.rollout.endpoint_policy import ChatEndpoint

    with (
        ChatEndpoint(args.vote_judge, args.vote_model) as endpoint,
        VerdictCache(out / "verdicts.sqlite") as cache,
    ):
        votes = judge_votes(out, endpoint, cache)
    if votes.failed:
        print(
            f"the judge gave no pick for {votes.failed} choices, which keep the majority's; give "
            "the same command again to ask for them",
            file=sys.stderr,
        )
    return "\n".join(score_lines(rescore_folder(out)))


def load_tasks(args: argparse.Namespace) -> tuple[list[Task], Path]:
    """Return the tasks asked for and the folder their videos lie in."""
    from deepsport.task import read_tasks

    given = [args.tasks, args.finebadminton, args.manifest]
    if sum(path is not None for path in given) != 1:
        raise SettingsError(
            "valid is exactly one of --tasks FILE, --finebadminton DIR and --manifest FILE"
        )
    if args.manifest is not None:
        from deepsport.evaluate.manifest import manifest_tasks

        tasks = manifest_tasks(args.manifest, args.split or "test")
        return tasks[: args.limit], args.media_root or args.manifest.parent
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
    names = ("max_calls", "first_frames", "frames_per_call")
    changes: dict[str, Any] = {name: getattr(args, name) for name in names}
    changes |= tool_changes(args, settings)
    return dataclasses.replace(settings, **{k: v for k, v in changes.items() if v is not None})


def tool_changes(args: argparse.Namespace, settings: ToolSettings) -> dict[str, Any]:
    """Return what --tools, --detections and --seconds change about the settings."""
    from deepsport.protocol import WindowUnit

    changes: dict[str, Any] = {"unit": WindowUnit.SECONDS if args.seconds else None}
    tools = settings.tools
    if args.tools:
        tools = tuple(name.strip() for name in args.tools.split(",") if name.strip())
    if args.detections and "detect" not in tools:
        tools = (*tools, "detect")
    options = {name: opts for name, opts in settings.tool_options.items() if name in tools}
    if args.detections:
        kept = {k: v for k, v in options.get("detect", {}).items() if k != "detector"}
        options["detect"] = {**kept, "file": str(Path(args.detections).resolve())}
    return {**changes, "tools": tools, "tool_options": options}


def make_policy(args: argparse.Namespace, settings: ToolSettings) -> tuple[Policy, dict[str, Any]]:
    """Return the policy asked for and what belongs into the fingerprint of its runs."""
    chosen = [name for name in ("model", "endpoint", "policy") if getattr(args, name)]
    if len(chosen) != 1:
        raise SettingsError(
            "valid is exactly one of --model PATH, --endpoint URL and --policy NAME; "
            f"given are {', '.join('--' + name for name in chosen) or 'none'}"
        )
    seed = getattr(args, "seed", 0)
    sampling = {
        "temperature": args.temperature,
        "top_p": args.top_p,
        "max_reply_tokens": args.max_reply_tokens,
    }
    if args.policy:
        from deepsport.evaluate.scripted import scripted_policy

        return scripted_policy(args.policy.removeprefix("scripted:"), seed), {}
    if args.endpoint:
        from deepsport.rollout.endpoint_policy import JPEG_QUALITY, EndpointPolicy

        policy = EndpointPolicy(
            args.endpoint, args.model_name, temperature=args.temperature, top_p=args.top_p,
            max_reply_tokens=args.max_reply_tokens, seed=seed, prompt_price=args.prompt_price,
            completion_price=args.completion_price,
        )  # fmt: skip
        return policy, {
            "model": policy.name,
            "sampling": sampling,
            "frames_sent": f"JPEG quality {JPEG_QUALITY}",
        }
    from deepsport.evaluate.local import local_policy

    return local_policy(args, settings, seed)


@contextmanager
def closing_policy(policy: Policy) -> Iterator[None]:
    """Close what a policy holds open, if anything, at the end."""
    try:
        yield
    finally:
        close = getattr(policy, "close", None)
        if close is not None:
            close()
