"""Rewards of rollouts by a preset of `deepsport.reward`, with their parts for the curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from deepsport.reward import RewardParts, RewardSettings, rollout_text, score_rollouts
from deepsport.reward.judge import Judge, judged
from deepsport.rl.rollouts import Played
from deepsport.tool import ToolSettings, tool_actions
from deepsport.trajectory import Status

__all__ = ["mean_parts", "rewards_of"]


def rewards_of(
    played: Sequence[Played],
    preset: str,
    settings: ToolSettings,
    solved_at_first: Mapping[str, bool] | None = None,
    *,
    mask_truncated: bool = False,
    judge: Judge | None = None,
    judge_weight: float = 1.0,
) -> RewardParts:
    """Score rollouts in one batch; those that ended in a fault come out masked.

    Parameters
    ----------
    played : sequence of Played
    preset : str
    settings : ToolSettings
        The tool was played with.
    solved_at_first : mapping, optional
        By task id, whether the starting policy solves it from the first frames: presets that
        reward looking only where it is needed ask for it.
    mask_truncated : bool
        Mask rollouts that the token limit cut off, too.
    judge : Judge, optional
        Scores open answers; where it fails the rollout is masked.
    judge_weight : float
        accuracy = weight * judge + (1 - weight) * rule.
    """
    known = solved_at_first or {}
    items = [
        rollout_text(
            p.task,
            p.trajectory,
            frame_count=p.frame_count,
            evidence=p.evidence_frames,
            solved_at_first=known.get(p.task.task_id),
        )
        for p in played
    ]
    if mask_truncated:
        items = [
            replace(item, masked=item.masked or p.trajectory.status is Status.TRUNCATED)
            for item, p in zip(items, played, strict=True)
        ]
    if judge is not None:
        questions = [p.task.question for p in played]
        items, _ = judged(items, questions, judge, weight=judge_weight)
    reading = RewardSettings(
        form=settings.form,
        require_think=settings.require_think,
        actions=tool_actions(settings),
        unit=settings.unit,
        frames_per_call=settings.frames_per_call,
        full_range_shown=settings.first_frames > 0,
    )
    return score_rollouts(items, preset, settings=reading)


def mean_parts(parts: RewardParts) -> dict[str, float]:
    """Return the mean of each part over the rollouts that count; NaN when none does."""
    counts = ~parts.masked
    names = ("accuracy", "format", "tool", "window_share", "evidence_iou")
    if not counts.any():
        return dict.fromkeys(names, math.nan)
    return {name: float(np.mean(getattr(parts, name)[counts])) for name in names}
