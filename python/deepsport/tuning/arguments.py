"""Command-line arguments that supervised and reinforcement training share."""

from __future__ import annotations

import argparse
from dataclasses import replace

from deepsport.errors import SettingsError
from deepsport.recipes import Hardware, apply_recipe, read_recipe, recipe_names
from deepsport.tuning.settings import TuningSettings
from deepsport.tuning.trackers import TRACKERS

__all__ = ["add_tuning_arguments", "need", "take_recipe", "tuning_settings"]


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
    tuning.add_argument("--fsdp", action="store_true", help="FSDP2 in place of ZeRO; needs GPUs")
    dry = parser.add_argument_group("dry run")
    dry.add_argument(
        "--dry-run",
        action="store_true",
        help="print tokens and memory by stage and whether it would fit; trains nothing. Needs no GPU "
        "and no weights: the shapes of Qwen2.5-VL-7B-Instruct and Qwen3-VL-8B-Instruct are known, "
        "others are read from their folder",
    )
    dry.add_argument("--gpus", type=int, metavar="N", help="that would train, over all machines")
    dry.add_argument("--gpu-memory", type=float, metavar="GIB", help="of each; default: 80")
    dry.add_argument("--server-gpus", type=int, metavar="N", help="that would serve rollouts")
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        help=f"options for a model and machine, {', '.join(recipe_names())}, or a .toml file; what "
        "is given here as well wins",
    )
    kept = parser.add_argument_group("run")
    kept.add_argument("--seed", type=int, default=0)
    kept.add_argument("--save-steps", type=int, default=50, metavar="N")
    kept.add_argument(
        "--track",
        action="append",
        default=[],
        choices=TRACKERS,
        help="also send the curve there; may be given several times",
    )
    kept.add_argument(
        "--restart", action="store_true", help="begin anew instead of resuming what --out holds"
    )


def take_recipe(args: argparse.Namespace) -> Hardware:
    """Fill in the options of ``--recipe`` and return the machine that is meant.

    Raises
    ------
    SettingsError
        When the recipe cannot be read, or an option that must be given is missing.
    """
    hardware = Hardware()
    if args.recipe is not None:
        recipe = read_recipe(args.recipe)
        apply_recipe(args.parser, recipe, args.command, args, args.command_line)
        hardware = recipe.hardware
    given = {
        "gpus": args.gpus,
        "gpu_memory_gib": args.gpu_memory,
        "server_gpus": args.server_gpus,
    }
    return replace(hardware, **{name: v for name, v in given.items() if v is not None})


def need(args: argparse.Namespace, *names: str) -> None:
    """Refuse to go on without options that neither the command line nor a recipe gave.

    Raises
    ------
    SettingsError
    """
    missing = [f"--{name.replace('_', '-')}" for name in names if getattr(args, name) is None]
    if missing:
        raise SettingsError(f"{', '.join(missing)} missing; valid is a value for each, see --help")


def tuning_settings(args: argparse.Namespace) -> TuningSettings:
    """Return the settings that were asked for."""
    return TuningSettings(
        lora_rank=args.lora,
        freeze_vision=args.freeze_vision,
        bf16=args.bf16,
        gradient_checkpointing=args.gradient_checkpointing,
        zero_stage=args.zero,
        fsdp=args.fsdp,
    )
