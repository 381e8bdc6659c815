"""What every source is: a card that says what it is, and two functions, `read` and `convert`.

`read` finds the rows in a folder as their authors publish them; `convert` makes tasks of one row.
A row that makes no task is a counted rejection with a reason, never an exception of the whole.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from deepsport.sources.files import Root
from deepsport.task import Kind, Task

__all__ = ["Context", "Families", "Rejected", "Row", "Source"]

Families = Mapping[str, Mapping[str, int]]  # label family -> label -> how often it is the truth


class Row(NamedTuple):
    """One annotation as published: file (relative), row number or key, value."""

    file: str
    number: int | str
    value: Any


class Rejected(Exception):  # noqa: N818 -- a verdict on a row, not an error of the program
    """A row, or one question of it, makes no task: a short `reason` to count by, and the detail."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[Rejected], tuple[str, str]]:
        return Rejected, (self.reason, self.detail)


@dataclass(frozen=True)
class Context:
    """What `convert` may know beside its row. Safe to share.

    Attributes
    ----------
    settings : mapping
        The source's own settings, defaults filled in.
    families : mapping
        Label families of the whole source, for distractors; empty for sources of ready questions.
    seed : int
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    families: Families = field(default_factory=dict)
    seed: int = 0

    def random(self, *key: object) -> random.Random:
        """Return a generator that depends on the seed and `key` only, not on the order of rows."""
        text = "\x1f".join([str(self.seed), *map(str, key)])
        return random.Random(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())


def _no_families(rows: Sequence[Row], settings: Mapping[str, Any]) -> dict[str, Counter[str]]:
    return {}


@dataclass(frozen=True)
class Source:
    """One data source.

    Attributes
    ----------
    name : str
        As on the command line; also the folder expected below the root.
    title, licence, citation, url : str
    access : str
        How to obtain the media, with the form or agreement where there is one.
    layout : str
        What must lie in the folder.
    sports : tuple of str
    kinds : tuple of Kind
    published : mapping
        Counts that its authors state, by what is counted, to compare with.
    checked : str
        ``"real files"`` when tested on an excerpt its authors published, else
        ``"documentation"``.
    read : callable
        ``read(root, settings)`` yields :class:`Row`; a value that is an exception is a rejection.
    convert : callable
        ``convert(row, context)`` yields tasks, and :class:`Rejected` for a question of a row;
        raises :class:`Rejected` for the whole row.
    families : callable
        ``families(rows, settings)`` counts the labels that distractors are drawn from.
    settings : mapping
        Names and defaults of its settings.
    """

    name: str
    title: str
    licence: str
    citation: str
    url: str
    access: str
    layout: str
    sports: tuple[str, ...]
    kinds: tuple[Kind, ...]
    published: Mapping[str, int]
    checked: str
    read: Callable[[Root, Mapping[str, Any]], Iterator[Row]]
    convert: Callable[[Row, Context], Iterable[Task | Rejected]]
    families: Callable[[Sequence[Row], Mapping[str, Any]], Families] = _no_families
    settings: Mapping[str, Any] = field(default_factory=dict)
