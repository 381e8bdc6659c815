"""The order in which examples are learnt from: a curriculum of stages, batches of even length.

Note [Even batches]
-------------------
A batch is padded to its longest example, and ranks wait for the slowest. So examples are sorted by
length within windows of many batches, cut into groups of one micro batch a rank, and the groups are
shuffled: batches that are worked on at the same time hold about as many tokens, and little of it is
padding. Which examples are near each other in the run stays random but for the window.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence

from deepsport.dataset import Example
from deepsport.errors import SettingsError

__all__ = ["AXES", "StagedOrder", "padding_share", "stage_numbers", "training_order"]

AXES = ("source", "dimension", "difficulty", "sport", "kind")
_DIFFICULTIES = ("easy", "medium", "hard")
_WINDOW = 16  #: groups that are sorted by length together


def stage_numbers(examples: Sequence[Example], curriculum: str) -> list[int]:
    """Return the stage of each example, counted from 0.

    Parameters
    ----------
    examples : sequence of Example
    curriculum : str
        An axis of `AXES`, with the names of the stages in order:
        ``"dimension=recognition,rules"``. ``"difficulty"`` alone goes from easy to hard, or up
        where difficulties are numbers. Empty: one stage.

    Raises
    ------
    SettingsError
        When the axis is none, or a name that examples have is in no stage: an example that is left
        out by mistake would be left out in silence.
    """
    if not curriculum:
        return [0] * len(examples)
    axis, _, listed = curriculum.partition("=")
    if axis not in AXES:
        raise SettingsError(f"curriculum is {curriculum!r}; valid are {', '.join(AXES)}")
    names = [str(getattr(example.task, axis) or "none") for example in examples]
    order = [name.strip() for name in listed.split(",") if name.strip()]
    found = Counter(names)
    if not order:
        order = _natural_order(axis, found)
    missing = sorted(set(found) - set(order))
    if missing or len(set(order)) < len(order):
        have = ", ".join(f"{name} ({count})" for name, count in sorted(found.items()))
        raise SettingsError(
            f"curriculum {curriculum!r}: {', '.join(missing) or 'a name twice'}; valid names each of "
            f"what the examples have once: {have}"
        )
    return [order.index(name) for name in names]


def _natural_order(axis: str, found: Counter[str]) -> list[str]:
    if axis == "difficulty":
        if set(found) <= set(_DIFFICULTIES):
            return list(_DIFFICULTIES)
        try:
            return sorted(found, key=float)
        except ValueError:
            pass
    raise SettingsError(
        f"curriculum {axis!r}: say in which order, as {axis}={','.join(sorted(found))}"
    )


def training_order(
    lengths: Sequence[int],
    stages: Sequence[int],
    *,
    group: int,
    even: bool,
    seed: int,
    epoch: int = 0,
) -> list[int]:
    """Return the places of examples in the order of one epoch; the same for the same arguments.

    Parameters
    ----------
    lengths : sequence of int
        Tokens of each example.
    stages : sequence of int
        All of a stage come before those of the next.
    group : int
        Examples that are worked on at the same time: a micro batch times the ranks.
    even : bool
        See Note [Even batches].
    seed, epoch : int
    """
    rng = random.Random(f"{seed}/{epoch}")
    order: list[int] = []
    for stage in sorted(set(stages)):
        members = [place for place, number in enumerate(stages) if number == stage]
        rng.shuffle(members)
        if even:
            members = _even(members, lengths, group, rng)
        order += members
    return order


def _even(members: list[int], lengths: Sequence[int], group: int, rng: random.Random) -> list[int]:
    out: list[int] = []
    for start in range(0, len(members), group * _WINDOW):
        window = sorted(members[start : start + group * _WINDOW], key=lambda place: lengths[place])
        groups = [window[i : i + group] for i in range(0, len(window), group)]
        ragged = [groups.pop()] if len(groups[-1]) < group else []
        rng.shuffle(groups)
        out += [place for some in [*groups, *ragged] for place in some]
    return out


def padding_share(order: Sequence[int], lengths: Sequence[int], micro: int) -> float:
    """Return which share of the tokens of padded micro batches is padding."""
    batches = [order[i : i + micro] for i in range(0, len(order), micro)]
    padded = sum(len(batch) * max(lengths[place] for place in batch) for batch in batches)
    return 1.0 - sum(lengths[place] for place in order) / padded


class StagedOrder:
    """A sampler of PyTorch's data loader over :func:`training_order`, anew each epoch."""

    def __init__(
        self,
        lengths: Sequence[int],
        stages: Sequence[int],
        *,
        group: int,
        even: bool,
        seed: int,
    ) -> None:
        self._lengths, self._stages = lengths, stages
        self._group, self._even, self._seed = group, even, seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; accelerate does."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        """Yield places."""
        return iter(
            training_order(
                self._lengths,
                self._stages,
                group=self._group,
                even=self._even,
                seed=self._seed,
                epoch=self._epoch,
            )
        )
