"""A local model as a policy: what evaluation and its controls play with.

Not for remote endpoints (`endpoint_policy`) and not for other engines (`token_policy`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from deepsport.chat import ChatRenderer, Transcript
from deepsport.rollout.draws import turn_seed
from deepsport.rollout.engine import Sampled, Sampling
from deepsport.rollout.token_policy import TokenPolicy
from deepsport.rollout.transformers_engine import Allowed, TransformersEngine

if TYPE_CHECKING:
    from deepsport.rollout.episode import Episode

__all__ = ["Sampling", "TransformersPolicy"]


class TransformersPolicy(TokenPolicy):
    """Play with a model of transformers in this process.

    Parameters
    ----------
    name : str
        Written into trajectories.
    model
        A Qwen-VL model; moved nowhere, switched to evaluation while it generates.
    renderer : ChatRenderer
    sampling : Sampling
        With a seed, what is drawn for a turn depends on it, the task, the attempt and the turn
        alone (`deepsport.rollout.draws`).
    forced_prefix : str
        Text that every reply begins with; the model only completes it. For controls:
        ``"<think></think><answer>"`` makes a model answer without looking.
    completions : callable or None
        Texts one of which completes the reply to an episode, chosen token by token with the
        model's own probabilities among them. For controls: a model made to do what it was never
        trained to must still give an answer of the right form, else the control measures its
        confusion and not what it knows without looking.

    Notes
    -----
    One object per thread.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        renderer: ChatRenderer,
        sampling: Sampling | None = None,
        *,
        forced_prefix: str = "",
        completions: Callable[[Episode], Sequence[str]] | None = None,
    ) -> None:
        self.sampling = sampling or Sampling()
        prefix = renderer.reply_ids(forced_prefix)[:-1] if forced_prefix else []
        self._local = TransformersEngine(model, renderer, self.sampling, prefix=prefix)
        self._completions = completions
        super().__init__(
            name, self._local, renderer, max_context_tokens=self.sampling.max_context_tokens
        )

    @property
    def model(self) -> Any:
        """The model that plays."""
        return self._local.model

    def _generate(
        self, episodes: Sequence[Episode], transcripts: Sequence[Transcript]
    ) -> Sequence[Sampled]:
        if not transcripts:
            return []
        allowed = None
        if self._completions is not None:
            allowed = [self._allowed(self._completions(episode)) for episode in episodes]
        seeds = None
        if self.sampling.seed is not None:
            seeds = [turn_seed(self.sampling.seed, episode) for episode in episodes]
        return self._local.generate(transcripts, allowed, seeds)

    def _allowed(self, texts: Sequence[str]) -> Allowed:
        """Return the tokens that may follow each beginning of one of the texts."""
        following: dict[tuple[int, ...], set[int]] = {}
        for text in texts:
            ids = self.renderer.reply_ids(text)
            for i, token in enumerate(ids):
                following.setdefault(tuple(ids[:i]), set()).add(token)
        return {begun: sorted(tokens) for begun, tokens in following.items()}
