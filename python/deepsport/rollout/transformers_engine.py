"""Batched generation with a model of transformers in this process: the engine that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deepsport.chat import ChatRenderer, Transcript, collate
from deepsport.rollout.draws import RowSampler
from deepsport.rollout.engine import Sampled, Sampling

if TYPE_CHECKING:
    import torch

__all__ = ["Allowed", "TransformersEngine"]

#: the tokens that may follow each beginning of a reply
Allowed = dict[tuple[int, ...], list[int]]

# A checkpoint's generation_config.json may change what is drawn (Qwen2.5-VL's has a
# repetition_penalty of 1.05); the loss knows of temperature only.
_AS_THE_LOSS_HAS_IT = {"repetition_penalty": 1.0, "min_p": None, "typical_p": 1.0}


class TransformersEngine:
    """Generate with a model in this process.

    Parameters
    ----------
    model
        A Qwen-VL model; moved nowhere, switched to evaluation while it generates.
    renderer : ChatRenderer
    sampling : Sampling
    prefix : sequence of int
        Tokens that every reply begins with; the model only completes it.

    Notes
    -----
    One object per thread.
    """

    concurrent = False

    def __init__(
        self,
        model: Any,
        renderer: ChatRenderer,
        sampling: Sampling | None = None,
        *,
        prefix: Sequence[int] = (),
    ) -> None:
        self.model = model
        self.renderer = renderer
        self.sampling = sampling or Sampling()
        self._prefix = list(prefix)
        if self.sampling.seed is not None:
            import torch

            torch.manual_seed(self.sampling.seed)

    def generate(
        self,
        transcripts: Sequence[Transcript],
        allowed: Sequence[Allowed] | None = None,
        seeds: Sequence[int] | None = None,
    ) -> list[Sampled]:
        """Return one continuation a transcript, generated in one batch.

        Parameters
        ----------
        transcripts : sequence of Transcript
        allowed : sequence of mapping, optional
            For each transcript the tokens that may follow each beginning of the reply.
        seeds : sequence of int, optional
            For each transcript the seed of its draws, which then do not depend on the others.
        """
        import torch

        batch = collate(
            [
                Transcript(
                    [*t.ids, *self._prefix],
                    [False] * (len(t.ids) + len(self._prefix)),
                    t.frames,
                )
                for t in transcripts
            ],
            self.renderer,
            side="left",
        )
        device = next(self.model.parameters()).device
        batch = {name: value.to(device) for name, value in batch.items()}
        width = batch["input_ids"].shape[1]
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
                    # else all ranks of ZeRO-3 go on until the slowest reply of a call ends, and
                    # ranks whose games have fewer turns make fewer calls; the weights are whole here
                    synced_gpus=False,
                    **_AS_THE_LOSS_HAS_IT,
                    **self._options(width, allowed, seeds),
                )
        finally:
            self.model.train(training)
        replies = []
        for row in out[:, width:].tolist():
            if self.renderer.end_id in row:
                row = row[: row.index(self.renderer.end_id) + 1]
            replies.append(Sampled([*self._prefix, *row]))
        return replies

    def _options(
        self, width: int, allowed: Sequence[Allowed] | None, seeds: Sequence[int] | None
    ) -> dict[str, Any]:
        greedy = self.sampling.temperature == 0
        options: dict[str, Any] = {"do_sample": not greedy and seeds is None}
        if not greedy and seeds is not None:
            sampler = RowSampler(seeds, self.sampling.temperature, self.sampling.top_p)
            options["logits_processor"] = [sampler]
        elif not greedy:
            options |= {
                "temperature": self.sampling.temperature,
                "top_p": self.sampling.top_p,
                "top_k": 0,
            }
        if allowed is not None:

            def following(row: int, ids: torch.Tensor) -> list[int]:
                written = tuple(ids[width:].tolist())
                return allowed[row].get(written, [self.renderer.end_id])

            options["prefix_allowed_tokens_fn"] = following
        return options
