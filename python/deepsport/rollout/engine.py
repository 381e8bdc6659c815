"""What writes tokens: the small protocol behind which rollout engines fit.

An engine continues conversations token by token and knows nothing of tasks, tools or turns;
`TokenPolicy` puts one behind the game. There are three: transformers in this process
(`transformers_engine`), vLLM in this process (`vllm_engine`) and a vLLM server (`vllm_server`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from deepsport.errors import SettingsError
from deepsport.trajectory import Fault

if TYPE_CHECKING:
    from deepsport.chat import Transcript

__all__ = ["RolloutEngine", "Sampled", "Sampling"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How replies are drawn.

    Attributes
    ----------
    temperature : float
        0 takes the most probable token.
    top_p : float
    max_reply_tokens : int
        Longest reply; a longer one is cut off and counts as truncated.
    max_context_tokens : int or None
        Longest conversation; an episode that would not fit is truncated.
    seed : int or None
        Of the generator; ``None`` goes on with PyTorch's global one.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    max_reply_tokens: int = 1024
    max_context_tokens: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.temperature < 0 or not 0 < self.top_p <= 1 or self.max_reply_tokens < 1:
            raise SettingsError(
                f"sampling {self} cannot work; valid are temperature >= 0, 0 < top_p <= 1 and "
                "max_reply_tokens >= 1"
            )


@dataclass(frozen=True, slots=True)
class Sampled:
    """One continuation.

    Attributes
    ----------
    ids : list of int
        Tokens written, the end-of-turn token last unless the limit cut it off.
    log_probs : list of float or None
        Of each token under the distribution it was drawn from (temperature and suppressed tokens
        applied); None when the engine does not say.
    fault : Fault or None
        Why nothing could be had, for no fault of the model; `ids` is then empty.
    """

    ids: list[int]
    log_probs: list[float] | None = None
    fault: Fault | None = None


class RolloutEngine(Protocol):
    """Anything that continues conversations."""

    @property
    def concurrent(self) -> bool:
        """Whether `generate` may be called from several threads at once.

        Then every episode is played in a thread of its own: one decodes while others generate.
        """
        ...

    def generate(self, transcripts: Sequence[Transcript]) -> list[Sampled]:
        """Return one continuation a transcript, in order; transcripts are not changed.

        A failure of one conversation is a `Sampled` with a fault, not an exception.
        """
        ...
