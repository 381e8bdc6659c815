"""`deepsport distil`: let a teacher play tasks, judge and filter what it did, write the data set."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepsport.distil.settings import DistilSettings, PaceSettings, TeacherSettings

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
    _add_teacher(parser)
    _add_pace(parser)
    parser.set_defaults(step_run=_run)


def _register_status(steps: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = steps.add_parser("status", help="requests, tokens, cost and results of a job so far")
    parser.add_argument("job", type=Path, help="folder of the job")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(step_run=_status)


def _register_judge(steps: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = steps.add_parser(
        "judge", help="ask a judge what the filters need to know; run again to go on"
    )
    parser.add_argument("job", type=Path, help="folder of the job")
    parser.add_argument("--preset", default="paper-v2", help="filters to serve (%(default)s)")
    parser.add_argument("--media", type=Path, default=Path(), help="folder of the videos (here)")
    parser.add_argument("--samples", type=int, default=1, help="scores a trajectory (%(default)s)")
    _add_teacher(parser)
    _add_pace(parser)
    parser.set_defaults(step_run=_judge)


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
    parser.set_defaults(step_run=_filter)


def _register_classify(steps: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = steps.add_parser(
        "classify", help="store with each task whether the first frames alone were enough"
    )
    parser.add_argument("job", type=Path, help="folder of a job run with --tool max_calls=0")
    parser.add_argument("--out", type=Path, required=True, help="tasks with their class")
    parser.add_argument(
        "--min-share", type=float, default=0.5, help="of right attempts to count as solved (0.5)"
    )
    parser.set_defaults(step_run=_classify)


def _float_or_none(text: str) -> float | None:
    return None if text == "none" else float(text)


def _fields(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: valid is a JSON object ({error})") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{text!r}: valid is a JSON object")
    return value


def _int_or_none(text: str) -> int | None:
    return None if text == "none" else int(text)


def _add_teacher(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("endpoint")
    group.add_argument("--base-url", required=True, help="address up to /v1")
    group.add_argument("--model", required=True, help="name the endpoint serves")
    group.add_argument(
        "--api-key-env",
        default="OPENAI_API_KEY",
        metavar="NAME",
        help="environment variable that holds the key (%(default)s); keys are read from nowhere else",
    )
    group.add_argument(
        "--protocol",
        choices=("text", "tools"),
        default="text",
        help="paper's tags in text, or native tool calls (%(default)s)",
    )
    group.add_argument(
        "--tool-image-mode",
        choices=("user", "tool"),
        default="user",
        help="where frames of a native call go: user message or tool message (%(default)s)",
    )
    group.add_argument(
        "--temperature",
        type=_float_or_none,
        default=0.7,
        metavar="T",
        help="or none, for endpoints that take none (%(default)s)",
    )
    group.add_argument("--top-p", type=float)
    group.add_argument(
        "--max-tokens",
        type=_int_or_none,
        default=8192,
        metavar="N",
        help="of one reply, or none (%(default)s)",
    )
    group.add_argument(
        "--seed",
        type=_int_or_none,
        default=0,
        metavar="N",
        help="sent as seed + attempt, or none (%(default)s)",
    )
    group.add_argument(
        "--extra",
        type=_fields,
        default={},
        metavar="JSON",
        help="more fields of the request, e.g. '{\"max_completion_tokens\": 8192}'",
    )
    group.add_argument("--stream", action="store_true", help="receive replies in pieces")
    group.add_argument("--timeout", type=float, default=600.0, help="seconds a reply (%(default)s)")
    group.add_argument("--jpeg-quality", type=int, default=90, help="(%(default)s)")
    group.add_argument("--prompt-price", type=float, help="US dollars per million tokens")
    group.add_argument("--completion-price", type=float, help="US dollars per million tokens")


def _add_pace(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("pace and budget")
    group.add_argument("--max-concurrency", type=int, default=64, help="(%(default)s)")
    group.add_argument("--requests-per-minute", type=int)
    group.add_argument("--tokens-per-minute", type=int)
    group.add_argument("--max-tries", type=int, default=8, help="of one request (%(default)s)")
    group.add_argument("--decode-threads", type=int, default=2, help="(%(default)s)")
    group.add_argument("--max-cost", type=float, help="US dollars, all runs of the job together")
    group.add_argument("--max-requests", type=int, help="all runs of the job together")


def _teacher(args: argparse.Namespace) -> TeacherSettings:
    from deepsport.distil.settings import TeacherSettings

    return TeacherSettings(
        base_url=args.base_url,
        model=args.model,
        protocol=args.protocol,
        tool_image_mode=args.tool_image_mode,
        temperature=args.temperature,
        top_p=args.top_p,
        max_tokens=args.max_tokens,
        seed=args.seed,
        extra_body=args.extra,
        stream=args.stream,
        timeout_seconds=args.timeout,
        api_key_env=args.api_key_env,
        jpeg_quality=args.jpeg_quality,
        prompt_price=args.prompt_price,
        completion_price=args.completion_price,
    )


def _pace(args: argparse.Namespace) -> PaceSettings:
    from deepsport.distil.settings import PaceSettings

    return PaceSettings(
        max_concurrency=args.max_concurrency,
        requests_per_minute=args.requests_per_minute,
        tokens_per_minute=args.tokens_per_minute,
        max_tries=args.max_tries,
        decode_threads=args.decode_threads,
    )


def _named_values(option: str, texts: list[str]) -> dict[str, Any]:
    """Read NAME=VALUE; a value is JSON where it can be read so, else text."""
    from deepsport.errors import SettingsError

    values: dict[str, Any] = {}
    for text in texts:
        name, found, value = text.partition("=")
        if not found:
            raise SettingsError(f"{option} {text!r}: valid is NAME=VALUE")
        try:
            values[name] = json.loads(value)
        except json.JSONDecodeError:
            values[name] = value
    return values


def _settings(args: argparse.Namespace) -> DistilSettings:
    from deepsport.distil.settings import DistilSettings
    from deepsport.tool import ToolSettings

    tool = ToolSettings.from_json(_named_values("--tool", args.tool))
    return DistilSettings(_teacher(args), tool, args.attempts)


def _run(args: argparse.Namespace) -> int:
    from deepsport.distil.engine import distil
    from deepsport.distil.presets import preset
    from deepsport.distil.settings import Budget
    from deepsport.task import read_tasks
    from deepsport.tool import FrameSource

    tasks = list(read_tasks(args.tasks))
    how: dict[str, Any] = {
        "out": args.out,
        "pace": _pace(args),
        "budget": Budget(args.max_cost, args.max_requests),
        "retry_faults": args.retry_faults,
    }
    if args.engine == "ray":
        from deepsport.distil.ray_engine import distil_with_ray

        summary = distil_with_ray(
            tasks, _settings(args), media=args.media, workers=args.workers, **how
        )
    else:
        summary = distil(
            tasks,
            _settings(args),
            source=FrameSource(args.media),
            filters=preset(args.preset),
            **how,
        )
    totals = summary.totals
    counted = f"; {summary.kept} of these would be kept ({args.preset})"
    print(
        f"{summary.ended} of {summary.wanted} attempts ended, {summary.played} of them now"
        + (counted if args.engine == "local" else "")
    )
    for reason, count in summary.reasons.most_common():
        print(f"  {reason:<24} {count}")
    print(_spent(totals))
    if summary.stopped:
        print(f"deepsport: stopped: {summary.stopped}", file=sys.stderr)
        return 1
    return 0


def _spent(totals: Any) -> str:
    text = (
        f"{totals['requests']:.0f} requests ({totals['failed']:.0f} failed, {totals['lost']:.0f} "
        f"lost), {totals['prompt_tokens']:.0f} + {totals['completion_tokens']:.0f} tokens, "
        f"${totals['cost']:.4f}"
    )
    if totals["uncertain_cost"]:
        text += f" and up to ${totals['uncertain_cost']:.4f} for requests whose reply was lost"
    return text


def _status(args: argparse.Namespace) -> int:
    from deepsport.distil.job import open_journal

    with open_journal(args.job, read_only=True) as journal:
        totals, outcomes = journal.totals(), journal.outcomes()
        statuses = journal.statuses()
    if args.json:
        print(json.dumps({"totals": totals, "outcomes": outcomes, "ended": statuses}))
        return 0
    print(_spent(totals))
    for name, counts in (("requests", outcomes), ("attempts", statuses)):
        print(f"{name}: " + (", ".join(f"{k} {v}" for k, v in sorted(counts.items())) or "none"))
    return 0


def _judge(args: argparse.Namespace) -> int:
    from deepsport.distil.judge import judge_job
    from deepsport.distil.presets import preset
    from deepsport.distil.settings import Budget
    from deepsport.tool import FrameSource

    summary = judge_job(
        args.job,
        _teacher(args),
        preset(args.preset),
        source=FrameSource(args.media),
        samples=args.samples,
        pace=_pace(args),
        budget=Budget(args.max_cost, args.max_requests),
    )
    print(f"{summary.judged} of {summary.asked_about} trajectories that need a judge have one")
    for what, count in summary.unread.most_common():
        print(f"  no {what:<8} {count}")
    print(_spent(summary.totals))
    if summary.stopped:
        print(f"deepsport: stopped: {summary.stopped}", file=sys.stderr)
        return 1
    return 0


def _filter(args: argparse.Namespace) -> int:
    from deepsport.distil.funnel_plot import explain, plot
    from deepsport.distil.job import filter_job
    from deepsport.distil.presets import FilterSettings, preset

    changes = _named_values("--set", args.set)
    wanted = FilterSettings.from_json({**preset(args.preset).to_json(), **changes})
    kept, funnel = filter_job(args.job, wanted, withheld=args.withheld)
    if args.plot is not None:
        plot(funnel, args.plot)
    if args.json:
        print(json.dumps({**funnel.to_json(), "filters": wanted.to_json()}))
    else:
        print(explain(funnel) if args.explain else funnel)
    if args.out is not None:
        from deepsport.dataset.release import write_release
        from deepsport.distil.job import job_record, job_tasks
        from deepsport.tool import FrameSource

        manifest = write_release(
            args.out,
            kept,
            job_tasks(args.job),
            funnel,
            made_by={
                **job_record(args.job),
                "filters": wanted.to_json(),
                "command": shlex.join(["deepsport", *sys.argv[1:]]),
            },
            licences=dict(text.partition("=")[::2] for text in args.licence),
            embed=FrameSource(args.media) if args.embed else None,
        )
        print(f"{args.out}: {manifest['trajectories']} trajectories of {manifest['tasks']} tasks")
    return 0


def _classify(args: argparse.Namespace) -> int:
    from deepsport.distil.first_frames import classify, solved_at_first
    from deepsport.distil.job import job_tasks, open_journal
    from deepsport.distil.judge import read_opinions
    from deepsport.task import write_tasks

    with open_journal(args.job, read_only=True) as journal:
        trajectories = list(journal.trajectories())
    tasks = classify(
        job_tasks(args.job).values(),
        trajectories,
        min_share=args.min_share,
        opinions=read_opinions(args.job),
    )
    write_tasks(args.out, tasks)
    classes = [solved_at_first(task) for task in tasks]
    print(
        f"{args.out}: {len(tasks)} tasks, {classes.count(True)} solved from the first frames, "
        f"{classes.count(False)} not, {classes.count(None)} unknown"
    )
    return 0
