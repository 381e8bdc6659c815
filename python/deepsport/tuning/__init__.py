"""How a model is tuned and watched while it is, shared by supervised and reinforcement training."""

from __future__ import annotations

from deepsport.tuning.settings import (
    TuningSettings,
    apply_tuning,
    last_checkpoint,
    trainer_arguments,
)

__all__ = ["TuningSettings", "apply_tuning", "last_checkpoint", "trainer_arguments"]
