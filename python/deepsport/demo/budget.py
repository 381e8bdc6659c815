"""How much of everything the demo does: two named budgets."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from deepsport.testbed.teacher import TeacherRates
from deepsport.testbed.tiny import TinySize
from deepsport.tool import ToolSettings

__all__ = ["BUDGETS", "TOOL", "Budget"]

#: one look of at most six seconds: the event has to be located, a wide net does not catch it
TOOL = ToolSettings(
    frames_per_call=5,
    max_calls=1,
    max_window_frames=60,
    max_width=28,
    max_height=28,
    style="compact",
    forgive_malformed=0,
)


@dataclass(frozen=True, slots=True)
class Budget:
    """Sizes of every stage. Chosen on validation matches, never on test matches.

    Attributes
    ----------
    matches, clips : int
        Simulated matches, and clips of each.
    size : TinySize
    caption_samples, caption_steps : int
        Captions a clip, and steps of training on them: the base model.
    sft_steps, rl_steps, rl_minibatches : int
    sft_batch, prompts_per_step, group_size : int
    caption_rate, sft_rate, rl_rate : float
        Learning rates.
    teacher : TeacherRates
    test_tasks : int
        Test questions a family that are evaluated, at most.
    greedy : bool
        Also evaluate the likeliest answers.
    """

    matches: int = 150
    clips: int = 4
    size: TinySize = field(default_factory=TinySize)
    caption_samples: int = 4
    caption_steps: int = 400
    caption_rate: float = 2e-3
    sft_steps: int = 600
    sft_batch: int = 16
    sft_rate: float = 2e-3
    rl_steps: int = 60
    rl_rate: float = 4e-4
    rl_minibatches: int = 2
    prompts_per_step: int = 8
    group_size: int = 8
    teacher: TeacherRates = field(default_factory=TeacherRates)
    test_tasks: int = 120
    greedy: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the budget as plain JSON values."""
        return dataclasses.asdict(self)


BUDGETS = {
    # the mechanics in about a minute; far too little to learn anything
    "smoke": Budget(
        matches=9,
        clips=2,
        size=TinySize(hidden=64, layers=2, heads=2, key_value_heads=1, vision_hidden=32),
        caption_steps=8,
        sft_steps=8,
        rl_steps=2,
        prompts_per_step=2,
        group_size=4,
        test_tasks=4,
        greedy=False,
    ),
    "full": Budget(),
}
