"""Settings of supervised training, each default with its source."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from deepsport.errors import SettingsError
from deepsport.protocol import ProtocolForm
from deepsport.tuning import TuningSettings

__all__ = ["SFTSettings"]


@dataclass(frozen=True, slots=True)
class SFTSettings:
    """How to train on trajectories.

    Attributes
    ----------
    epochs : float
        One in the paper (DeepSport v1); ignored when `steps` is set.
    steps : int or None
    batch_size : int
        Examples an update and process.
    micro_batch_size : int or None
        Examples a forward pass; the batch by default. Gradients are those of the whole batch.
    learning_rate : float
        Not reported in the paper; 1e-5 is usual for full tuning of this size.
    warmup_steps : int
    weight_decay : float
    max_tokens : int
        Longer examples are left out, never cut: a cut would tear frames from their tokens.
    answer_needs_evidence : bool
        See :func:`deepsport.dataset.sft_examples`.
    loss : {"nll", "dft"}
        Cross entropy, or dynamic fine-tuning (arXiv 2508.05629).
    curriculum : str
        Stages to learn in order, see :func:`deepsport.sft.order.stage_numbers`; an epoch goes through
        all of them. Empty: one stage.
    even_batches : bool
        Batches of examples of about the same length, see `deepsport.sft.order`.
    form : ProtocolForm
    workers : int
        Processes that decode and render ahead of training.
    save_steps : int
        Steps between checkpoints to resume from.
    seed : int
    tuning : TuningSettings
    """

    epochs: float = 1.0
    steps: int | None = None
    batch_size: int = 32
    micro_batch_size: int | None = None
    learning_rate: float = 1e-5
    warmup_steps: int = 20
    weight_decay: float = 0.01
    max_tokens: int = 16_384
    answer_needs_evidence: bool = True
    loss: Literal["nll", "dft"] = "nll"
    curriculum: str = ""
    even_batches: bool = False
    form: ProtocolForm = ProtocolForm.PAPER
    workers: int = 1
    save_steps: int = 100
    seed: int = 0
    tuning: TuningSettings = field(default_factory=TuningSettings)

    def __post_init__(self) -> None:
        micro = self.micro_batch_size or self.batch_size
        if self.batch_size < 1 or micro < 1 or self.batch_size % micro:
            raise SettingsError(
                f"batch_size is {self.batch_size} and micro_batch_size {micro}; valid are numbers "
                "of 1 or more of which the first is a multiple of the second"
            )
        if self.learning_rate <= 0 or self.save_steps < 1 or self.workers < 0:
            raise SettingsError(
                f"learning_rate {self.learning_rate}, save_steps {self.save_steps} and workers "
                f"{self.workers} cannot work; valid are > 0, >= 1 and >= 0"
            )

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return {**dataclasses.asdict(self), "form": self.form.value}
