"""A processor in the sense of transformers, made of tokenizer and image processor alone.

TRL's trainers ask for one. The released processors also want a video processor, which needs
torchvision; frames are given as images here, so there is nothing for it to do.
"""

from __future__ import annotations

from typing import Any

from transformers import ProcessorMixin

from deepsport.chat.renderer import ChatRenderer

__all__ = ["FramesProcessor", "frames_processor"]


class FramesProcessor(ProcessorMixin):
    """Tokenizer, image processor and chat template of a checkpoint."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None
    ) -> None:
        super().__init__(image_processor, tokenizer, chat_template=chat_template)
        self.image_token = "<|image_pad|>"  # noqa: S105 - a token of text
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)


def frames_processor(renderer: ChatRenderer) -> FramesProcessor:
    """Return the processor that belongs to a renderer."""
    return FramesProcessor(
        renderer.encoder.image_processor, renderer.tokenizer, renderer.tokenizer.chat_template
    )
