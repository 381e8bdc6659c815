"""Resume a trainer of transformers with the weights of its checkpoint.

``Trainer`` of transformers 5 loads a checkpoint's weights by the names in the file. Saved files of
vision-language models carry the names of the hub, which differ from those of the modules, and what
does not match is left out with a warning: training would go on from the starting weights.
"""

from __future__ import annotations

from typing import Any

__all__ = ["ResumesWeights"]


class ResumesWeights:
    """Mix into a trainer, before it."""

    model: Any
    is_deepspeed_enabled: bool
    is_fsdp_enabled: bool

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        model = self.model if model is None else model
        if hasattr(model, "peft_config") or self.is_deepspeed_enabled or self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)  # type: ignore[misc]
            return
        saved = type(model).from_pretrained(resume_from_checkpoint, dtype=model.dtype)
        model.load_state_dict(saved.state_dict())
