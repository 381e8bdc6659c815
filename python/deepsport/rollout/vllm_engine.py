"""vLLM in this process as a rollout engine.

Note [vLLM expands frames itself]
---------------------------------
vLLM puts as many frame tokens into a prompt as its image processor says, for every frame token that
it finds. Given the expanded ids of a transcript it would expand them again: the model reads frames
that are not there, without an error (TRL 1.16 does this in its colocated mode). So each run of
frame tokens is handed over as one, and the ids that vLLM then read are compared with the
transcript's; when they differ, generation is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deepsport.chat import ChatRenderer, Transcript
from deepsport.errors import MissingExtraError, SettingsError
from deepsport.rollout.engine import Sampled, Sampling

__all__ = ["VllmEngine", "collapse_frames"]

#: added to the logit of a token that may not be sampled; vLLM allows no lower one
_NEVER = -100.0


class VllmEngine:
    """Generate with a `vllm.LLM`.

    Parameters
    ----------
    llm
        A `vllm.LLM` of a Qwen-VL checkpoint. Its ``logprobs_mode`` must be
        ``"processed_logprobs"`` for the log-probabilities to be those of sampling.
    renderer : ChatRenderer
    sampling : Sampling

    Raises
    ------
    MissingExtraError
        Without vLLM.
    """

    concurrent = False

    def __init__(self, llm: Any, renderer: ChatRenderer, sampling: Sampling | None = None) -> None:
        try:
            import vllm
        except ImportError as error:
            raise MissingExtraError(
                "the engine 'vllm' needs vLLM of a version that TRL supports, see docs/engines.md"
            ) from error
        self.llm, self.renderer = llm, renderer
        self.sampling = sampling or Sampling()
        self._parameters = vllm.SamplingParams(
            **sampling_parameters(self.sampling, renderer), detokenize=False
        )

    def generate(self, transcripts: Sequence[Transcript]) -> list[Sampled]:
        """Return one continuation a transcript.

        Raises
        ------
        SettingsError
            When vLLM read another conversation than the transcript, which would train on tokens
            that were sampled from something else.
        """
        prompts = [self._prompt(transcript) for transcript in transcripts]
        outputs = self.llm.generate(prompts, sampling_params=self._parameters, use_tqdm=False)
        sampled = []
        for transcript, output in zip(transcripts, outputs, strict=True):
            _same(transcript.ids, list(output.prompt_token_ids), self.renderer.image_id)
            reply = output.outputs[0]
            ids = list(reply.token_ids)
            log_probs = None
            if reply.logprobs is not None:
                log_probs = [
                    float(entry[token].logprob)
                    for token, entry in zip(ids, reply.logprobs, strict=True)
                ]
            sampled.append(Sampled(ids, log_probs))
        return sampled

    def _prompt(self, transcript: Transcript) -> dict[str, Any]:
        from PIL import Image

        prompt: dict[str, Any] = {
            "prompt_token_ids": collapse_frames(transcript.ids, self.renderer.image_id)
        }
        if transcript.frames:
            images = [Image.fromarray(frame.pixels) for frame in transcript.frames]
            prompt["multi_modal_data"] = {"image": images}
        return prompt


def collapse_frames(ids: Sequence[int], image_id: int) -> list[int]:
    """Return ids with each run of frame tokens as one.

    Examples
    --------
    >>> collapse_frames([1, 7, 7, 7, 2, 7, 7], image_id=7)
    [1, 7, 2, 7]
    """
    return [
        token
        for place, token in enumerate(ids)
        if token != image_id or place == 0 or ids[place - 1] != image_id
    ]


def sampling_parameters(sampling: Sampling, renderer: ChatRenderer) -> dict[str, Any]:
    """Return the fields of vLLM's sampling parameters, in process and over HTTP."""
    parameters: dict[str, Any] = {
        "n": 1,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        # said, or vLLM takes them from the checkpoint, and the loss knows of temperature only
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "max_tokens": sampling.max_reply_tokens,
        "logprobs": 0,  # of the token that was sampled
        "stop_token_ids": [renderer.end_id],
        "logit_bias": dict.fromkeys(renderer.suppressed_ids, _NEVER),
    }
    if sampling.seed is not None:
        parameters["seed"] = sampling.seed
    return parameters


def _same(asked: Sequence[int], read: Sequence[int], image_id: int) -> None:
    """Refuse a conversation that vLLM read otherwise."""
    if list(asked) == list(read):
        return
    raise SettingsError(
        f"vLLM read {len(read)} tokens, {sum(i == image_id for i in read)} of them of frames, "
        f"where the conversation has {len(asked)} and {sum(i == image_id for i in asked)}; valid is "
        "the same preprocessor_config.json (sizes of frames) on both sides, and a vLLM that was "
        "started from the checkpoint that is trained"
    )
