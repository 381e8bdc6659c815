"""What a rollout earned: batched rewards in C++, presets with their sources, advantages.

``score_rollouts(items)`` is the door; ``advantages`` turns totals into what GRPO trains on. The
judge for open answers is `deepsport.reward.judge`. See docs/rewards.md.
"""

from __future__ import annotations

from deepsport.reward.advantage import MovingScale, advantages, moving_advantages
from deepsport.reward.measures import (
    edit_ratio,
    exact_match,
    matched_iou,
    read_letters,
    read_spans,
    recall_at_iou,
    rouge_l,
    span_iou,
    temporal_iou,
    token_f1,
)
from deepsport.reward.presets import PRESETS, Preset, Signals, Terms, weighted
from deepsport.reward.rollout import RolloutText, evidence_frames, rollout_text
from deepsport.reward.score import RewardParts, RewardSettings, score_rollouts

__all__ = [
    "PRESETS",
    "MovingScale",
    "Preset",
    "RewardParts",
    "RewardSettings",
    "RolloutText",
    "Signals",
    "Terms",
    "advantages",
    "edit_ratio",
    "evidence_frames",
    "exact_match",
    "matched_iou",
    "moving_advantages",
    "read_letters",
    "read_spans",
    "recall_at_iou",
    "rollout_text",
    "rouge_l",
    "score_rollouts",
    "span_iou",
    "temporal_iou",
    "token_f1",
    "weighted",
]
