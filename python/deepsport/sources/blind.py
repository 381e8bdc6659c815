"""How far an answerer gets who never looks: the baselines that make guessable questions show.

Printed per source and family by `deepsport data build`. A model's accuracy means something only
above these.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deepsport.task import Kind, Task

__all__ = ["ALL_FAMILIES", "Blind", "blind_baselines", "blind_table"]

_FOLDS = 5
_FEWEST = 20  # questions: with fewer, some constant answer always looks good
ALL_FAMILIES = "(all families)"
_LETTERED = (Kind.CHOICE, Kind.YES_NO)


@dataclass(frozen=True)
class Blind:
    """Shares of right answers, 0 to 1, of answerers that see no frame.

    Attributes
    ----------
    tasks : int
    chance : float
        Mean of 1 / number of options.
    position, longest, shortest : float
        Always the most frequent letter (or yes, or no); always the longest or shortest option.
    text : float
        The option whose text was right most often under the same question, learned on the other
        groups (5 folds by group); for numbers the most frequent value.
    best : float
        The largest of these.
    guessable : bool
        `best` is above chance by more than 5 points and two standard errors; never said of fewer
        than 20 questions.
    """

    source: str
    family: str
    kind: Kind
    tasks: int
    chance: float
    position: float
    longest: float
    shortest: float
    text: float

    @property
    def best(self) -> float:
        """Best of the blind answerers."""
        return max(self.position, self.longest, self.shortest, self.text)

    @property
    def guessable(self) -> bool:
        """Say whether the best blind answerer is clearly above chance."""
        error = math.sqrt(max(self.chance * (1 - self.chance), 0.01) / max(1, self.tasks))
        return self.tasks >= _FEWEST and self.best > self.chance + max(0.05, 2 * error)


def _fold(task: Task) -> int:
    name = task.group or task.media[0].path
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[0] % _FOLDS


def _options(task: Task) -> tuple[str, ...]:
    return task.options or ("yes", "no")


def _right(task: Task) -> int:
    if task.kind is Kind.YES_NO:
        return ("yes", "no").index(task.truth.labels[0])
    return ord(task.truth.labels[0]) - ord("A")


def _text_score(tasks: Sequence[Task]) -> float:
    """Learn on four folds how often an option text is right, answer the fifth."""
    hits = 0.0
    seen: list[Counter[tuple[str, str]]] = [Counter() for _ in range(_FOLDS)]
    right: list[Counter[tuple[str, str]]] = [Counter() for _ in range(_FOLDS)]
    folds = [_fold(task) for task in tasks]
    for task, fold in zip(tasks, folds, strict=True):
        for i, option in enumerate(_options(task)):
            for key in ((task.question, option), ("", option)):
                seen[fold][key] += 1
                right[fold][key] += i == _right(task)
    all_seen: Counter[tuple[str, str]] = sum(seen, Counter())
    all_right: Counter[tuple[str, str]] = sum(right, Counter())
    for task, fold in zip(tasks, folds, strict=True):
        scores = []
        for option in _options(task):
            prior = 1.0 / len(_options(task))
            for key in (("", option), (task.question, option)):
                n = all_seen[key] - seen[fold][key]
                prior = (all_right[key] - right[fold][key] + 4.0 * prior) / (n + 4.0)
            scores.append(prior)
        best = max(scores)
        winners = [i for i, score in enumerate(scores) if score > best - 1e-12]
        hits += (_right(task) in winners) / len(winners)
    return hits / len(tasks)


def _length_score(tasks: Sequence[Task], sign: int) -> float:
    hits = 0.0
    for task in tasks:
        lengths = [sign * len(option) for option in _options(task)]
        winners = [i for i, length in enumerate(lengths) if length == max(lengths)]
        hits += (_right(task) in winners) / len(winners)
    return hits / len(tasks)


def _blind(source: str, family: str, kind: Kind, tasks: Sequence[Task]) -> Blind:
    n = len(tasks)
    if kind in _LETTERED:
        letters = Counter(_right(task) for task in tasks)
        return Blind(
            source,
            family,
            kind,
            n,
            chance=sum(1.0 / len(_options(task)) for task in tasks) / n,
            position=max(letters.values()) / n,
            longest=_length_score(tasks, 1),
            shortest=_length_score(tasks, -1),
            text=_text_score(tasks),
        )
    values = [task.truth.value or 0.0 for task in tasks]
    most = Counter(values).most_common(1)[0][0]
    median = sorted(values)[n // 2]
    share = max(
        sum(
            abs(value - guess) <= task.truth.tolerance
            for value, task in zip(values, tasks, strict=True)
        )
        for guess in (most, median)
    )
    return Blind(source, family, kind, n, 0.0, 0.0, 0.0, 0.0, share / n)


def blind_baselines(tasks: Iterable[Task]) -> list[Blind]:
    """Return the blind baselines of each source, family and kind that has a single right answer.

    Open texts, intervals and event lists are left out: they have no useful constant answer.
    """
    grouped: dict[tuple[str, str, Kind], list[Task]] = defaultdict(list)
    for task in tasks:
        if task.kind in (*_LETTERED, Kind.NUMBER, Kind.RATING):
            grouped[task.source, task.family, task.kind].append(task)
        if task.kind in _LETTERED:
            grouped[task.source, ALL_FAMILIES, task.kind].append(task)
    return [
        _blind(source, family, kind, members)
        for (source, family, kind), members in sorted(grouped.items())
    ]


def blind_table(rows: Iterable[Blind]) -> str:
    """Return the baselines as aligned text; guessable families are marked with an asterisk."""
    head = (
        "source",
        "family",
        "kind",
        "tasks",
        "chance",
        "position",
        "longest",
        "shortest",
        "text",
    )
    lines = [head] + [
        (
            row.source,
            row.family + (" *" if row.guessable and row.kind in _LETTERED else ""),
            str(row.kind),
            str(row.tasks),
            *(
                f"{100 * share:.1f}" if row.kind in _LETTERED or i == 4 else "-"
                for i, share in enumerate(
                    (row.chance, row.position, row.longest, row.shortest, row.text)
                )
            ),
        )
        for row in rows
    ]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < 3 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
