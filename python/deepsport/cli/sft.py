"""`deepsport sft`: train a checkpoint on trajectories."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from deepsport.tuning.arguments import add_tuning_arguments, tuning_settings

__all__ = ["register", "run"]

_EXAMPLES = """examples:
  deepsport sft --model Qwen2.5-VL-7B-Instruct --tasks tasks.jsonl --trajectories kept.jsonl \\
      --media-root videos --out sft --bf16 --gradient-checkpointing --freeze-vision
  torchrun --nproc-per-node 8 -m deepsport sft ... --zero 3          eight processes
  deepsport sft --model tiny/model --tasks tasks.jsonl --trajectories kept.jsonl --dry-run

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
    what.add_argument(
        "--model", required=True, metavar="PATH", help="checkpoint folder or hub name"
    )
    what.add_argument("--tasks", type=Path, required=True, metavar="FILE")
    what.add_argument("--trajectories", type=Path, required=True, metavar="FILE")
    what.add_argument("--media-root", type=Path, metavar="DIR", help="default: beside the tasks")
    what.add_argument("--split", default="train", help="tasks that may be learnt from")
    what.add_argument("--out", type=Path, metavar="DIR")
    what.add_argument(
        "--dry-run",
        action="store_true",
        help="print lengths, what would be left out, and one example with its mask",
    )
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
    how.add_argument("--workers", type=int, default=1, metavar="N")
    add_tuning_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, or show what would be trained on."""
    from deepsport.dataset.examples import sft_examples
    from deepsport.errors import SettingsError
    from deepsport.sft import SFTSettings
    from deepsport.task import read_tasks
    from deepsport.tool import ToolSettings
    from deepsport.trajectory import read_trajectories

    examples, counts = sft_examples(
        read_tasks(args.tasks),
        read_trajectories(args.trajectories),
        split=args.split,
        answer_needs_evidence=not args.train_unseen_answers,
    )
    print("\n".join(f"{count:>8} {reason}" for reason, count in counts.most_common()))
    media = args.media_root or args.tasks.parent
    form = ToolSettings.from_json(examples[0].trajectory.settings["tool"]).form if examples else 0
    if args.dry_run:
        from deepsport.sft.preview import preview

        print(preview(examples, args.model, media, max_tokens=args.max_tokens))
        return 0
    if args.out is None:
        raise SettingsError("--out DIR is missing: the folder that the run is written to")
    from deepsport.protocol import ProtocolForm
    from deepsport.sft.train import train_sft

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
        form=ProtocolForm(form),
        workers=args.workers,
        save_steps=args.save_steps,
        seed=args.seed,
        tuning=tuning_settings(args),
    )
    model = train_sft(examples, args.model, media, args.out, settings, resume=not args.restart)
    if os.environ.get("RANK", "0") == "0":
        print(f"model in {model}, learning curve in {args.out / 'curve.jsonl'}")
    return 0
