"""TRL's GRPO trainer with our own rollouts: our parser, our tool, our masks, our tokens.

Note [Private seams of TRL]
---------------------------
``rollout_func`` of TRL 1.16 cannot return the frames that a tool showed, so `EpisodeTrainer`
overrides two private methods: ``_generate``, which plays, and ``_generate_and_score_completions``,
during which the image processor is replaced by the cache of frames that are encoded already. TRL is
pinned exactly, and `tests/python/test_rl.py` checks what is relied on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import BatchFeature
from trl import GRPOTrainer
from trl.models import unwrap_model_for_generation

from deepsport.chat import ChatRenderer, ShownFrame
from deepsport.reward import RewardParts
from deepsport.rl.config import RLSettings
from deepsport.rl.monitor import Alarms, rollout_statistics
from deepsport.rl.rewards import mean_parts, rewards_of
from deepsport.rl.rollouts import Played, play_together
from deepsport.rollout.transformers_policy import Sampling, TransformersPolicy
from deepsport.task import Task
from deepsport.tool import FrameSource
from deepsport.tuning.resume import ResumesWeights

__all__ = ["EpisodeTrainer"]


class EpisodeTrainer(ResumesWeights, GRPOTrainer):
    """Train on episodes.

    Parameters
    ----------
    tasks : mapping of str to Task
        By id; the rows of the training set name them in their prompt.
    renderer : ChatRenderer
    source : FrameSource
    settings : RLSettings
    **arguments
        Of `trl.GRPOTrainer`, without reward functions.
    """

    def __init__(
        self,
        *,
        tasks: Mapping[str, Task],
        renderer: ChatRenderer,
        source: FrameSource,
        settings: RLSettings,
        **arguments: Any,
    ) -> None:
        def reward(played: Sequence[Played], **_: Any) -> list[float | None]:
            parts = self._parts(played)
            return [
                None if masked else float(total)
                for masked, total in zip(parts.masked, parts.total, strict=True)
            ]

        super().__init__(reward_funcs=[reward], **arguments)
        self.deepsport_tasks = tasks
        self.renderer, self.source, self.settings = renderer, source, settings
        self.played: list[Played] = []
        self._alarms = Alarms(settings.tool.max_window_frames)
        # a true value makes the parent take frames by the list, as it does after tool calls
        self.tools = [type(self)]

    def _generate(self, prompts: list[Any]) -> tuple[Any, ...]:
        """Play one episode a prompt; what is returned is what the parent expects.

        Returns
        -------
        tuple
            ``(prompt_ids, completion_ids, tool_mask, completions, logprobs, extra_fields, images,
            tool_images)``, each a list with one entry an episode or None.
        """
        mode = "train" if self.model.training else "eval"
        tasks = [self.deepsport_tasks[prompt[-1]["content"]] for prompt in prompts]
        sampling = Sampling(
            temperature=self.settings.temperature,
            max_reply_tokens=self.settings.max_reply_tokens,
            max_context_tokens=self.settings.max_context_tokens,
        )
        started = time.perf_counter()
        with (
            unwrap_model_for_generation(
                self.model_wrapped,
                self.accelerator,
                gather_deepspeed3_params=self.args.ds3_gather_for_generation,
            ) as model,
            torch.no_grad(),
        ):
            policy = TransformersPolicy("rl", model, self.renderer, sampling)
            self.played = play_together(tasks, policy, self.source, self.settings.tool)
        statistics = rollout_statistics(self.played)
        statistics["rollout_seconds"] = time.perf_counter() - started
        statistics["decode_seconds"] = sum(
            p.trajectory.usage.get("decode_seconds", 0.0) for p in self.played
        )
        self._alarms.look(self.state.global_step, statistics)
        for name, value in statistics.items():
            self._metrics[mode][name].append(self._mean(value))
        tokens = sum(len(p.prompt_ids) + len(p.completion_ids) for p in self.played)
        self.state.num_input_tokens_seen += tokens * self.accelerator.num_processes
        self._metrics[mode]["num_tokens"] = [self.state.num_input_tokens_seen]
        frames = [p.frames for p in self.played]
        return (
            [p.prompt_ids for p in self.played],
            [p.completion_ids for p in self.played],
            [p.completion_mask for p in self.played],
            [
                [{"role": "assistant", "content": reply} for reply in p.trajectory.replies]
                for p in self.played
            ],
            None,
            {"played": self.played},
            frames,
            frames,
        )

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        processor = self.processing_class
        plain = processor.image_processor
        processor.image_processor = self._encode
        # what the parent would do with tools that run inside it
        self.environments = None
        try:
            output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        finally:
            processor.image_processor = plain
        if self.settings.drop_uniform_groups and self.model.training:
            carries = output["advantages"].abs() > 1e-6
            output["tool_mask"] = output["tool_mask"] * carries[:, None]
            left = (output["tool_mask"] * output["completion_mask"]).sum()
            output["num_items_in_batch"] = self.accelerator.gather(left).sum().clamp(min=1)
        return output

    def _encode(self, images: Sequence[ShownFrame], **_: Any) -> BatchFeature:
        """Stand in for the image processor: frames that were encoded already, by their key."""
        values, grids = self.renderer.encoder.encode(images)
        return BatchFeature({"pixel_values": values, "image_grid_thw": grids})

    def _parts(self, played: Sequence[Played]) -> RewardParts:
        mode = "train" if self.model.training else "eval"
        parts = rewards_of(played, self.settings.reward, self.settings.tool)
        for name, value in mean_parts(parts).items():
            self._metrics[mode][f"reward_{name}"].append(value)
        return parts

    def _mean(self, value: float) -> float:
        """Return the mean over processes."""
        local = torch.tensor([value], device=self.accelerator.device)
        return float(self.accelerator.gather(local).mean())
