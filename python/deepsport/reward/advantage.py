"""From rewards to advantages: within groups, and with a moving scale per task."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepsport._core import reward as _core
from deepsport.errors import SettingsError

__all__ = ["MovingScale", "advantages", "moving_advantages"]

Floats = NDArray[np.float64]
Scheme = Literal["grpo", "dr-grpo", "leave-one-out"]
_SCHEMES = {"grpo": 0, "dr-grpo": 1, "leave-one-out": 2}


def advantages(
    rewards: ArrayLike,
    group: int | Sequence[Hashable] | NDArray[np.integer],
    mask: ArrayLike | None = None,
    scheme: Scheme = "grpo",
    *,
    epsilon: float = 1e-4,
) -> Floats:
    """Compare each reward with those of its group.

    Parameters
    ----------
    rewards : float64, (n,)
    group : int or sequence of n
        Size of the groups when they lie one after another, or the id of each row's group.
    mask : bool, (n,), optional
        True: the rollout does not count (`RewardParts.masked`); its reward may be NaN.
    scheme : str
        ``"grpo"``: (r - mean) / (sample standard deviation + `epsilon`), as TRL and verl do it
        (arXiv 2402.03300). ``"dr-grpo"``: r - mean (arXiv 2503.20783). ``"leave-one-out"``: r -
        mean of the others (arXiv 2402.14740).

    Returns
    -------
    float64, (n,)
        0 for masked rows, for groups with fewer than two members that count, and exactly 0 where
        all rewards of a group are equal.

    Raises
    ------
    SettingsError
        Lengths that do not fit, an unknown scheme, or a reward that counts and is not finite.

    Examples
    --------
    >>> advantages([1.0, 0.0, 1.0, 1.0], 2, scheme="dr-grpo")
    array([ 0.5, -0.5,  0. ,  0. ])
    """
    if scheme not in _SCHEMES:
        raise SettingsError(f"scheme {scheme!r}: valid are {', '.join(_SCHEMES)}")
    values, numbers, count, masked = _grouped(rewards, group, mask)
    return _core.advantages(values, numbers, masked, count, _SCHEMES[scheme], epsilon)


def _grouped(
    rewards: ArrayLike,
    group: int | Sequence[Hashable] | NDArray[np.integer],
    mask: ArrayLike | None,
) -> tuple[Floats, NDArray[np.int64], int, NDArray[np.bool_]]:
    values = np.ascontiguousarray(rewards, np.float64)
    if values.ndim != 1:
        raise SettingsError(f"rewards of shape {values.shape}: valid is one dimension")
    masked = np.zeros(len(values), bool) if mask is None else np.ascontiguousarray(mask, dtype=bool)
    if masked.shape != values.shape:
        raise SettingsError(f"mask of shape {masked.shape} for {len(values)} rewards")
    if isinstance(group, int):
        if group < 1 or len(values) % group:
            raise SettingsError(f"{len(values)} rewards in groups of {group}: it must divide them")
        numbers = np.arange(len(values), dtype=np.int64) // group
        count = len(values) // group
    else:
        if len(group) != len(values):
            raise SettingsError(f"{len(group)} group ids for {len(values)} rewards")
        known: dict[Hashable, int] = {}
        ids = group.tolist() if isinstance(group, np.ndarray) else group
        numbers = np.array([known.setdefault(name, len(known)) for name in ids], np.int64)
        count = len(known)
    wrong = np.flatnonzero(~np.isfinite(values) & ~masked)
    if len(wrong):
        raise SettingsError(
            f"reward {wrong[0]} is {values[wrong[0]]}: valid are finite numbers, or mask the row"
        )
    return np.where(masked, 0.0, values), numbers, count, masked


@dataclass(frozen=True, slots=True)
class MovingScale:
    """Moving first and second moments of the rewards of each task (EMA-GRPO).

    Attributes
    ----------
    moments : mapping of str to (float, float)
        Mean of r and of r squared, by task. Plain JSON, to go into a checkpoint.
    decay, min_std : float
    """

    moments: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    decay: float = 0.99
    min_std: float = 1e-3

    def std(self, task: str) -> float:
        """Return the moving standard deviation of a task seen before."""
        mean, square = self.moments[task]
        return max(self.min_std, math.sqrt(max(0.0, square - mean * mean)))

    def updated(self, rewards: Floats, tasks: Sequence[str]) -> MovingScale:
        """Return the scale after a batch; a new task starts with the batch's own moments."""
        moments = dict(self.moments)
        names = np.array(tasks, dtype=object)
        for task in dict.fromkeys(tasks):
            own = rewards[names == task]
            mean, square = float(own.mean()), float((own * own).mean())
            if task in moments:
                old_mean, old_square = moments[task]
                mean = self.decay * old_mean + (1 - self.decay) * mean
                square = self.decay * old_square + (1 - self.decay) * square
            moments[task] = (mean, square)
        return MovingScale(moments, self.decay, self.min_std)


def moving_advantages(
    rewards: ArrayLike,
    group: int | Sequence[Hashable] | NDArray[np.integer],
    tasks: Sequence[str],
    scale: MovingScale,
    mask: ArrayLike | None = None,
    *,
    guard: float = 5.0,
    epsilon: float = 1e-6,
) -> tuple[Floats, MovingScale]:
    """Centre rewards in their group, scale them by the moving deviation of their task (EMA-GRPO).

    Keeps easy and hard task families at comparable scales without GRPO's blow-up of groups whose
    rewards hardly differ. The scale is updated with the batch first. A group with a value beyond
    `guard` falls back to its own (population) standard deviation. Source: tulerfeng/OneThinker,
    EasyR1 core_algos.py (arXiv 2512.03043).

    Parameters
    ----------
    tasks : sequence of str, n
        Task family of each row.
    scale : MovingScale
        From the last step; ``MovingScale()`` at first.

    Returns
    -------
    float64, (n,), and the MovingScale for the next step
    """
    values, numbers, count, masked = _grouped(rewards, group, mask)
    if len(tasks) != len(values):
        raise SettingsError(f"{len(tasks)} task names for {len(values)} rewards")
    counted = np.flatnonzero(~masked)
    if len(counted) == 0:
        return np.zeros(len(values)), scale
    scale = scale.updated(values[counted], [tasks[i] for i in counted.tolist()])
    centred = _core.advantages(values, numbers, masked, count, _SCHEMES["dr-grpo"], 0.0)
    task_std = np.array([1.0 if masked[i] else scale.std(tasks[i]) for i in range(len(values))])
    scaled = centred / (task_std + epsilon)
    members = np.maximum(np.bincount(numbers[counted], minlength=count), 1)
    own_std = np.sqrt(np.bincount(numbers, centred * centred, minlength=count) / members)
    beyond = np.bincount(numbers, np.abs(scaled) > guard, minlength=count) > 0
    return np.where(beyond[numbers], centred / (own_std[numbers] + epsilon), scaled), scale
