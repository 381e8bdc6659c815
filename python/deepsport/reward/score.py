"""score_rollouts: one call for a batch, every part of the reward as an array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepsport._core import reward as _core
from deepsport.errors import SettingsError
from deepsport.protocol import CHOOSE_FRAMES, Action, ProtocolForm, WindowUnit
from deepsport.protocol.action import core_actions
from deepsport.protocol.turn import MAX_TURN_BYTES
from deepsport.reward.presets import PRESETS, Preset, Signals
from deepsport.reward.rollout import Known, RolloutText, core_row
from deepsport.task import Kind

__all__ = ["RewardParts", "RewardSettings", "score_rollouts"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RewardSettings:
    """How texts and windows are read; should be what the rollout used.

    Attributes
    ----------
    form, require_think, actions, unit
        As in `deepsport.protocol.parse_turn`.
    min_span, repeat_slack, full_range_shown
        As in `deepsport.protocol.check_window`.
    frames_per_call : int
        Frames a window shows, to tell whether one of them lies in the evidence where a rollout
        does not say which were.
    """

    form: ProtocolForm = ProtocolForm.PAPER
    require_think: bool = True
    actions: tuple[str | Action, ...] = (CHOOSE_FRAMES,)
    unit: WindowUnit = WindowUnit.FRAMES
    min_span: int = 1
    repeat_slack: int = 1
    full_range_shown: bool = True
    frames_per_call: int = 8


@dataclass(frozen=True, slots=True)
class RewardParts:
    """Every part of the reward of n rollouts; a masked rollout has 0 in the rewards.

    Attributes
    ----------
    accuracy, format, tool, total : float64, (n,)
        Accuracy of the answer in [0, 1]; 1 when the rollout is well formed by the preset's rules;
        the preset's term for tool use; the reward. Never NaN.
    exact, token_f1, rouge_l : float64, (n,)
        Of open answers, the best over the references; 0 for other kinds.
    tiou : float64, (n,)
        Temporal IoU of an interval answer; 0 for other kinds.
    evidence_iou, window_share : float64, (n,)
        IoU of all windows with the evidence; frames of all windows over frames of the video.
    calls, window_frames, shortest_window : int64, (n,)
        Tool calls executed; frames the windows span; the shortest window (-1: none).
    reason, reason_turn : int32, (n,)
        First thing that is not well formed (`deepsport.protocol.Reason`) and in which turn (-1:
        none).
    text_reason : int32, (n,)
        Like `reason`, with refused windows left aside.
    rule : int8, (n,)
        How the answer was read: 0 not at all, 1 label, 2 letter with punctuation, 3 text of an
        option, 4 value.
    consistent : int8, (n,)
        1 when the last thought names the answer given, 0 when not, -1 when that cannot be told.
    answered, thought, window_hit, ranges_in_thought, masked : bool, (n,)
        An answer was found; no thought is blank; a shown frame lies in the evidence; each window
        stands at the end of the thought before it; the rollout does not count.
    """

    accuracy: Floats
    format: Floats
    tool: Floats
    total: Floats
    exact: Floats
    token_f1: Floats
    rouge_l: Floats
    tiou: Floats
    evidence_iou: Floats
    window_share: Floats
    calls: NDArray[np.int64]
    window_frames: NDArray[np.int64]
    shortest_window: NDArray[np.int64]
    reason: NDArray[np.int32]
    reason_turn: NDArray[np.int32]
    text_reason: NDArray[np.int32]
    rule: NDArray[np.int8]
    consistent: NDArray[np.int8]
    answered: NDArray[np.bool_]
    thought: NDArray[np.bool_]
    window_hit: NDArray[np.bool_]
    ranges_in_thought: NDArray[np.bool_]
    masked: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.total)


def score_rollouts(
    items: Sequence[RolloutText],
    preset: str | Preset = "deepsport-v1",
    threads: int = 1,
    *,
    settings: RewardSettings | None = None,
) -> RewardParts:
    """Score a batch of rollouts; the GIL is released while texts are read.

    Parameters
    ----------
    items : sequence of RolloutText
    preset : str or Preset
        A name in `PRESETS`, or a formula of your own.
    threads : int
        Threads that work, the caller's among them.
    settings : RewardSettings, optional

    Raises
    ------
    SettingsError
        Unknown preset, threads below 1, or an item whose truth no answer could meet. What the
        model wrote never raises.

    Examples
    --------
    >>> from deepsport.task import Truth
    >>> item = RolloutText(
    ...     turns=(
    ...         '<think>Look.</think><tool_call>{"action":"choose_frames",'
    ...         '"frame_range":[30,90]}</tool_call>',
    ...         "<think>Now I see.</think><answer>B</answer>",
    ...     ),
    ...     kind="choice",
    ...     truth=Truth(labels=("B",)),
    ...     frame_count=300,
    ... )
    >>> score_rollouts([item]).total
    array([1.5])
    """
    formula = _preset(preset)
    if threads < 1:
        raise SettingsError(f"score_rollouts on {threads} threads: valid is 1 or more")
    rules = settings or RewardSettings()
    known: Known = {}
    rows = [core_row(item, number, known) for number, item in enumerate(items)]
    columns = _core.score(
        rows,
        ProtocolForm(rules.form),
        rules.require_think,
        core_actions(rules.actions, rules.form, rules.unit),
        WindowUnit(rules.unit),
        MAX_TURN_BYTES,
        rules.min_span,
        rules.repeat_slack,
        rules.full_range_shown,
        rules.frames_per_call,
        threads,
    )
    signals = Signals(
        accuracy=columns["accuracy"],
        well_formed=columns["reason"] == 0,
        text_well_formed=columns["text_reason"] == 0,
        used_tool=columns["calls"] > 0,
        thought=columns["thought"],
        ranges_in_thought=columns["ranges_in_thought"],
        shortest_window=columns["shortest_window"],
        window_share=columns["window_share"],
        window_hit=columns["window_hit"],
        evidence_known=np.array([bool(item.evidence) for item in items], bool),
        evidence_iou=columns["evidence_iou"],
        tiou=columns["tiou"],
        is_interval=np.array([item.kind == Kind.INTERVAL for item in items], bool),
        consistent=columns["consistent"],
        solved_at_first=np.array([_solved(item.solved_at_first) for item in items], np.int8),
    )
    terms = formula.formula(signals)
    masked = np.array([item.masked for item in items], bool)
    columns["accuracy"] = np.where(masked, 0.0, columns["accuracy"])
    return RewardParts(
        format=np.where(masked, 0.0, terms.well_formed.astype(np.float64)),
        tool=np.where(masked, 0.0, terms.tool),
        total=np.where(masked, 0.0, terms.total),
        masked=masked,
        **columns,
    )


def _solved(solved: bool | None) -> int:
    return -1 if solved is None else int(solved)


def _preset(preset: str | Preset) -> Preset:
    if isinstance(preset, Preset):
        return preset
    if preset not in PRESETS:
        raise SettingsError(f"preset {preset!r}: valid are {', '.join(PRESETS)}")
    return PRESETS[preset]
