"""A rollout engine as a policy: conversations kept token by token.

Evaluation plays it through `deepsport.rollout.play`; reinforcement learning plays it and takes the
transcripts, so the tokens that were sampled are the tokens in the loss.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from deepsport.chat import ChatRenderer, ShownFrame, Transcript
from deepsport.rollout.engine import RolloutEngine, Sampled
from deepsport.rollout.policy import Reply

if TYPE_CHECKING:
    from deepsport.rollout.episode import Episode

__all__ = ["TokenPolicy"]


class TokenPolicy:
    """Play with what an engine writes.

    Parameters
    ----------
    name : str
        Written into trajectories.
    engine : RolloutEngine
    renderer : ChatRenderer
    max_context_tokens : int or None
        Longest conversation; an episode that would not fit is truncated.

    Notes
    -----
    `reply` may be called from several threads when the engine allows it; rendering is done by one
    at a time, for tokenizer and image processor are not made for more.
    """

    def __init__(
        self,
        name: str,
        engine: RolloutEngine,
        renderer: ChatRenderer,
        *,
        max_context_tokens: int | None = None,
    ) -> None:
        self._name = name
        self.engine, self.renderer = engine, renderer
        self.max_context_tokens = max_context_tokens
        self._transcripts: WeakKeyDictionary[Episode, Transcript] = WeakKeyDictionary()
        self._read: WeakKeyDictionary[Episode, int] = WeakKeyDictionary()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Name of the policy."""
        return self._name

    @property
    def concurrent(self) -> bool:
        """Whether `reply` may be called from several threads at once."""
        return self.engine.concurrent

    def transcript(self, episode: Episode) -> Transcript:
        """Return the tokens of an episode this policy has played a part of."""
        return self._transcripts[episode]

    def transcript_or_none(self, episode: Episode) -> Transcript | None:
        """Return the tokens of an episode, or None when it ended before the first reply."""
        return self._transcripts.get(episode)

    def reply(self, episodes: Sequence[Episode]) -> list[Reply]:
        """Return one reply an episode, generated in one batch."""
        with self._lock:
            for episode in episodes:
                self._catch_up(episode)
            transcripts = [self._transcripts[episode] for episode in episodes]
        limit = self.max_context_tokens
        fits = [limit is None or len(t.ids) < limit for t in transcripts]
        playing = [place for place, fit in enumerate(fits) if fit]
        prompted = [
            float(len(t.ids)) if fit else 0.0 for t, fit in zip(transcripts, fits, strict=True)
        ]
        started = time.perf_counter()
        sampled = self._generate(
            [episodes[place] for place in playing], [transcripts[place] for place in playing]
        )
        seconds = (time.perf_counter() - started) / max(1, len(playing))
        written = dict(zip(playing, sampled, strict=True))
        with self._lock:
            return [
                self._reply(transcript, written.get(place, Sampled([])), prompted[place], seconds)
                for place, transcript in enumerate(transcripts)
            ]

    def _generate(
        self, episodes: Sequence[Episode], transcripts: Sequence[Transcript]
    ) -> Sequence[Sampled]:
        """Ask the engine; what is asked for may depend on the episode in a subclass."""
        del episodes
        return self.engine.generate(transcripts) if transcripts else []

    def _reply(
        self, transcript: Transcript, sampled: Sampled, prompted: float, seconds: float
    ) -> Reply:
        ids = sampled.ids
        usage = {
            "prompt_tokens": prompted,
            "completion_tokens": float(len(ids)),
            "model_seconds": seconds,
        }
        if sampled.fault is not None:
            return Reply("", fault=sampled.fault, usage=usage)
        self.renderer.reply(transcript, ids, sampled.log_probs)
        cut_off = not ids or ids[-1] != self.renderer.end_id
        return Reply(self.renderer.reply_text(ids), truncated=cut_off, usage=usage)

    def _catch_up(self, episode: Episode) -> None:
        """Bring the transcript up to the last turn the episode shows."""
        frames = _shown_frames(episode)
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


def _shown_frames(episode: Episode) -> list[ShownFrame]:
    """Return the frames of an episode with the keys under which work on them is cached."""
    path = episode.task.media[0].path
    references = [frame for turn in episode.turns for frame in turn.frames]
    return [
        ShownFrame(pixels, reference.key(path))
        for reference, pixels in zip(references, episode.images, strict=True)
    ]
