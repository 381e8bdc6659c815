"""Command-line arguments that supervised and reinforcement training share."""

from __future__ import annotations

import argparse

from deepsport.tuning.settings import TuningSettings

__all__ = ["add_tuning_arguments", "tuning_settings"]


def add_tuning_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is tuned, with which means, and how a run is kept."""
    tuning = parser.add_argument_group("tuning")
    tuning.add_argument(
        "--lora", type=int, default=0, metavar="RANK", help="LoRA on the language model; 0: off"
    )
    tuning.add_argument("--freeze-vision", action="store_true", help="leave the vision tower be")
    tuning.add_argument("--bf16", action="store_true", help="mixed precision")
    tuning.add_argument("--gradient-checkpointing", action="store_true")
    tuning.add_argument(
        "--zero", type=int, choices=(0, 1, 2, 3), default=0, help="DeepSpeed ZeRO stage"
    )
    kept = parser.add_argument_group("run")
    kept.add_argument("--seed", type=int, default=0)
    kept.add_argument("--save-steps", type=int, default=50, metavar="N")
    kept.add_argument(
        "--restart", action="store_true", help="begin anew instead of resuming what --out holds"
    )


def tuning_settings(args: argparse.Namespace) -> TuningSettings:
    """Return the settings that were asked for."""
    return TuningSettings(
        lora_rank=args.lora,
        freeze_vision=args.freeze_vision,
        bf16=args.bf16,
        gradient_checkpointing=args.gradient_checkpointing,
        zero_stage=args.zero,
    )
