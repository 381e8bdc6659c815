"""Write what was trained, whole, however its weights are divided among processes.

Under ZeRO-3 and FSDP2 a process holds a part of each weight, and of what is not its own an empty
tensor: saved from there, a checkpoint has the right names and nothing in them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from deepsport.chat import ChatRenderer, save_checkpoint
from deepsport.tool import ToolSettings
from deepsport.tuning.settings import TuningSettings

__all__ = ["end_training", "save_result"]


def save_result(
    trainer: Any,
    tuning: TuningSettings,
    renderer: ChatRenderer,
    base: Path | str,
    path: Path | str,
    tool: ToolSettings,
) -> None:
    """Save the model of a trainer that is done; every process must call it, the first one writes.

    Parameters
    ----------
    trainer
        Of transformers.
    tuning : TuningSettings
        It was made with.
    renderer : ChatRenderer
    base : Path or str
        Checkpoint that was trained from.
    path : Path or str
    tool : ToolSettings
        What the model was trained to play with.
    """
    state = None
    if tuning.divides_weights:
        wrapped = trainer.deepspeed if trainer.is_deepspeed_enabled else trainer.model
        state = trainer.accelerator.get_state_dict(wrapped)  # all processes give their parts
    if not trainer.is_world_process_zero():
        return
    trained = trainer.accelerator.unwrap_model(trainer.model)
    if tuning.lora_rank:
        trained = trained.merge_and_unload()
    save_checkpoint(trained, renderer, base, path, tool=tool, state=state)


def end_training(model: Path, out: Path) -> None:
    """Say where the result is, once however many processes trained it, and part from the others.

    Processes that end without parting are reported as leaking by PyTorch.
    """
    import torch

    if os.environ.get("RANK", "0") == "0":
        print(f"model in {model}, learning curve in {out / 'curve.jsonl'}")  # noqa: T201 - of a command
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
