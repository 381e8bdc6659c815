"""A local model as a policy: batched generation with transformers, kept token by token.

Evaluation plays it through `deepsport.rollout.play`; reinforcement learning plays it and takes the
transcripts, so the tokens that were sampled are the tokens in the loss. Not for remote endpoints.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from deepsport.chat import ChatRenderer, ShownFrame, Transcript, collate
from deepsport.errors import SettingsError
from deepsport.rollout.policy import Reply

if TYPE_CHECKING:
    from deepsport.rollout.episode import Episode

__all__ = ["Sampling", "TransformersPolicy"]


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


class TransformersPolicy:
    """Play with a model of transformers in this process.

    Parameters
    ----------
    name : str
        Written into trajectories.
    model
        A Qwen-VL model; moved nowhere, switched to evaluation while it generates.
    renderer : ChatRenderer
    sampling : Sampling
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
        self._name = name
        self.model = model
        self.renderer = renderer
        self.sampling = sampling or Sampling()
        self._prefix = renderer.reply_ids(forced_prefix)[:-1] if forced_prefix else []
        self._completions = completions
        self._transcripts: WeakKeyDictionary[Episode, Transcript] = WeakKeyDictionary()
        self._read: WeakKeyDictionary[Episode, int] = WeakKeyDictionary()
        if self.sampling.seed is not None:
            import torch

            torch.manual_seed(self.sampling.seed)

    @property
    def name(self) -> str:
        """Name of the policy."""
        return self._name

    def transcript(self, episode: Episode) -> Transcript:
        """Return the tokens of an episode this policy has played a part of."""
        return self._transcripts[episode]

    def transcript_or_none(self, episode: Episode) -> Transcript | None:
        """Return the tokens of an episode, or None when it ended before the first reply."""
        return self._transcripts.get(episode)

    def reply(self, episodes: Sequence[Episode]) -> list[Reply]:
        """Return one reply an episode, generated in one batch."""
        for episode in episodes:
            self._catch_up(episode)
        transcripts = [self._transcripts[episode] for episode in episodes]
        limit = self.sampling.max_context_tokens
        fits = [limit is None or len(t.ids) < limit for t in transcripts]
        playing = [t for t, fit in zip(transcripts, fits, strict=True) if fit]
        allowed = None
        if self._completions is not None:
            allowed = [
                self._allowed(self._completions(episode))
                for episode, fit in zip(episodes, fits, strict=True)
                if fit
            ]
        started = time.perf_counter()
        generated = iter(self._generate(playing, allowed) if playing else [])
        seconds = (time.perf_counter() - started) / max(1, len(playing))
        replies = []
        for transcript, fit in zip(transcripts, fits, strict=True):
            ids = next(generated) if fit else []
            self.renderer.reply(transcript, ids)
            cut_off = not ids or ids[-1] != self.renderer.end_id
            replies.append(
                Reply(
                    self.renderer.reply_text(ids),
                    truncated=cut_off,
                    usage={"completion_tokens": float(len(ids)), "generate_seconds": seconds},
                )
            )
        return replies

    def _catch_up(self, episode: Episode) -> None:
        """Bring the transcript up to the last turn the episode shows."""
        frames = shown_frames(episode)
        if episode not in self._transcripts:
            self._transcripts[episode] = self.renderer.begin(episode.turns, frames)
        else:
            transcript = self._transcripts[episode]
            begin = len(transcript.frames)
            for turn in episode.turns[self._read[episode] :]:
                if turn.role != "assistant":
                    end = begin + len(turn.frames)
                    self.renderer.observe(transcript, turn, frames[begin:end])
                    begin = end
        self._read[episode] = len(episode.turns)

    def _allowed(self, texts: Sequence[str]) -> dict[tuple[int, ...], list[int]]:
        """Return the tokens that may follow each beginning of one of the texts."""
        following: dict[tuple[int, ...], set[int]] = {}
        for text in texts:
            ids = self.renderer.reply_ids(text)
            for i, token in enumerate(ids):
                following.setdefault(tuple(ids[:i]), set()).add(token)
        return {begun: sorted(tokens) for begun, tokens in following.items()}

    def _generate(
        self,
        transcripts: Sequence[Transcript],
        allowed: Sequence[dict[tuple[int, ...], list[int]]] | None = None,
    ) -> list[list[int]]:
        import torch

        batch = collate(
            [
                Transcript(
                    [*t.ids, *self._prefix], [False] * (len(t.ids) + len(self._prefix)), t.frames
                )
                for t in transcripts
            ],
            self.renderer,
            side="left",
        )
        device = next(self.model.parameters()).device
        batch = {name: value.to(device) for name, value in batch.items()}
        greedy = self.sampling.temperature == 0
        options: dict[str, Any] = {"do_sample": not greedy}
        if not greedy:
            options |= {
                "temperature": self.sampling.temperature,
                "top_p": self.sampling.top_p,
                "top_k": 0,
            }
        if allowed is not None:
            width = batch["input_ids"].shape[1]

            def following(row: int, ids: torch.Tensor) -> list[int]:
                written = tuple(ids[width:].tolist())
                return allowed[row].get(written, [self.renderer.end_id])

            options["prefix_allowed_tokens_fn"] = following
        training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad():
                out = self.model.generate(
                    **batch,
                    max_new_tokens=self.sampling.max_reply_tokens,
                    pad_token_id=self.renderer.pad_id,
                    eos_token_id=self.renderer.end_id,
                    suppress_tokens=self.renderer.suppressed_ids,
                    **options,
                )
        finally:
            self.model.train(training)
        replies = []
        for row in out[:, batch["input_ids"].shape[1] :].tolist():
            if self.renderer.end_id in row:
                row = row[: row.index(self.renderer.end_id) + 1]
            replies.append([*self._prefix, *row])
        return replies


def shown_frames(episode: Episode) -> list[ShownFrame]:
    """Return the frames of an episode with the keys under which work on them is cached."""
    path = episode.task.media[0].path
    references = [frame for turn in episode.turns for frame in turn.frames]
    return [
        ShownFrame(pixels, (path, reference.index))
        for reference, pixels in zip(references, episode.images, strict=True)
    ]
