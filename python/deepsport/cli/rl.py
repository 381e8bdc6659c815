"""`deepsport rl`: train a checkpoint by letting it play tasks."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from deepsport.cli.evaluate import add_tool_arguments, tool_changes
from deepsport.recipes import Hardware
from deepsport.tuning.arguments import (
    add_tuning_arguments,
    need,
    take_recipe,
    tuning_settings,
)

if TYPE_CHECKING:
    from deepsport.rl import RLSettings
    from deepsport.task import Task

__all__ = ["register", "run"]

_EXAMPLES = """examples:
  deepsport rl --model sft/model --tasks tasks.jsonl --media-root videos --out rl --bf16
  deepsport rl --model sft/model --tasks tasks.jsonl --out rl --reward deepsport-v2 --loss dapo \\
      --drop-uniform-groups --select variance --curriculum difficulty=easy,medium+hard
  torchrun --nproc-per-node 8 -m deepsport rl ... --zero 3           eight processes
  deepsport rl --recipe qwen2.5-vl-7b-1x8 --dry-run                  would it fit?

How the tool behaves is taken from the checkpoint (tool_settings.json) unless --tool-settings says
otherwise. A run that was stopped goes on when the same command is given again.
"""
ENGINES = ("transformers", "vllm", "vllm-server")
LOSSES = ("grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "rl",
        help="train a checkpoint by letting it play tasks",
        description="Reinforcement learning (GRPO) over episodes with the frame tool: several "
        "rollouts of each question, judged against each other.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what")
    what.add_argument("--model", metavar="PATH", help="checkpoint folder or hub name")
    what.add_argument("--tasks", type=Path, metavar="FILE")
    what.add_argument("--media-root", type=Path, metavar="DIR", help="default: beside the tasks")
    what.add_argument("--split", default="train", help="tasks that may be played")
    what.add_argument("--out", type=Path, metavar="DIR")
    what.add_argument("--tool-settings", type=Path, metavar="FILE")
    what.add_argument(
        "--reward", default="deepsport-v1", metavar="PRESET", help="see docs/rewards.md"
    )
    add_tool_arguments(what)
    what.add_argument("--judge", metavar="URL", help="endpoint of a judge of open answers")
    what.add_argument("--judge-model", default="", metavar="NAME", help="what to ask there")
    what.add_argument(
        "--judge-weight", type=float, default=1.0, metavar="W", help="the rest is the rule's"
    )
    how = parser.add_argument_group("how")
    how.add_argument("--steps", type=int, default=300)
    how.add_argument("--prompts", type=int, default=32, metavar="N", help="questions an update")
    how.add_argument("--group", type=int, default=8, metavar="G", help="rollouts of each question")
    how.add_argument("--micro-batch-size", type=int, metavar="N", help="rollouts a forward pass")
    how.add_argument("--learning-rate", type=float, default=1e-6)
    how.add_argument("--warmup-steps", type=int, default=3, metavar="N")
    how.add_argument("--loss", choices=LOSSES, default="dapo")
    how.add_argument("--gspo", action="store_true", help="importance by sequence, with --loss grpo")
    how.add_argument("--beta", type=float, default=0.0, help="weight of the KL divergence")
    how.add_argument("--clip-low", type=float, default=0.2)
    how.add_argument("--clip-high", type=float, default=0.28)
    how.add_argument("--scale-rewards", choices=("group", "batch", "none"), default="group")
    how.add_argument(
        "--advantages", choices=("group", "moving"), default="group",
        help="within the group, or scaled by a moving deviation of the task's family (EMA-GRPO)",
    )  # fmt: skip
    how.add_argument("--drop-uniform-groups", action="store_true")
    how.add_argument(
        "--select", choices=("shuffle", "variance"), default="shuffle",
        help="questions in turn, or those more often whose rollouts differ",
    )  # fmt: skip
    how.add_argument(
        "--curriculum", metavar="FIELD=A+B,C", help="let kinds of questions in by stages"
    )
    how.add_argument(
        "--train-truncated", action="store_true",
        help="rollouts cut off by the token limit count as malformed, instead of not at all",
    )  # fmt: skip
    how.add_argument("--minibatches", type=int, default=1, metavar="N", help="updates a step")
    how.add_argument("--updates-per-rollout", type=int, default=1, metavar="N")
    how.add_argument("--temperature", type=float, default=1.0)
    how.add_argument("--max-reply-tokens", type=int, default=1024, metavar="N")
    how.add_argument("--max-context-tokens", type=int, default=16_384, metavar="N")
    where = parser.add_argument_group("rollouts")
    where.add_argument(
        "--engine",
        choices=ENGINES,
        default="transformers",
        help="what writes the rollouts, see docs/engines.md",
    )
    where.add_argument("--vllm-url", default="http://127.0.0.1:8000", metavar="URL")
    where.add_argument(
        "--vllm-memory", type=float, default=0.3, metavar="SHARE", help="of a GPU, --engine vllm"
    )
    where.add_argument(
        "--tool-threads", type=int, default=8, metavar="N", help="tools of a turn at the same time"
    )
    where.add_argument(
        "--show-every",
        type=int,
        default=20,
        metavar="N",
        help="steps between rollouts that are kept with their frames for the report; 0: none",
    )
    where.add_argument("--show-rollouts", type=int, default=8, metavar="N", help="kept then")
    add_tuning_arguments(parser)
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Train."""
    import json

    from deepsport.errors import SettingsError
    from deepsport.reward.judge import JudgeSettings
    from deepsport.rl import RLSettings
    from deepsport.rl.prompts import PromptSettings, parse_curriculum
    from deepsport.rl.train import train_rl
    from deepsport.task import read_tasks
    from deepsport.tool import ToolSettings
    from deepsport.tuning.result import end_training

    hardware = take_recipe(args)
    need(args, "model", *(() if args.dry_run else ("tasks", "out")))
    tool, path = ToolSettings(), args.tool_settings
    beside = Path(args.model) / "tool_settings.json"
    if path is None and beside.is_file():
        path = beside
    if path is not None:
        try:
            tool = ToolSettings.from_json(json.loads(path.read_text(encoding="utf-8")))
        except json.JSONDecodeError as error:
            raise SettingsError(f"{path} is not JSON: {error}") from error
    changes = tool_changes(args, tool)
    tool = dataclasses.replace(tool, **{k: v for k, v in changes.items() if v is not None})
    tasks = list(read_tasks(args.tasks)) if args.tasks else []
    chosen = [task for task in tasks if not args.split or task.split == args.split]
    if not chosen and args.tasks:
        found = sorted({task.split or "none" for task in tasks})
        raise SettingsError(f"no task of split {args.split!r}; found are {', '.join(found)}")
    if args.judge and not args.judge_model:
        raise SettingsError("--judge URL without --judge-model NAME: valid is both")
    by, stages = parse_curriculum(args.curriculum) if args.curriculum else ("", ())
    settings = RLSettings(
        prompts=PromptSettings(select=args.select, curriculum_by=by, stages=stages),  # type: ignore[arg-type]
        mask_truncated=not args.train_truncated,
        advantages=args.advantages,
        judge=JudgeSettings(args.judge_model, base_url=args.judge) if args.judge_model else None,
        judge_weight=args.judge_weight,
        steps=args.steps,
        prompts_per_step=args.prompts,
        group_size=args.group,
        micro_batch_size=args.micro_batch_size,
        learning_rate=args.learning_rate,
        warmup_steps=args.warmup_steps,
        reward=args.reward,
        loss=args.loss,
        sequence_level=args.gspo,
        beta=args.beta,
        clip_low=args.clip_low,
        clip_high=args.clip_high,
        scale_rewards=args.scale_rewards,
        drop_uniform_groups=args.drop_uniform_groups,
        minibatches=args.minibatches,
        updates_per_rollout=args.updates_per_rollout,
        temperature=args.temperature,
        max_reply_tokens=args.max_reply_tokens,
        max_context_tokens=args.max_context_tokens,
        tool=tool,
        engine=args.engine,
        vllm_url=args.vllm_url,
        vllm_memory=args.vllm_memory,
        tool_threads=args.tool_threads,
        show_every=args.show_every,
        show_rollouts=args.show_rollouts,
        save_steps=args.save_steps,
        seed=args.seed,
        tuning=tuning_settings(args),
    )
    if args.dry_run:
        return _dry_run(args.model, settings, hardware, chosen)
    media = args.media_root or args.tasks.parent
    model = train_rl(
        chosen, args.model, media, args.out, settings,
        resume=not args.restart, trackers=args.track,
    )  # fmt: skip
    end_training(model, args.out)
    return 0


def _dry_run(model: str, settings: RLSettings, hardware: Hardware, tasks: list[Task]) -> int:
    """Print what a run would need; 1 when it would not fit."""
    from deepsport.rl.dry_run import dry_run

    count = None
    if (Path(model) / "tokenizer.json").is_file():
        from deepsport.chat import load_renderer

        renderer = load_renderer(model, form=settings.tool.form)

        def count(text: str) -> int:
            return len(renderer.reply_ids(text)) - 1

    found = dry_run(model, settings, hardware, tasks, count)
    print(found.text)
    return 0 if found.fits else 1
