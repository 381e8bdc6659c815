"""How a model is tuned, the same for supervised and reinforcement training.

What is trained (everything, everything but the vision tower, or LoRA on the language model), in
which precision, over how many processes. Not for what is learnt.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deepsport.errors import MissingExtraError, SettingsError

__all__ = ["LORA_TARGETS", "TuningSettings", "apply_tuning", "last_checkpoint", "trainer_arguments"]

#: linear layers of the language model's blocks; the vision tower's are named otherwise
LORA_TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


@dataclass(frozen=True, slots=True)
class TuningSettings:
    """What is trained and with which means.

    Attributes
    ----------
    lora_rank : int
        0 trains the weights themselves.
    freeze_vision : bool
        Leave the vision tower as it is, as the code lineage of the paper does (VideoBrain).
    bf16 : bool
        Mixed precision; needs a device that has it.
    gradient_checkpointing : bool
        Spend time to save memory.
    zero_stage : int
        DeepSpeed ZeRO stage over the processes that torchrun or accelerate start; 0 is plain DDP.
    fsdp : bool
        PyTorch's FSDP2 in place of ZeRO: weights, gradients and optimizer divided by layer.
    """

    lora_rank: int = 0
    freeze_vision: bool = False
    bf16: bool = False
    gradient_checkpointing: bool = False
    zero_stage: Literal[0, 1, 2, 3] = 0
    fsdp: bool = False

    def __post_init__(self) -> None:
        if self.lora_rank < 0:
            raise SettingsError(f"lora_rank is {self.lora_rank}, valid is 0 (off) or more")
        if self.zero_stage not in (0, 1, 2, 3):
            raise SettingsError(f"zero_stage is {self.zero_stage}, valid are 0, 1, 2 and 3")
        if self.fsdp and self.zero_stage:
            raise SettingsError(
                f"fsdp and zero_stage {self.zero_stage} cannot be had together; valid is one of them"
            )
        if self.lora_rank and self.divides_weights:
            means = "fsdp" if self.fsdp else "zero_stage 3"
            raise SettingsError(
                f"lora_rank {self.lora_rank} with {means}: adapters cannot be merged into weights of "
                "which each process holds a part; valid are zero_stage 0 to 2, or lora_rank 0"
            )

    @property
    def divides_weights(self) -> bool:
        """Whether each process holds a part of the weights only."""
        return self.fsdp or self.zero_stage == 3


def apply_tuning(model: Any, settings: TuningSettings) -> Any:
    """Freeze or wrap a model as the settings say; return the model to train.

    Raises
    ------
    SettingsError
        When the vision tower to freeze is not found.
    MissingExtraError
        When LoRA is asked for without peft.
    """
    if settings.freeze_vision:
        frozen = [p for name, p in model.named_parameters() if ".visual." in f".{name}"]
        if not frozen:
            raise SettingsError(f"{type(model).__name__} has no part named 'visual' to freeze")
        for parameter in frozen:
            parameter.requires_grad_(requires_grad=False)
    if settings.lora_rank:
        try:
            import peft
        except ImportError as error:
            raise MissingExtraError("LoRA needs peft: pip install 'deepsport[train]'") from error
        config = peft.LoraConfig(
            r=settings.lora_rank,
            lora_alpha=2 * settings.lora_rank,
            target_modules=LORA_TARGETS,
            task_type="CAUSAL_LM",
        )
        model = peft.get_peft_model(model, config)
    return model


def trainer_arguments(settings: TuningSettings, *, logging_steps: int = 1) -> dict[str, Any]:
    """Return what the arguments of both of TRL's trainers have in common."""
    import torch

    arguments: dict[str, Any] = {
        "bf16": settings.bf16,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "use_cpu": not torch.cuda.is_available(),
        "report_to": [],
        "disable_tqdm": True,  # progress is shown by deepsport.progress
        "logging_steps": logging_steps,
        "logging_strategy": "steps",
        "remove_unused_columns": False,
        "save_strategy": "steps",
        "save_total_limit": 1,
        "dataloader_pin_memory": torch.cuda.is_available(),
    }
    if settings.gradient_checkpointing:
        arguments["gradient_checkpointing_kwargs"] = {"use_reentrant": False}
    if settings.zero_stage:
        arguments["deepspeed"] = zero_config(settings)
    if settings.fsdp:
        arguments |= fsdp_arguments(settings)
    return arguments


def fsdp_arguments(settings: TuningSettings) -> dict[str, Any]:
    """Return what makes transformers train under FSDP2.

    Raises
    ------
    SettingsError
        Without a GPU: accelerate would run DDP instead and say nothing.
    """
    import torch

    if not torch.cuda.is_available():
        raise SettingsError(
            "fsdp needs GPUs, found none: accelerate would train with DDP and say nothing; valid "
            "without GPUs are --zero and plain DDP"
        )
    return {
        "fsdp": True,
        "fsdp_config": {
            "version": 2,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "reshard_after_forward": True,
            "state_dict_type": "FULL_STATE_DICT",
            # FSDP's own, which does not gather a layer twice
            "activation_checkpointing": settings.gradient_checkpointing,
        },
        "gradient_checkpointing": False,
    }


def zero_config(settings: TuningSettings) -> dict[str, Any]:
    """Return DeepSpeed's configuration; ``"auto"`` is filled in by transformers."""
    try:
        import deepspeed
        import torch
    except ImportError as error:
        raise MissingExtraError(
            "ZeRO needs deepspeed: pip install 'deepsport[deepspeed]'"
        ) from error
    if not torch.cuda.is_available():
        # its shared-memory operator is compiled on first use for minutes; gloo needs none of it
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    config: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
        "bf16": {"enabled": settings.bf16},
        "zero_optimization": {"stage": settings.zero_stage, "overlap_comm": True},
        "zero_allow_untested_optimizer": True,
    }
    if settings.zero_stage == 3:
        config["zero_optimization"] |= {"stage3_gather_16bit_weights_on_model_save": True}
    return config


def process_count() -> int:
    """Return how many processes train together, as torchrun, accelerate and DeepSpeed say it.

    Not asked of accelerate: without a GPU, and before it is given its arguments, it says one.
    """
    return int(os.environ.get("WORLD_SIZE", "1"))


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete trainer checkpoint below a folder, or None."""
    found = [
        path
        for path in folder.glob("checkpoint-*")
        if path.name.removeprefix("checkpoint-").isdigit()
        and (path / "trainer_state.json").is_file()
    ]
    return max(found, key=lambda path: int(path.name.removeprefix("checkpoint-")), default=None)
