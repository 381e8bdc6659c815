"""From the rows of one source to tasks, with every rejection counted.

Not for writing data sets (`deepsport.sources.build`) nor for looking at media
(`deepsport.sources.probe`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepsport.errors import DeepsportError, SettingsError, SourceFormatError
from deepsport.sources.files import Root
from deepsport.sources.interface import Context, Rejected, Row, Source
from deepsport.task import Task

__all__ = ["Outcome", "fill_settings", "load_source", "make_context", "unify_rows"]

# What a row of the wrong shape raises inside `convert`; anything else is a bug and surfaces.
_ROW_ERRORS = (
    DeepsportError,
    KeyError,
    TypeError,
    ValueError,
    IndexError,
    AttributeError,
    RecursionError,
    OverflowError,
)
_EXAMPLES = 3


@dataclass
class Outcome:
    """Tasks of some rows, and why the others made none.

    Attributes
    ----------
    rows : int
        Rows looked at.
    rows_used : int
        Rows that made at least one task.
    tasks : list of Task
    rejections : Counter
        Reason to count.
    examples : dict
        Reason to the first few ``"file, row N: detail"``.
    """

    rows: int = 0
    rows_used: int = 0
    tasks: list[Task] = field(default_factory=list)
    rejections: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def reject(self, row: Row, verdict: Rejected) -> None:
        """Count one rejection."""
        self.rejections[verdict.reason] += 1
        kept = self.examples.setdefault(verdict.reason, [])
        if len(kept) < _EXAMPLES:
            detail = f": {verdict.detail}" if verdict.detail else ""
            kept.append(f"{row.file}, row {row.number}{detail}")

    def merge(self, other: Outcome) -> None:
        """Append what `other` holds, as if its rows had followed ours."""
        self.rows += other.rows
        self.rows_used += other.rows_used
        self.tasks.extend(other.tasks)
        self.rejections.update(other.rejections)
        for reason, lines in other.examples.items():
            kept = self.examples.setdefault(reason, [])
            kept.extend(lines[: _EXAMPLES - len(kept)])


def fill_settings(source: Source, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the source's settings with defaults, each of the default's type.

    Raises
    ------
    SettingsError
        For a setting the source does not have, or a value of another type.
    """
    settings = dict(source.settings)
    for name, value in given.items():
        if name not in settings:
            valid = ", ".join(settings) or "none"
            raise SettingsError(f"source {source.name} has no setting {name!r}, valid: {valid}")
        wanted = type(settings[name])
        try:
            if wanted is bool and isinstance(value, str):
                value = {"true": True, "false": False}[value.lower()]
            settings[name] = wanted(value)
        except (ValueError, TypeError, KeyError) as error:
            raise SettingsError(
                f"source {source.name}: {name}={value!r} is not {wanted.__name__}"
            ) from error
    return settings


def make_context(
    source: Source, rows: list[Row], settings: Mapping[str, Any], seed: int = 0
) -> Context:
    """Return the context of a source's rows, its label families counted."""
    return Context(settings, source.families(rows, settings), seed)


def unify_rows(source: Source, rows: Iterable[Row], context: Context) -> Outcome:
    """Convert rows; a row of the wrong shape is a rejection that says what was wrong."""
    outcome = Outcome()
    for row in rows:
        outcome.rows += 1
        before = len(outcome.tasks)
        try:
            if isinstance(row.value, Exception):
                raise Rejected("row cannot be parsed", str(row.value))
            for made in source.convert(row, context):
                if isinstance(made, Rejected):
                    outcome.reject(row, made)
                else:
                    outcome.tasks.append(made)
        except Rejected as verdict:
            outcome.reject(row, verdict)
        except _ROW_ERRORS as error:
            outcome.reject(row, _verdict(error))
        outcome.rows_used += len(outcome.tasks) > before
    return outcome


def _verdict(error: Exception) -> Rejected:
    """Name what was wrong with a row: the kind of the error is the reason, its text the detail."""
    if isinstance(error, KeyError):
        return Rejected("missing field", f"{error.args[0]!r}"[:200])
    if isinstance(error, DeepsportError):
        return Rejected(type(error).__name__, str(error)[:300])
    return Rejected("wrong type of a field", f"{type(error).__name__}: {error}"[:300])


def load_source(source: Source, folder: Path | str, *, seed: int = 0, **given: Any) -> list[Task]:
    """Return all tasks of a source folder; media paths are relative to `folder`.

    Raises
    ------
    SourceFormatError
        When the annotation files are missing or unreadable, or no row makes a task.
    SettingsError
        For a setting the source does not have.
    """
    settings = fill_settings(source, given)
    root = Root(folder)
    rows = list(source.read(root, settings))
    outcome = unify_rows(source, rows, make_context(source, rows, settings, seed))
    if not outcome.tasks:
        reasons = "; ".join(f"{n} x {reason}" for reason, n in outcome.rejections.most_common(3))
        raise SourceFormatError(
            f"{root.folder}: none of {outcome.rows} rows of {source.name} makes a task ({reasons})"
        )
    return outcome.tasks
