"""Seeded draws: what is sampled for a turn depends on seed, task, attempt and turn, on nothing else.

So a run that was killed and gone on with draws the answers that an undisturbed one would have
drawn, whatever the order of tasks and whoever shared a batch with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from deepsport.rollout.episode import Episode

__all__ = ["RowSampler", "turn_seed"]


def turn_seed(seed: int, episode: Episode) -> int:
    """Return the seed of the reply that an episode waits for: 31 bits, as servers take them."""
    turn = sum(turn.role == "assistant" for turn in episode.turns)
    name = f"{seed}\0{episode.task.task_id}\0{episode.attempt}\0{turn}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") >> 1


class RowSampler:
    """A logits processor of transformers that draws each row's token with a generator of its own.

    Used with greedy decoding: of each row, one token is left to choose from. A step takes one
    uniform number a row, looked up in the cumulative distribution, so the draws are the same on
    every device up to rounding of the probabilities.

    Parameters
    ----------
    seeds : sequence of int
        One a row.
    temperature : float
        Above 0.
    top_p : float
        In (0, 1]; the fewest most probable tokens that reach this mass are drawn from.
    """

    def __init__(self, seeds: Sequence[int], temperature: float, top_p: float = 1.0) -> None:
        self._generators = [np.random.default_rng(seed) for seed in seeds]
        self._temperature, self._top_p = temperature, top_p

    def __call__(self, input_ids: Any, scores: Any) -> Any:  # noqa: ARG002
        """Return scores, float (rows, tokens), in which only the drawn token of a row is finite."""
        import torch

        # float64: a sum over 150,000 tokens in float32 is off by more than many of them weigh
        shares = torch.softmax(scores.double() / self._temperature, dim=-1)
        if self._top_p < 1:
            ordered, order = shares.sort(dim=-1, descending=True, stable=True)
            ordered[ordered.cumsum(dim=-1) - ordered >= self._top_p] = 0.0  # the first one stays
            shares = torch.zeros_like(shares).scatter_(-1, order, ordered)
        reached = shares.cumsum(dim=-1)
        drawn = torch.tensor(
            [[generator.random()] for generator in self._generators],
            dtype=reached.dtype,
            device=reached.device,
        )
        # the first token whose cumulative share is above the draw: one of share 0 is never taken
        token = torch.searchsorted(reached, drawn * reached[:, -1:], right=True)
        token = token.clamp_(max=scores.shape[-1] - 1)
        return torch.full_like(scores, -torch.inf).scatter_(-1, token, 0.0)
