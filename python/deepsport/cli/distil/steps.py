"""What each step of `deepsport distil` does with its arguments."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

from deepsport.cli.distil.endpoint import endpoint_settings, pace_settings

if TYPE_CHECKING:
    from deepsport.distil.settings import DistilSettings

__all__ = ["classify", "filter", "judge", "run", "status"]


def run(args: argparse.Namespace) -> int:
    """Let the teacher play."""
    from deepsport.distil.engine import distil
    from deepsport.distil.presets import preset
    from deepsport.distil.settings import Budget
    from deepsport.task import read_tasks
    from deepsport.tool import FrameSource

    tasks = list(read_tasks(args.tasks))
    how: dict[str, Any] = {
        "out": args.out,
        "pace": pace_settings(args),
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


def status(args: argparse.Namespace) -> int:
    """Print what a job has done and spent so far."""
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


def judge(args: argparse.Namespace) -> int:
    """Ask the judge."""
    from deepsport.distil.judge import judge_job
    from deepsport.distil.presets import preset
    from deepsport.distil.settings import Budget
    from deepsport.tool import FrameSource

    summary = judge_job(
        args.job,
        endpoint_settings(args),
        preset(args.preset),
        source=FrameSource(args.media),
        samples=args.samples,
        pace=pace_settings(args),
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


def filter(args: argparse.Namespace) -> int:
    """Print the funnel and, if asked, plot it and write the data set."""
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


def classify(args: argparse.Namespace) -> int:
    """Store with each task whether the first frames alone were enough."""
    from deepsport.distil import first_frames
    from deepsport.distil.job import job_tasks, open_journal
    from deepsport.distil.judge import read_opinions
    from deepsport.task import write_tasks

    with open_journal(args.job, read_only=True) as journal:
        trajectories = list(journal.trajectories())
    tasks = first_frames.classify(
        job_tasks(args.job).values(),
        trajectories,
        min_share=args.min_share,
        opinions=read_opinions(args.job),
    )
    write_tasks(args.out, tasks)
    classes = [first_frames.solved_at_first(task) for task in tasks]
    print(
        f"{args.out}: {len(tasks)} tasks, {classes.count(True)} solved from the first frames, "
        f"{classes.count(False)} not, {classes.count(None)} unknown"
    )
    return 0


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
    return DistilSettings(endpoint_settings(args), tool, args.attempts)
