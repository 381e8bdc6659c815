"""The trainer that decides what is played and what of it counts.

It replaces the questions that the parent's sampler drew by those of a schedule, takes masked
rollouts out of the loss whole, and may scale advantages by a moving deviation of the task's family.
Not for how episodes are played (`deepsport.rl.trainer`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object

from deepsport.chat.guard import refuse_vision_tokens
from deepsport.reward import MovingScale, RewardParts, moving_advantages
from deepsport.reward.judge import Judge
from deepsport.rl.prompts import PromptLog, PromptSchedule
from deepsport.rl.rewards import rewards_of
from deepsport.rl.rollouts import Played
from deepsport.rl.trainer import EpisodeTrainer

__all__ = ["SelectingTrainer"]


class SelectingTrainer(EpisodeTrainer):
    """Choose the questions of each step, and what of their rollouts trains.

    Parameters
    ----------
    schedule : PromptSchedule or None
        The same in every process; None takes what the parent's sampler draws.
    prompt_log : PromptLog
        What was earned, for a resumed run to know.
    judge : Judge or None
        Scores open answers.
    **arguments
        Of `EpisodeTrainer`.
    """

    def __init__(
        self,
        *,
        schedule: PromptSchedule | None,
        prompt_log: PromptLog,
        judge: Judge | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.schedule, self.prompt_log, self.judge = schedule, prompt_log, judge
        self._scale = MovingScale()
        self._restored = False
        self._playing = -1
        self._scored: RewardParts | None = None

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        training = self.model.training
        if training:
            updates = self.settings.minibatches * self.settings.updates_per_rollout
            self._playing = self.state.global_step // updates
            self._restore()
            if self.schedule is not None:
                inputs = self._chosen(self.schedule, len(inputs))
                stage = float(self.schedule.stage(self._playing))
                self._metrics["train"]["curriculum_stage"].append(stage)
        output = super()._generate_and_score_completions(inputs)
        if training:
            self._leave_out_masked(output)
            self._learn(output)
        return output

    def _restore(self) -> None:
        """Learn what earlier steps earned; known only now, when training may go on from one."""
        if self._restored:
            return
        self.accelerator.wait_for_everyone()
        for rewards in self.prompt_log.before(self._playing):
            self._take(rewards)
        self._restored = True

    def _take(self, rewards: Any) -> None:
        if self.schedule is not None:
            self.schedule.learn(rewards)
        if self.settings.advantages == "moving":
            names = [self._family(name) for name, earned in rewards.items() for _ in earned]
            earned = np.array([r for some in rewards.values() for r in some], np.float64)
            if len(earned):
                self._scale = self._scale.updated(earned, names)

    def _chosen(self, schedule: PromptSchedule, count: int) -> list[dict[str, Any]]:
        """Return this process's rows: groups lie one after another over all processes."""
        rows = [
            {"prompt": [{"role": "user", "content": name}]}
            for name in schedule.choose(self._playing)
            for _ in range(self.settings.group_size)
        ]
        begin = self.accelerator.process_index * count
        return rows[begin : begin + count]

    def _leave_out_masked(self, output: dict[str, Any]) -> None:
        """Take masked rollouts out of loss and normalisation; those of faults are out already."""
        assert self._scored is not None
        masked = [
            bool(m) and not one.faulted
            for m, one in zip(self._scored.masked, self.played, strict=True)
        ]
        rows = torch.tensor(masked, device=output["tool_mask"].device)
        output["tool_mask"] = output["tool_mask"] * ~rows[:, None]
        self._divide_by_what_is_left(output)

    def _learn(self, output: dict[str, Any]) -> None:
        """Share what was earned among the processes, and keep it."""
        assert self._scored is not None
        own = [
            (one.task.task_id, float(total), bool(masked))
            for one, total, masked in zip(
                self.played, self._scored.total, self._scored.masked, strict=True
            )
        ]
        everyone = gather_object(own)
        rewards: dict[str, list[float]] = {}
        for name, total, masked in everyone:
            if not masked:
                rewards.setdefault(name, []).append(total)
        if self.settings.advantages == "moving":
            output["advantages"] = self._moving(everyone, len(own), output["advantages"])
            if self.schedule is not None:
                self.schedule.learn(rewards)
        else:
            self._take(rewards)
        self.prompt_log.append(self._playing, rewards)

    def _moving(
        self, everyone: Sequence[tuple[str, float, bool]], count: int, like: torch.Tensor
    ) -> torch.Tensor:
        """Return this process's advantages, scaled by the moving deviation of the family."""
        values, self._scale = moving_advantages(
            [total for _, total, _ in everyone],
            self.settings.group_size,
            [self._family(name) for name, _, _ in everyone],
            self._scale,
            [masked for _, _, masked in everyone],
        )
        begin = self.accelerator.process_index * count
        return torch.tensor(values[begin : begin + count], dtype=like.dtype, device=like.device)

    def _family(self, name: str) -> str:
        task = self.deepsport_tasks[name]
        return task.family or task.kind.value

    def _rewards(self, played: Sequence[Played]) -> RewardParts:
        for one in played:
            refuse_vision_tokens(
                one.completion_ids, one.completion_mask, self.renderer.suppressed_ids
            )
        settings = self.settings
        self._scored = rewards_of(
            played,
            settings.reward,
            settings.tool,
            self._solved,
            mask_truncated=settings.mask_truncated,
            judge=self.judge,
            judge_weight=settings.judge_weight,
        )
        return self._scored
