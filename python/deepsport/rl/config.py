"""Settings of reinforcement learning, each default with its source."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from deepsport.errors import SettingsError
from deepsport.reward import PRESETS
from deepsport.reward.judge import JudgeSettings
from deepsport.rl.prompts import PromptSettings
from deepsport.tool import ToolSettings
from deepsport.tuning import TuningSettings

__all__ = ["RLSettings"]

Engine = Literal["transformers", "vllm", "vllm-server"]
Loss = Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"]
Schedule = Literal["constant_with_warmup", "linear", "cosine"]
Scale = Literal["group", "batch", "none"]

_LEAST = {
    "micro_batch_size": 1,
    "warmup_steps": 0,
    "beta": 0,
    "clip_low": 0,
    "clip_high": 0,
    "minibatches": 1,
    "updates_per_rollout": 1,
    "max_reply_tokens": 1,
    "max_context_tokens": 1,
    "save_steps": 1,
    "tool_threads": 1,
    "parallel_episodes": 1,
    "show_every": 0,
    "show_rollouts": 1,
}


@dataclass(frozen=True, slots=True)
class RLSettings:
    """How to train by playing.

    Attributes
    ----------
    steps : int
        300 in the paper (DeepSport v1).
    prompts_per_step : int
        Questions an update, over all processes; 32 in the paper.
    group_size : int
        Rollouts of each question; 8 in the paper.
    micro_batch_size : int or None
        Rollouts a forward pass of the loss and process; those of an update by default.
    learning_rate : float
        Not reported in the paper; 1e-6 in its code lineage (VideoBrain).
    schedule : str
        ``"constant_with_warmup"``, ``"linear"`` or ``"cosine"``.
    warmup_steps : int
    reward : str
        Preset of `deepsport.reward`.
    loss : str
        A loss of TRL's GRPO family.
    sequence_level : bool
        Importance sampling by sequence, which with ``loss="grpo"`` is GSPO (arXiv 2507.18071).
    beta : float
        Weight of the divergence from the starting policy; 0 keeps no second model.
    clip_low, clip_high : float
        Ratio clip; the higher upper bound is DAPO's (arXiv 2503.14476).
    scale_rewards : {"group", "batch", "none"}
    drop_uniform_groups : bool
        Leave groups whose rollouts all earn the same out of the loss and its normalisation, as
        DAPO does; they carry no signal.
    minibatches : int
        Updates that the rollouts of a step are divided into; the ratio clip bounds how far the
        later ones stray from the policy that played.
    updates_per_rollout : int
        Passes over the rollouts of a step.
    temperature : float
    max_reply_tokens : int
        Longest reply; a longer one ends the rollout as truncated.
    max_context_tokens : int
        Longest conversation, frames included.
    tool : ToolSettings
    engine : {"transformers", "vllm", "vllm-server"}
        What writes the rollouts, see docs/engines.md: the model that is trained itself; vLLM in
        the processes that train; or a server of vLLM.
    vllm_url : str
        Of the server.
    vllm_memory : float
        Share of a GPU that vLLM in the training processes takes for weights and cache.
    tool_threads : int
        Tools of a turn that run at the same time, a process.
    parallel_episodes : int
        Episodes played at the same time with a server, a process.
    show_every : int
        Steps between rollouts that are written out with their frames, for the report; 0: none.
    show_rollouts : int
        Rollouts written out then.
    prompts : PromptSettings
        Which questions a step plays: in turn, by how much their rollouts differ, by a curriculum.
    advantages : {"group", "moving"}
        How rewards of a group become advantages: within the group, as TRL does it with
        `scale_rewards`; or centred in the group and scaled by a moving deviation of the task's
        family (EMA-GRPO), see `deepsport.reward.moving_advantages`.
    judge : JudgeSettings or None
        Of open answers, whose accuracy it gives; where it fails the rollout is masked.
    judge_weight : float
        accuracy = weight * judge + (1 - weight) * rule.
    mask_truncated : bool
        A rollout that the token limit cut off carries no gradient: it says what the budget was, not
        what the policy would have done (DAPO's overlong filtering). False: it is malformed.
    save_steps : int
    seed : int
    tuning : TuningSettings
    """

    steps: int = 300
    prompts_per_step: int = 32
    group_size: int = 8
    micro_batch_size: int | None = None
    learning_rate: float = 1e-6
    schedule: Schedule = "constant_with_warmup"
    warmup_steps: int = 3
    reward: str = "deepsport-v1"
    loss: Loss = "dapo"
    sequence_level: bool = False
    beta: float = 0.0
    clip_low: float = 0.2
    clip_high: float = 0.28
    scale_rewards: Scale = "group"
    drop_uniform_groups: bool = False
    minibatches: int = 1
    updates_per_rollout: int = 1
    temperature: float = 1.0
    max_reply_tokens: int = 1024
    max_context_tokens: int = 16_384
    tool: ToolSettings = field(default_factory=ToolSettings)
    engine: Engine = "transformers"
    vllm_url: str = "http://127.0.0.1:8000"
    vllm_memory: float = 0.3
    tool_threads: int = 8
    parallel_episodes: int = 64
    show_every: int = 20
    show_rollouts: int = 8
    prompts: PromptSettings = field(default_factory=PromptSettings)
    advantages: Literal["group", "moving"] = "group"
    judge: JudgeSettings | None = None
    judge_weight: float = 1.0
    mask_truncated: bool = True
    save_steps: int = 20
    seed: int = 0
    tuning: TuningSettings = field(default_factory=TuningSettings)

    def __post_init__(self) -> None:
        if self.group_size < 2 or self.prompts_per_step < 1 or self.steps < 1:
            raise SettingsError(
                f"group_size {self.group_size}, prompts_per_step {self.prompts_per_step} and steps "
                f"{self.steps} cannot work; valid are at least 2, 1 and 1: a rollout is judged "
                "against the others of its group"
            )
        if self.advantages not in ("group", "moving") or not 0 < self.judge_weight <= 1:
            raise SettingsError(
                f"advantages {self.advantages!r} and judge_weight {self.judge_weight}; valid are "
                "'group' or 'moving', and a weight above 0, up to 1"
            )
        if self.temperature <= 0:
            raise SettingsError(
                f"temperature is {self.temperature}, valid is above 0: without sampling all "
                "rollouts of a group are the same"
            )
        if self.learning_rate <= 0:
            raise SettingsError(f"learning_rate is {self.learning_rate}, valid is above 0")
        if not 0 < self.vllm_memory < 1:
            raise SettingsError(f"vllm_memory is {self.vllm_memory}, valid is between 0 and 1")
        for name, least in _LEAST.items():
            number = getattr(self, name)
            if number is not None and number < least:
                raise SettingsError(f"{name} is {number}, valid is {least} or more")
        for name, valid in (
            ("reward", tuple(PRESETS)),
            ("loss", get_args(Loss)),
            ("schedule", get_args(Schedule)),
            ("scale_rewards", get_args(Scale)),
            ("engine", get_args(Engine)),
        ):
            if getattr(self, name) not in valid:
                raise SettingsError(
                    f"{name} is {getattr(self, name)!r}, valid are {', '.join(valid)}"
                )
        if self.tuning.fsdp and self.engine == "transformers":
            raise SettingsError(
                "fsdp with the engine 'transformers': weights are gathered in every forward pass, and "
                "processes whose games have fewer turns make fewer of them, so the others would wait "
                "for ever; valid with fsdp are the engines vllm and vllm-server, with this engine "
                "zero_stage 0 to 3"
            )

    def divided(self, processes: int, name: str = "processes") -> tuple[int, int, int]:
        """Return the rollouts a process plays in a step, trains in an update, and in a forward pass.

        Parameters
        ----------
        processes : int
            That train together.
        name : str
            What they are, for the message.

        Raises
        ------
        SettingsError
            When the rollouts do not divide.
        """
        rollouts, rest = divmod(self.prompts_per_step * self.group_size, processes)
        update, left = divmod(rollouts, self.minibatches)
        micro = self.micro_batch_size or update
        if rest or left or not micro or update % micro:
            multiple = processes * self.minibatches * (self.micro_batch_size or 1)
            raise SettingsError(
                f"{self.prompts_per_step} prompts of {self.group_size} rollouts, "
                f"{self.prompts_per_step * self.group_size} in all, do not divide among {processes} "
                f"{name}, {self.minibatches} updates and micro batches of "
                f"{self.micro_batch_size or 'any size'}; valid is a multiple of {multiple} rollouts"
            )
        return rollouts, update, micro

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        judge = None
        if self.judge is not None:  # never the key, and not how fast it is asked
            judge = {"model": self.judge.model, "base_url": self.judge.base_url}
        return {**dataclasses.asdict(self), "tool": self.tool.to_json(), "judge": judge}
