"""A conversation as tokens: what the model read and wrote, which tokens are trained, which frames.

Note [Tokens, not text]
-----------------------
What a model wrote is kept as the tokens it sampled and never tokenised again: two texts that look
alike can be different tokens, and a loss on tokens that were not sampled trains something else.
Rollouts, evaluation and both kinds of training append to the same record:

    ids        <|im_start|>system ... assistant\n | reply <|im_end|> | \n<|im_start|>user ... | reply
    trainable  0                                  | 1                | 0                      | 1
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["ShownFrame", "Transcript"]


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """Pixels of one frame and the key under which work on them may be cached.

    Attributes
    ----------
    pixels : array
        uint8, (height, width, 3), RGB.
    key : tuple or None
        Path of the video, frame index, and what else the pixels follow from (`FrameRef.key`);
        ``None`` when unknown, which disables caching.
    """

    pixels: NDArray[np.uint8]
    key: tuple[Hashable, ...] | None = None


@dataclass(slots=True)
class Transcript:
    """Tokens of one conversation so far.

    Attributes
    ----------
    ids : list of int
    trainable : list of bool
        True on tokens that the model wrote, its end-of-turn token included.
    frames : list of ShownFrame
        In the order of their places in `ids`.
    prompt_length : int
        Tokens before the model's first.
    log_probs : list of float
        For each token the log-probability it was sampled with; NaN where it was not sampled, or
        the engine did not say.
    """

    ids: list[int] = field(default_factory=list)
    trainable: list[bool] = field(default_factory=list)
    frames: list[ShownFrame] = field(default_factory=list)
    prompt_length: int = 0
    log_probs: list[float] = field(default_factory=list)

    def append(
        self, ids: list[int], *, trainable: bool, log_probs: Sequence[float] | None = None
    ) -> None:
        """Add tokens that are all trained, or all not, with what they were sampled with."""
        if log_probs is not None and len(log_probs) != len(ids):
            raise ValueError(f"{len(log_probs)} log-probabilities for {len(ids)} tokens")
        self.ids.extend(ids)
        self.trainable.extend([trainable] * len(ids))
        self.log_probs.extend([math.nan] * len(ids) if log_probs is None else log_probs)

    def forget(self, length: int, frames: int) -> None:
        """Drop what lies behind the first `length` tokens and the first `frames` frames."""
        del self.ids[length:], self.trainable[length:], self.log_probs[length:]
        del self.frames[frames:]

    @property
    def completion_ids(self) -> list[int]:
        """Tokens after the prompt: replies and the observations between them."""
        return self.ids[self.prompt_length :]

    @property
    def completion_mask(self) -> list[int]:
        """1 where a token of `completion_ids` is the model's own."""
        return [int(t) for t in self.trainable[self.prompt_length :]]
