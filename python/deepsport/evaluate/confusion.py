"""Which right answers are taken for which wrong ones, where answers fall into classes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from deepsport.evaluate.rows import Row
from deepsport.evaluate.verdict import Outcome
from deepsport.task import Kind, Task

__all__ = ["UNREAD", "confusions"]

UNREAD = "(none read)"
MOST_CLASSES = 12


def confusions(tasks: Mapping[str, Task], rows: Sequence[Row]) -> dict[str, Any]:
    """Return a table for each family of questions whose right answers repeat.

    Returns
    -------
    dict
        Family to ``{"classes": [...], "answers": [...], "table": [[...]]}``: counts with the right
        answer down and the given one across; ``(none read)`` counts what could not be read.
    """
    families: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.strict is not None and row.slices["kind"] in (Kind.CHOICE, Kind.YES_NO):
            families[row.slices["family"], row.slices["kind"]].append(row)
    named = Counter(family for family, _ in families)
    out = {}
    for (family, kind), some in sorted(families.items()):
        name = f"{family} ({kind})" if family and named[family] > 1 else family or kind
        classes = sorted({row.truth_class for row in some})
        if not 2 <= len(classes) <= min(MOST_CLASSES, len(some) // 2):
            continue
        counts = Counter((row.truth_class, _answered(tasks[row.task_id], row)) for row in some)
        others = {answer for _, answer in counts} - set(classes)
        answers = classes + sorted(others - {UNREAD}) + ([UNREAD] if UNREAD in others else [])
        if len(answers) > 2 * MOST_CLASSES:
            continue
        out[name] = {
            "classes": classes,
            "answers": answers,
            "table": [[counts[right, given] for given in answers] for right in classes],
        }
    return out


def _answered(task: Task, row: Row) -> str:
    if row.outcome is not Outcome.OK or not row.read:
        return UNREAD
    if task.kind is Kind.YES_NO:
        return str(row.read[0])
    if len(row.read) > 1:
        return "(several)"
    return task.options[task.letters.index(row.read[0])].strip().casefold()
