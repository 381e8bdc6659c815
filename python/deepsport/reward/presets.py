"""The formulas between parts and reward, each with its source. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PRESETS", "Preset", "Signals", "Terms", "weighted"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Signals:
    """What a formula may look at; arrays of n rollouts, named as in RewardParts.

    `well_formed` is reason == 0, `text_well_formed` is text_reason == 0, `solved_at_first` is 1, 0
    or -1 (unknown).
    """

    accuracy: Floats
    well_formed: Flags
    text_well_formed: Flags
    used_tool: Flags
    thought: Flags
    ranges_in_thought: Flags
    shortest_window: NDArray[np.int64]
    window_share: Floats
    window_hit: Flags
    evidence_known: Flags
    evidence_iou: Floats
    tiou: Floats
    is_interval: Flags
    consistent: NDArray[np.int8]
    solved_at_first: NDArray[np.int8]

    @property
    def good(self) -> Flags:
        """Accuracy of at least 0.5: g_acc of the paper."""
        return self.accuracy >= 0.5


@dataclass(frozen=True, slots=True)
class Terms:
    """What a formula gives back: is it well formed, the tool's term, the reward; (n,) each."""

    well_formed: Flags
    tool: Floats
    total: Floats


@dataclass(frozen=True, slots=True)
class Preset:
    """A named formula and where it comes from."""

    name: str
    source: str
    formula: Callable[[Signals], Terms]


def _or_penalty(well_formed: Flags, reward: Floats, penalty: float) -> Floats:
    return np.where(well_formed, reward, 0.0 - penalty)


def deepsport_v1(s: Signals) -> Terms:
    """R = g_fmt (R_acc + R_tool) - 0.05 (1 - g_fmt)."""
    tool = np.where(s.used_tool, np.where(s.good, 0.5 * s.accuracy, 0.03), 0.0)
    return Terms(s.well_formed, tool, _or_penalty(s.well_formed, s.accuracy + tool, 0.05))


def _class_bonus(s: Signals, right: Flags, bonus: Floats | float) -> Floats:
    """VideoBrain's table; solved at first = Direct, not solved = Active, unknown = Adaptive."""
    direct, active = s.solved_at_first == 1, s.solved_at_first == 0
    wanted = (~direct & s.used_tool) | (~active & ~s.used_tool)
    return np.where(right & wanted, bonus, 0.0) + np.where(~right & active & s.used_tool, 0.2, 0.0)


def deepsport_v2(s: Signals) -> Terms:
    """v1's frame with a tool term conditioned on the sample's class."""
    tool = _class_bonus(s, s.good, 0.5 * s.accuracy)
    return Terms(s.well_formed, tool, _or_penalty(s.well_formed, s.accuracy + tool, 0.05))


def videobrain(s: Signals) -> Terms:
    """0.05 + acc + bonus, 0 when malformed; the bonus needs a perfect answer."""
    well_formed = s.well_formed & s.thought
    tool = _class_bonus(s, s.accuracy >= 1.0, 0.5)
    return Terms(well_formed, tool, _or_penalty(well_formed, 0.05 + s.accuracy + tool, 0.0))


def deepeyes(s: Signals) -> Terms:
    """0.8 acc + 0.2 fmt + 1.2 [tool and acc > 0.5], fmt = 0 or -1."""
    tool = np.where(s.used_tool & (s.accuracy > 0.5), 1.2, 0.0)
    total = 0.8 * s.accuracy - np.where(s.well_formed, 0.0, 0.2) + tool
    return Terms(s.well_formed, tool, total)


def framethinker(s: Signals) -> Terms:
    """1 if right, +0.02 if frames were chosen too; any violation gives 0."""
    well_formed = (
        s.well_formed & s.ranges_in_thought & ((s.shortest_window < 0) | (s.shortest_window > 8))
    )
    right = (s.accuracy >= 1.0).astype(np.float64)
    tool = np.where(s.used_tool, 0.02 * right, 0.0)
    return Terms(well_formed, tool, _or_penalty(well_formed, right + tool, 0.0))


def temporal_dual(s: Signals) -> Terms:
    """Semantic accuracy + temporal IoU: of the answer if it is an interval, else of the windows."""
    semantic = np.where(s.is_interval, 0.0, s.accuracy)
    temporal = np.where(s.is_interval, s.tiou, s.evidence_iou)
    tool = np.where(s.is_interval, 0.0, s.evidence_iou)
    return Terms(s.well_formed, tool, _or_penalty(s.well_formed, semantic + temporal, 0.0))


def consistency(s: Signals) -> Terms:
    """0.1 fmt + 0.7 acc + 0.2 [right and the thought names the answer given]."""
    agrees = s.good & (s.consistent != 0)
    none = np.zeros_like(s.accuracy)
    total = 0.1 + 0.7 * s.accuracy + np.where(agrees, 0.2, 0.0)
    return Terms(s.well_formed, none, _or_penalty(s.well_formed, total, 0.0))


def onethinker(s: Signals) -> Terms:
    """0.9 acc + 0.1 fmt; meant for `moving_advantages`."""
    none = np.zeros_like(s.accuracy)
    return Terms(s.well_formed, none, 0.9 * s.accuracy + 0.1 * s.well_formed)


def weighted(
    name: str,
    *,
    accuracy: float = 1.0,
    well_formed: float = 0.0,
    used_tool: float = 0.0,
    used_tool_and_right: float = 0.0,
    window_hit: float = 0.0,
    evidence_iou: float = 0.0,
    consistent: float = 0.0,
    malformed: float | None = None,
) -> Preset:
    """Make a preset that is a weighted sum of parts.

    Parameters
    ----------
    malformed : float, optional
        What a malformed rollout gets instead of the sum; None: the sum all the same.

    Examples
    --------
    >>> from deepsport.reward import score_rollouts
    >>> preset = weighted("mine", accuracy=0.9, well_formed=0.1, malformed=0.0)
    >>> score_rollouts([], preset).total
    array([], dtype=float64)
    """

    def formula(s: Signals) -> Terms:
        tool = (
            used_tool * s.used_tool
            + used_tool_and_right * (s.used_tool & s.good)
            + window_hit * s.window_hit
            + evidence_iou * s.evidence_iou
        )
        total = (
            accuracy * s.accuracy
            + well_formed * s.well_formed
            + tool
            + consistent * (s.consistent == 1)
        )
        if malformed is not None:
            total = np.where(s.well_formed, total, malformed)
        return Terms(s.well_formed, tool, total)

    return Preset(name, "a weighted sum", formula)


WINDOW_BUDGET = 0.5


def deepsport_guarded(s: Signals) -> Terms:
    """v1's frame; the tool is paid for windows that are narrow and, where that is known, right.

    Windows that the tool refuses earn nothing but are no format error (else a policy whose calls
    mostly fail abandons the tool). Windows over half of the video together earn nothing; narrower
    ones earn in proportion to what they leave out. Where the event's time is known a shown frame
    must lie in it; where it is not, the bonus is half. Where the first frames suffice, not calling
    is what earns. A blank thought is malformed.
    """
    well_formed = s.text_well_formed & s.thought
    narrow = np.clip(1.0 - s.window_share, 0.0, 1.0)
    within = s.used_tool & (s.window_share <= WINDOW_BUDGET)
    seen = within & np.where(s.evidence_known, s.window_hit, True)
    weight = np.where(s.evidence_known, 0.5, 0.25)
    looked = np.where(
        s.good, weight * s.accuracy * narrow, np.where(s.evidence_known, 0.1, 0.03) * narrow
    )
    abstained = np.where(s.good & ~s.used_tool, 0.25 * s.accuracy, 0.0)
    tool = np.where(s.solved_at_first == 1, abstained, np.where(seen, looked, 0.0))
    return Terms(well_formed, tool, _or_penalty(well_formed, s.accuracy + tool, 0.05))


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("deepsport-v1", "DeepSport, arXiv 2511.12908v1, eq. 4-8", deepsport_v1),
        Preset(
            "deepsport-v2",
            "DeepSport, arXiv 2511.12908v2: conditioned on whether the first frames suffice; its "
            "constants are unpublished, these are VideoBrain's in v1's frame",
            deepsport_v2,
        ),
        Preset(
            "videobrain",
            "junbo-zou/VideoBrain, think_with_video_reward.py (arXiv 2602.04094)",
            videobrain,
        ),
        Preset("deepeyes", "DeepEyes, arXiv 2505.14362 (its released code differs)", deepeyes),
        Preset(
            "framethinker",
            "lcqysl/FrameThinker-RL (arXiv 2509.24304), without its time-lookup action",
            framethinker,
        ),
        Preset(
            "temporal-dual", "after Temporal-R1, arXiv 2506.01908; equal weights", temporal_dual
        ),
        Preset(
            "consistency",
            "after Embodied-R, arXiv 2504.12680; weights ours, its reference model replaced by a "
            "comparison of texts",
            consistency,
        ),
        Preset("onethinker", "OneThinker, arXiv 2512.03043: 0.9 acc + 0.1 fmt", onethinker),
        Preset("deepsport-guarded", "deepsport, see docs/rewards.md", deepsport_guarded),
    )
}
