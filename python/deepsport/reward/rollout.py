"""What a reward reads: the model's own texts, the truth, and what the tool really did."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepsport.errors import SettingsError
from deepsport.protocol import Reason
from deepsport.task import Kind, Span, Task, Truth
from deepsport.trajectory import Trajectory

__all__ = ["RolloutText", "core_row", "evidence_frames", "rollout_text"]

#: The numbers of deepsport::reward::Kind.
_KIND_CODES = {
    Kind.CHOICE: 0,
    Kind.MULTI_CHOICE: 1,
    Kind.YES_NO: 2,
    Kind.NUMBER: 3,
    Kind.INTERVAL: 4,
    Kind.EVENTS: 5,
    Kind.RATING: 6,
    Kind.TEXT: 7,
    Kind.FEEDBACK: 8,
}
_LETTER_KINDS = frozenset({Kind.CHOICE, Kind.MULTI_CHOICE, Kind.FEEDBACK})
_SECONDS = frozenset({"s", "sec", "second", "seconds"})


@dataclass(frozen=True, slots=True)
class RolloutText:
    """One rollout to score.

    Attributes
    ----------
    turns : tuple of str or bytes
        Texts of the assistant's turns, in order, as generated.
    kind : Kind
        How the answer is scored; a str such as ``"choice"`` is taken too.
    truth : Truth
        Labels (letters, ``yes``/``no``, events), value and tolerance, spans in seconds, references.
    options : tuple of str
        Texts of the options of a choice; empty: any letter may be named.
    frame_count : int
        Frames in the video; 0: unknown, windows are then only compared with each other.
    calls : int or None
        Tool calls executed. None: as many as the texts hold validly.
    windows : tuple of (int, int), or None
        Windows really shown, ``[start, stop)``. None: as the texts ask for them.
    verdicts : tuple of Reason
        What the environment said to each valid call of the texts, in order; calls beyond are judged
        from the texts, as all are when it is empty. Windows in seconds and the calls of other tools
        than `choose_frames` are only judged so.
    evidence : tuple of (int, int)
        Frames ``[start, stop)`` where the answer can be seen; empty: unknown.
    solved_at_first : bool or None
        Whether the base model solves the task from the first frames alone; None: unknown.
    accuracy : float or None
        In [0, 1], judged elsewhere. None: the answer is scored by its kind.
    task : str
        Name of the task family, for `moving_advantages`.
    masked : bool
        The infrastructure failed (decode, judge, time-out): every reward is 0 and the rollout is
        to be left out of its group.
    shown : tuple of int, or None
        Indices of the frames that the tool showed, whichever of its actions; the first frames are
        none of them. None: what windows show of `RewardSettings.frames_per_call` frames, though a
        budget may have cut them.
    """

    turns: tuple[str | bytes, ...]
    kind: Kind | str = Kind.TEXT
    truth: Truth = field(default_factory=Truth)
    options: tuple[str, ...] = ()
    frame_count: int = 0
    calls: int | None = None
    windows: tuple[tuple[int, int], ...] | None = None
    verdicts: tuple[Reason, ...] = ()
    evidence: tuple[tuple[int, int], ...] = ()
    solved_at_first: bool | None = None
    accuracy: float | None = None
    task: str = ""
    masked: bool = False
    shown: tuple[int, ...] | None = None


def evidence_frames(
    spans: Sequence[Span], pts_seconds: NDArray[np.float64]
) -> tuple[tuple[int, int], ...]:
    """Translate spans of time into frames ``[start, stop)``; a span between two frames gives none.

    Parameters
    ----------
    spans : sequence of Span
        In seconds.
    pts_seconds : float64, (frames,)
        Time of every frame, ascending.
    """
    starts = np.searchsorted(pts_seconds, [span.start_seconds for span in spans], "left")
    stops = np.searchsorted(pts_seconds, [span.stop_seconds for span in spans], "left")
    return tuple((int(a), int(b)) for a, b in zip(starts, stops, strict=True) if a < b)


def rollout_text(
    task: Task,
    trajectory: Trajectory,
    *,
    frame_count: int = 0,
    evidence: tuple[tuple[int, int], ...] = (),
    solved_at_first: bool | None = None,
    accuracy: float | None = None,
) -> RolloutText:
    """Gather from a task and its trajectory what a reward reads; a faulty one comes out masked."""
    return RolloutText(
        turns=trajectory.replies,
        kind=task.kind,
        truth=task.truth,
        options=task.options,
        frame_count=frame_count,
        calls=sum(not call.rejected for call in trajectory.calls),
        windows=trajectory.windows,
        verdicts=_verdicts(trajectory),
        evidence=evidence,
        solved_at_first=solved_at_first,
        accuracy=accuracy,
        task=task.family,
        masked=trajectory.fault is not None,
        shown=tuple(
            frame.index for turn in trajectory.turns if turn.role == "tool" for frame in turn.frames
        ),
    )


def _verdicts(trajectory: Trajectory) -> tuple[Reason, ...]:
    """Return the verdicts of the record; none when it is of version 1, which has none."""
    names = [call.verdict for call in trajectory.calls]
    return tuple(Reason[name.upper()] for name in names) if all(names) else ()


#: What rows share that have the same truth: by the identities of truth and options, and the kind. With
#: both objects, so that they live and their identities are not given to others.
Known = dict[tuple[int, int, Kind], tuple[tuple[Any, ...], Truth, tuple[str, ...]]]


def core_row(item: RolloutText, number: int, known: Known) -> tuple[Any, ...]:
    """Flatten an item for the core (the order of ``item_of`` in bindings/register_reward.cpp).

    `known` spares the rollouts of a group, which share their truth, from checking it again.

    Raises
    ------
    SettingsError
        A truth that no answer could meet; the message names the item.
    """
    kind = item.kind
    if type(kind) is not Kind:
        try:
            kind = Kind(kind)
        except ValueError:
            valid = ", ".join(Kind)
            raise SettingsError(f"rollout {number}: kind is {kind!r}; valid are {valid}") from None
    key = (id(item.truth), id(item.options), kind)
    shared = known[key][0] if key in known else None
    if not item.masked:
        problem = _problem_of_record(item)
        if not problem and (shared is None or item.accuracy is not None):
            problem = _problem_of_truth(item, kind)
        if problem:
            raise SettingsError(f"rollout {number} ({kind}): {problem}")
    if shared is None:
        shared = _truth_row(item, kind)
        if not item.masked and item.accuracy is None:
            known[key] = shared, item.truth, item.options
    return (
        item.turns,
        *shared,
        item.frame_count,
        -1 if item.calls is None else item.calls,
        [int(verdict) for verdict in item.verdicts] if item.verdicts else (),
        item.windows,
        item.evidence,
        -1.0 if item.accuracy is None else item.accuracy,
        item.shown,
    )


def _truth_row(item: RolloutText, kind: Kind) -> tuple[Any, ...]:
    truth = item.truth
    letters = 0
    if kind in _LETTER_KINDS and not item.masked and item.accuracy is None:
        for label in truth.labels:
            letters |= 1 << (ord(label) - 65)
    low, high = truth.scale or (0.0, 0.0)
    return (
        _KIND_CODES[kind],
        letters,
        kind is Kind.YES_NO and truth.labels[:1] == ("yes",),
        truth.value or 0.0,
        truth.tolerance,
        low,
        high,
        truth.unit in _SECONDS,
        [(span.start_seconds, span.stop_seconds) for span in truth.spans] if truth.spans else (),
        truth.labels if kind is Kind.EVENTS else (),
        truth.references,
        item.options,
    )


def _problem_of_record(item: RolloutText) -> str:
    turns: object = item.turns
    if isinstance(turns, (str, bytes)):
        return "turns is one text; valid is a sequence of texts"
    if item.frame_count < 0 or (item.calls is not None and item.calls < 0):
        return f"frame_count {item.frame_count}, calls {item.calls}; valid are 0 and more"
    for name, ranges in (("evidence", item.evidence), ("window", item.windows or ())):
        for start, stop in ranges:
            if not 0 <= start < stop:
                return f"{name} is [{start}, {stop}); valid is 0 <= start < stop"
    if item.shown and min(item.shown) < 0:
        return f"frame {min(item.shown)} is said to be shown; valid is 0 and more"
    return ""


def _problem_of_truth(item: RolloutText, kind: Kind) -> str:
    truth = item.truth
    if item.accuracy is not None:
        inside = 0.0 <= item.accuracy <= 1.0
        return "" if inside else f"accuracy is {item.accuracy}; valid is 0 to 1"
    if kind in _LETTER_KINDS:
        if not truth.labels or any(not _is_letter(label) for label in truth.labels):
            return f"right letters are {truth.labels}; valid are letters A to Z"
        if kind is Kind.CHOICE and len(truth.labels) != 1:
            return f"right letters are {truth.labels}; valid is one, or kind multi_choice"
    elif kind is Kind.YES_NO and truth.labels not in (("yes",), ("no",)):
        return f"truth is {truth.labels}; valid are ('yes',) and ('no',)"
    elif kind in (Kind.NUMBER, Kind.RATING):
        if truth.value is None or not math.isfinite(truth.value):
            return f"value is {truth.value}; valid is a finite number"
        if not 0 <= truth.tolerance < math.inf:
            return f"tolerance is {truth.tolerance}; valid is a finite number, 0 or more"
        if truth.scale is not None and not truth.scale[0] < truth.scale[1]:
            return f"scale is {truth.scale}; valid is low < high"
    elif kind is Kind.INTERVAL and not truth.spans:
        return "there is no span; valid is one or more"
    elif kind is Kind.EVENTS and not truth.labels:
        return "there is no event; valid is one or more"
    elif kind is Kind.TEXT and not truth.references:
        return "there is no reference; valid is one or more, or an accuracy from a judge"
    for span in truth.spans:
        if not span.start_seconds < span.stop_seconds:
            return f"right span is {span.start_seconds} to {span.stop_seconds} s; valid is start < stop"
    return ""


def _is_letter(label: str) -> bool:
    return len(label) == 1 and "A" <= label <= "Z"
