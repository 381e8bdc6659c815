"""`deepsport sft`: train a checkpoint on trajectories."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from deepsport.recipes import Hardware
from deepsport.tuning.arguments import (
    add_tuning_arguments,
    need,
    take_recipe,
    tuning_settings,
)

if TYPE_CHECKING:
    from deepsport.dataset import Example
    from deepsport.sft import SFTSettings

__all__ = ["register", "run"]

_EXAMPLES = """examples:
  deepsport sft --model Qwen2.5-VL-7B-Instruct --tasks tasks.jsonl --trajectories kept.jsonl \\
      --media-root videos --out sft --bf16 --gradient-checkpointing --freeze-vision
  torchrun --nproc-per-node 8 -m deepsport sft ... --zero 3          eight processes
  deepsport sft --model tiny/model --tasks tasks.jsonl --trajectories kept.jsonl --dry-run
  deepsport sft --recipe qwen2.5-vl-7b-1x8 --dry-run                 would it fit?

A run that was stopped goes on when the same command is given again.
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "sft",
        help="train a checkpoint on trajectories",
        description="Supervised training on kept trajectories. The loss is on the teacher's tokens "
        "only; frames are decoded when a batch needs them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what")
    what.add_argument("--model", metavar="PATH", help="checkpoint folder or hub name")
    what.add_argument("--tasks", type=Path, metavar="FILE")
    what.add_argument("--trajectories", type=Path, metavar="FILE")
    what.add_argument("--media-root", type=Path, metavar="DIR", help="default: beside the tasks")
    what.add_argument("--split", default="train", help="tasks that may be learnt from")
    what.add_argument("--out", type=Path, metavar="DIR")
    how = parser.add_argument_group("how")
    how.add_argument("--epochs", type=float, default=1.0)
    how.add_argument("--steps", type=int, help="in place of epochs")
    how.add_argument("--batch-size", type=int, default=32, metavar="N", help="a process and update")
    how.add_argument("--micro-batch-size", type=int, metavar="N", help="a forward pass")
    how.add_argument("--learning-rate", type=float, default=1e-5)
    how.add_argument("--warmup-steps", type=int, default=20, metavar="N")
    how.add_argument("--max-tokens", type=int, default=16_384, metavar="N")
    how.add_argument("--loss", choices=("nll", "dft"), default="nll")
    how.add_argument(
        "--train-unseen-answers",
        action="store_true",
        help="also train answers whose annotated event no frame showed",
    )
    how.add_argument(
        "--curriculum",
        default="",
        metavar="AXIS[=A,B,...]",
        help="learn in stages: difficulty, or source, dimension, sport or kind with the stages in "
        "order, as dimension=recognition,rules",
    )
    how.add_argument(
        "--even-batches",
        action="store_true",
        help="batches of examples of about the same length: less padding, ranks wait less",
    )
    how.add_argument("--workers", type=int, default=1, metavar="N")
    add_tuning_arguments(parser)
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Train, or show what would be trained on."""
    from deepsport.dataset.examples import sft_examples
    from deepsport.sft import SFTSettings
    from deepsport.task import read_tasks
    from deepsport.tool import ToolSettings
    from deepsport.trajectory import read_trajectories

    hardware = take_recipe(args)
    need(args, "model", *(() if args.dry_run else ("tasks", "trajectories", "out")))
    examples: list[Example] = []
    if args.tasks and args.trajectories:
        examples, counts = sft_examples(
            read_tasks(args.tasks),
            read_trajectories(args.trajectories),
            split=args.split,
            answer_needs_evidence=not args.train_unseen_answers,
        )
        print("\n".join(f"{count:>8} {reason}" for reason, count in counts.most_common()))
    tool = ToolSettings.from_json(examples[0].trajectory.settings["tool"] if examples else {})
    settings = SFTSettings(
        epochs=args.epochs,
        steps=args.steps,
        batch_size=args.batch_size,
        micro_batch_size=args.micro_batch_size,
        learning_rate=args.learning_rate,
        warmup_steps=args.warmup_steps,
        max_tokens=args.max_tokens,
        answer_needs_evidence=not args.train_unseen_answers,
        loss=args.loss,
        curriculum=args.curriculum,
        even_batches=args.even_batches,
        form=tool.form,
        workers=args.workers,
        save_steps=args.save_steps,
        seed=args.seed,
        tuning=tuning_settings(args),
    )
    media = args.media_root or (args.tasks.parent if args.tasks else Path())
    if args.dry_run:
        return _dry_run(examples, args.model, media, settings, hardware)
    from deepsport.sft.train import train_sft
    from deepsport.tuning.result import end_training

    model = train_sft(
        examples, args.model, media, args.out, settings,
        resume=not args.restart, trackers=args.track,
    )  # fmt: skip
    end_training(model, args.out)
    return 0


def _dry_run(
    examples: list[Example], model: str, media: Path, settings: SFTSettings, hardware: Hardware
) -> int:
    """Print what would be learnt from and what it needs; 1 when it would not fit."""
    from deepsport.sft.dry_run import describe_order, memory_text

    longest = 0
    if examples:
        from deepsport.sft.preview import preview

        print(preview(examples, model, media, max_tokens=settings.max_tokens))
        order, longest = describe_order(examples, model, media, settings)
        print(order)
    text, fits = memory_text(model, settings, hardware, longest)
    print(f"\n{text}")
    return 0 if fits else 1
