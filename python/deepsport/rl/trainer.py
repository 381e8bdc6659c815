"""TRL's GRPO trainer with our own rollouts: our parser, our tool, our masks, our tokens.

Note [Private seams of TRL]
---------------------------
``rollout_func`` of TRL 1.16 cannot return the frames that a tool showed, so `EpisodeTrainer`
overrides private methods: ``_generate``, which plays; ``_generate_and_score_completions``, during
which the image processor is replaced by the cache of frames that are encoded already; and
``_compute_loss``, where losses that divide by rollouts are told how many count. TRL is pinned exactly, and `tests/python/test_rl.py` checks what is relied on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import BatchFeature
from trl import GRPOTrainer

from deepsport.chat import ChatRenderer, ShownFrame
from deepsport.distil.first_frames import solved_at_first
from deepsport.reward import RewardParts
from deepsport.rl.config import RLSettings
from deepsport.rl.engines import player, refuse_if_gone
from deepsport.rl.monitor import Alarms, rollout_statistics
from deepsport.rl.rewards import mean_parts, rewards_of
from deepsport.rl.rollout_log import RolloutLog
from deepsport.rl.rollouts import Played, play_together
from deepsport.rollout.engine import RolloutEngine
from deepsport.task import Task
from deepsport.tool import FrameSource
from deepsport.tuning.resume import ResumesWeights

__all__ = ["EpisodeTrainer"]

#: losses that TRL divides by the number of rollouts, those without a token in the loss included
_MEANS_OF_ROLLOUTS = ("grpo", "dr_grpo", "sapo", "luspo")


def _not_about_masked(record: logging.LogRecord) -> bool:
    return "All reward functions returned None" not in record.getMessage()


# A rollout without a reward is one that was masked on purpose, and counted (`masked` in the curve);
# TRL takes it for a mistake and prints all of it, frames included.
logging.getLogger("trl.trainer.grpo_trainer").addFilter(_not_about_masked)


class EpisodeTrainer(ResumesWeights, GRPOTrainer):
    """Train on episodes.

    Parameters
    ----------
    tasks : mapping of str to Task
        By id; the rows of the training set name them in their prompt.
    renderer : ChatRenderer
    source : FrameSource
    settings : RLSettings
    rollout_folder : Path or None
        Where rollouts are kept to be looked at; see `deepsport.rl.rollout_log`.
    **arguments
        Of `trl.GRPOTrainer`, without reward functions.

    Attributes
    ----------
    engine : RolloutEngine or None
        Plays in place of the one of the settings.
    """

    def __init__(
        self,
        *,
        tasks: Mapping[str, Task],
        renderer: ChatRenderer,
        source: FrameSource,
        settings: RLSettings,
        rollout_folder: Path | None = None,
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
        found = {name: solved_at_first(task) for name, task in tasks.items()}
        self._solved = {name: solved for name, solved in found.items() if solved is not None}
        self.renderer, self.source, self.settings = renderer, source, settings
        self.played: list[Played] = []
        self.engine: RolloutEngine | None = None
        self.server_engine: RolloutEngine | None = None
        self._rollout_log = None
        if rollout_folder is not None and self.is_world_process_zero():
            self._rollout_log = RolloutLog(
                rollout_folder,
                every=settings.show_every,
                most=settings.show_rollouts,
                media_root=str(source.root.resolve()),
            )
        self._step_began: float | None = None
        self._play_seconds = 0.0
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
        started = time.perf_counter()
        if self._step_began is None:
            self._step_began = started
        decoded = self.source.misses
        seconds: dict[str, float] = {}
        with player(self, self.settings, self.renderer) as policy:
            self.played = play_together(
                tasks,
                policy,
                self.source,
                self.settings.tool,
                tool_threads=self.settings.tool_threads,
                parallel_episodes=self.settings.parallel_episodes,
                seconds=seconds,
            )
        if self.settings.engine == "vllm-server":
            faults = [p.trajectory.fault for p in self.played]
            gone = [f.message for f in faults if f is not None and f.kind in ("network", "timeout")]
            refuse_if_gone(gone, len(faults))
        spent = time.perf_counter() - started
        self._play_seconds += spent
        statistics = rollout_statistics(self.played)
        self._alarms.look(self.state.global_step, statistics)
        shown = sum(len(p.trajectory.frames_shown) for p in self.played)
        statistics |= seconds | {
            "rollout_seconds": spent,
            "decode_seconds": sum(
                p.trajectory.usage.get("decode_seconds", 0.0) for p in self.played
            ),
            "frames_decoded": self.source.misses - decoded,
            "frames_per_second": shown / max(spent, 1e-9),
        }
        self._note(mode, statistics)
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
            [p.log_probs for p in self.played] if self.use_vllm else None,
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
            self._divide_by_what_is_left(output)
        return output

    def _divide_by_what_is_left(self, output: dict[str, Any]) -> None:
        """Normalise the loss by the tokens or rollouts, of all processes, that are not masked."""
        left = output["tool_mask"] * output["completion_mask"]
        output["num_items_in_batch"] = self.accelerator.gather(left.sum()).sum().clamp(min=1)
        if self.loss_type in _MEANS_OF_ROLLOUTS:
            alive = self.accelerator.gather(left.any(1).sum()).sum().clamp(min=1)
            output["rollout_scale"] = len(left) * self.accelerator.num_processes / alive

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        loss: torch.Tensor = super()._compute_loss(model, inputs)
        # the loss and not the advantages, so that the divergence of `beta` keeps its weight
        return loss * inputs["rollout_scale"] if "rollout_scale" in inputs else loss

    def _encode(self, images: Sequence[ShownFrame], **_: Any) -> BatchFeature:
        """Stand in for the image processor: frames that were encoded already, by their key."""
        values, grids = self.renderer.encoder.encode(images)
        return BatchFeature({"pixel_values": values, "image_grid_thw": grids})

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add what the step spent on neither playing nor scoring, then log as the parent does."""
        now = time.perf_counter()
        if self.model.training and self._step_began is not None and "loss" in logs:
            train = now - self._step_began - self._play_seconds
            self._metrics["train"]["train_seconds"] = [train]
            self._step_began, self._play_seconds = now, 0.0
        super().log(logs, start_time)

    def _parts(self, played: Sequence[Played]) -> RewardParts:
        mode = "train" if self.model.training else "eval"
        started = time.perf_counter()
        parts = self._rewards(played)
        spent = time.perf_counter() - started
        self._play_seconds += spent
        noted = {f"reward_{name}": value for name, value in mean_parts(parts).items()}
        noted["masked"] = sum(
            bool(masked) or one.faulted for masked, one in zip(parts.masked, played, strict=True)
        ) / max(1, len(played))
        self._note(mode, noted | {"score_seconds": spent})
        if self._rollout_log is not None and mode == "train":
            updates = self.settings.minibatches * self.settings.updates_per_rollout
            self._rollout_log.look(self.state.global_step // updates, played, parts)
        return parts

    def _rewards(self, played: Sequence[Played]) -> RewardParts:
        """Score rollouts; `SelectingTrainer` adds a judge and masks."""
        return rewards_of(played, self.settings.reward, self.settings.tool, self._solved)

    def _note(self, mode: str, values: Mapping[str, float]) -> None:
        """Put the mean over the processes into the log of the step; NaN is left out of a mean."""
        local = torch.tensor([list(values.values())], device=self.accelerator.device)
        means = self.accelerator.gather(local).nanmean(0)
        for name, mean in zip(values, means.tolist(), strict=True):
            if mean == mean:  # noqa: PLR0124 - not NaN
                self._metrics[mode][name].append(mean)
