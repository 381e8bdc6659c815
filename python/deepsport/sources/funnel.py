"""The funnel of a build: from rows to tasks, each loss with its reason and an example.

Not for checks of a source folder (`deepsport.sources.doctor`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deepsport.task import Task

__all__ = ["Books", "Funnel", "funnel_text"]

_EXAMPLES = 3


@dataclass
class Funnel:
    """What happened to the rows and questions of one source.

    Attributes
    ----------
    rows, rows_used : int
        Rows read, and rows that made at least one question.
    made : int
        Questions made of them.
    rejections : Counter
        Rows and possible questions that made none, by reason; before `made`.
    removed : Counter
        Questions made but left out of the data set, by reason: ``made == sum(removed) +
        sum(kept)``.
    kept : Counter
        Questions in the data set, by split.
    notes : Counter
        What was repaired: media found elsewhere, seconds taken from the real frame rate.
    examples : dict
        Reason to a few ``"file, row: detail"``.
    """

    rows: int = 0
    rows_used: int = 0
    made: int = 0
    rejections: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def remove(self, reason: str, example: str) -> None:
        """Count a question that is left out."""
        self.removed[reason] += 1
        kept = self.examples.setdefault(reason, [])
        if len(kept) < _EXAMPLES:
            kept.append(example)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, most frequent reasons first."""

        def ordered(counter: Counter[str]) -> dict[str, int]:
            return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))

        return {
            "rows": self.rows,
            "rows_used": self.rows_used,
            "rejections": ordered(self.rejections),
            "made": self.made,
            "removed": ordered(self.removed),
            "notes": ordered(self.notes),
            "kept": dict(sorted(self.kept.items())),
            "examples": dict(sorted(self.examples.items())),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Funnel:
        """Read what :meth:`to_json` wrote."""
        counters = {name: Counter(record[name]) for name in
                    ("rejections", "removed", "kept", "notes")}  # fmt: skip
        examples = {reason: list(lines) for reason, lines in record["examples"].items()}
        return cls(record["rows"], record["rows_used"], record["made"], examples=examples,
                   **counters)  # fmt: skip


@dataclass(frozen=True)
class Books:
    """The funnels of a build, and which of them a task counts in.

    Attributes
    ----------
    funnels : mapping
        Source to its funnel.
    owners : mapping
        Task id to the source that made it.
    """

    funnels: Mapping[str, Funnel]
    owners: Mapping[str, str]

    def of(self, task: Task) -> Funnel:
        """Return the funnel of the task's source."""
        return self.funnels[self.owners[task.task_id]]


def funnel_text(funnels: Mapping[str, Funnel], published: Mapping[str, Mapping[str, int]]) -> str:
    """Return the funnels as text for a person."""
    lines = []
    for name, funnel in funnels.items():
        kept = sum(funnel.kept.values())
        by_split = ", ".join(f"{n} {split}" for split, n in sorted(funnel.kept.items()))
        lines.append(f"{name}: {funnel.rows} rows -> {funnel.made} questions -> {kept} tasks"
                     + (f" ({by_split})" if by_split else ""))  # fmt: skip
        if published.get(name):
            said = ", ".join(f"{n} {what}" for what, n in published[name].items())
            lines.append(f"    its authors publish: {said}")
        for title, counter in (
            ("row or question not made", funnel.rejections),
            ("left out", funnel.removed),
            ("repaired", funnel.notes),
        ):
            for reason, count in counter.most_common():
                example = funnel.examples.get(reason, [""])[0]
                lines.append(f"    {title}: {count} x {reason}"
                             + (f" (e.g. {example})" if example else ""))  # fmt: skip
    return "\n".join(lines)
