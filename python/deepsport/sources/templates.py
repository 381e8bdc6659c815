"""Questions made from labels: several wordings, and distractors that give nothing away.

Every draw depends on the seed and the key of its row alone. Not for ready questions, whose
options are kept as published.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from deepsport.sources.interface import Rejected
from deepsport.task import Dimension

__all__ = ["Template", "choices", "shuffle_options", "thin"]


@dataclass(frozen=True)
class Template:
    """A family of questions.

    Attributes
    ----------
    family : str
        Name of the task family.
    dimension : Dimension
    wordings : tuple of str
        The question in several ways, with ``{fields}``.
    """

    family: str
    dimension: Dimension
    wordings: tuple[str, ...]

    def ask(self, rng: random.Random, **fields: Any) -> str:
        """Return the question in one of its wordings."""
        return rng.choice(self.wordings).format(**fields)


_RARE = 0.01  # labels below this share are never right often enough to distract from
_MARGIN = 1.02  # over an even share, so that rounding does not thin an even family


@lru_cache(maxsize=256)
def _caps(counts: tuple[int, ...], options: int) -> tuple[int, float]:
    """Return how many labels count, and the cap that makes none of them right too often.

    The cap is the largest c with c <= share * sum(min(count, c)): after thinning each label to
    at most c, the most frequent one is right in no more than `share` of the questions.
    """
    total = sum(counts)
    frequent = sum(count >= max(1.0, _RARE * total) for count in counts)
    share = _MARGIN / max(1, min(options, frequent))
    cap = float(max(counts, default=0))
    while cap > 0:
        allowed = share * sum(min(count, cap) for count in counts)
        if cap <= allowed * (1 + 1e-9):
            break
        cap = allowed
        if cap < 1:
            return frequent, 1.0
    return frequent, cap


def thin(rng: random.Random, label: str, family: Mapping[str, int], options: int = 4) -> None:
    """Let a question go by when its answer is so frequent that guessing it would pay.

    Each label stays with the probability that brings it down to an even share of `options`
    answers (2 for yes or no), so that always giving the most frequent answer is no better than
    chance.

    Raises
    ------
    Rejected
        When this question is one to leave out.
    """
    _, cap = _caps(tuple(sorted(family.values())), options)
    if rng.random() * family.get(label, 0) > cap:
        raise Rejected("thinned: answer too frequent", f"{label!r}")


def choices(
    rng: random.Random,
    right: str,
    family: Mapping[str, int],
    *,
    count: int = 4,
    exclude: Collection[str] = (),
) -> tuple[tuple[str, ...], str]:
    """Return options with the right one among them, and its letter.

    After :func:`thin`, distractors are drawn with such probabilities (systematic sampling, Madow
    1949) that each label is right in the same share of the questions that offer it. So neither how
    common nor how long an option is tells whether it is right. The right position is uniform.

    Parameters
    ----------
    family : mapping
        Labels of the same family to how often each is the truth in this source.
    exclude : collection of str
        Labels that would be right as well, or are too near to it.

    Raises
    ------
    Rejected
        When the family has no other label, or the question is thinned out.
    """
    frequent, cap = _caps(tuple(sorted(family.values())), count)
    others = [label for label in sorted(family) if label != right and label not in exclude]
    if not others:
        raise Rejected("no distractors", f"{right!r} is the only label of its family")
    thin(rng, right, family, count)
    wanted = min(len(others), max(1, min(count, frequent) - 1))
    total = sum(min(float(n), cap) for n in family.values()) or 1.0
    shares = [min(float(family[label]), cap) / total for label in others]
    order = rng.sample(range(len(others)), len(others))
    included = _inclusion([min(share, 0.999) for share in shares], wanted)
    drawn: list[str] = []
    reached, mark = 0.0, rng.random()
    for i in order:
        reached += included[i]
        if reached > mark and len(drawn) < wanted:
            drawn.append(others[i])
            mark += 1.0
    for i in order:  # rounding may leave the last place empty
        if len(drawn) < wanted and others[i] not in drawn:
            drawn.append(others[i])
    return _place(rng, right, drawn)


def _inclusion(shares: Sequence[float], wanted: int) -> list[float]:
    """Return with which probability each label should be among `wanted` distractors.

    A label that is right in a share p of the questions is right in 1/n of those that offer it when
    it is a distractor in (n - 1) p / (1 - p) of the others; scaled to a sum of `wanted`, at most 1.
    """
    odds = [share / (1.0 - share) + 1e-9 for share in shares]
    sure = [False] * len(odds)
    while True:
        left = wanted - sum(sure)
        loose = sum(odd for odd, is_sure in zip(odds, sure, strict=True) if not is_sure)
        scale = left / loose if loose > 0 else 0.0
        over = [not s and odd * scale >= 1.0 for s, odd in zip(sure, odds, strict=True)]
        if not any(over):
            return [1.0 if s else odd * scale for s, odd in zip(sure, odds, strict=True)]
        sure = [s or o for s, o in zip(sure, over, strict=True)]


def _place(rng: random.Random, right: str, drawn: Sequence[str]) -> tuple[tuple[str, ...], str]:
    others = list(drawn)
    rng.shuffle(others)
    position = rng.randrange(len(others) + 1)
    others.insert(position, right)
    return tuple(others), chr(ord("A") + position)


_LAST = ("none of the above", "all of the above", "none of these", "all of these")


def shuffle_options(
    rng: random.Random, options: Sequence[str], letters: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the options in another order with the letters that are right now.

    "None of the above" and its like stay at the end, where they make sense.
    """
    fixed = [text.strip().lower().startswith(_LAST) for text in options]
    moving = [i for i, stays in enumerate(fixed) if not stays]
    order = rng.sample(moving, len(moving)) + [i for i, stays in enumerate(fixed) if stays]
    now = {old: new for new, old in enumerate(order)}
    right = sorted(chr(ord("A") + now[ord(letter) - ord("A")]) for letter in letters)
    return tuple(options[i] for i in order), tuple(right)
