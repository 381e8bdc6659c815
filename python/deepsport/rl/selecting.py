"""The trainer that chooses the questions of each step itself, by a `PromptSchedule`.

Not for how they are played (`deepsport.rl.trainer`) nor for the choice (`deepsport.rl.prompts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accelerate.utils import gather_object

from deepsport.reward import RewardParts
from deepsport.rl.prompts import PromptLog, PromptSchedule
from deepsport.rl.rollouts import Played
from deepsport.rl.trainer import EpisodeTrainer

__all__ = ["SelectingTrainer"]


class SelectingTrainer(EpisodeTrainer):
    """Play what a schedule chooses, in place of what the sampler of the parent drew.

    Parameters
    ----------
    schedule : PromptSchedule
        The same in every process.
    prompt_log : PromptLog
    **arguments
        Of `EpisodeTrainer`.
    """

    def __init__(
        self, *, schedule: PromptSchedule, prompt_log: PromptLog, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self.schedule, self.prompt_log = schedule, prompt_log
        self._restored = False
        self._playing = -1

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        if self.model.training:
            updates = self.settings.minibatches * self.settings.updates_per_rollout
            self._playing = self.state.global_step // updates
            if not self._restored:  # known only now: training may go on from a checkpoint
                self.accelerator.wait_for_everyone()
                for rewards in self.prompt_log.before(self._playing):
                    self.schedule.learn(rewards)
                self._restored = True
            inputs = self._chosen(len(inputs))
            stage = float(self.schedule.stage(self._playing))
            self._metrics["train"]["curriculum_stage"].append(stage)
        return super()._generate_and_score_completions(inputs)

    def _chosen(self, count: int) -> list[dict[str, Any]]:
        """Return this process's rows: groups lie one after another over all processes."""
        names = self.schedule.choose(self._playing)
        rows = [
            {"prompt": [{"role": "user", "content": name}]}
            for name in names
            for _ in range(self.settings.group_size)
        ]
        begin = self.accelerator.process_index * count
        return rows[begin : begin + count]

    def _parts(self, played: Sequence[Played]) -> RewardParts:
        parts = super()._parts(played)
        if self.model.training:
            earned = [
                (one.task.task_id, float(total))
                for one, total, masked in zip(played, parts.total, parts.masked, strict=True)
                if not masked
            ]
            rewards: dict[str, list[float]] = {}
            for name, total in gather_object(earned):
                rewards.setdefault(name, []).append(total)
            self.schedule.learn(rewards)
            self.prompt_log.append(self._playing, rewards)
        return parts
