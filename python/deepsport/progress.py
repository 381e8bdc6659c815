"""Progress bars for long work: rich when it is installed and the terminal is one, else log lines.

Not for results: those go to stdout, progress goes to stderr.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Self, TypeVar

__all__ = ["Progress", "track"]

T = TypeVar("T")
_LINE_SECONDS = 10.0  # without a terminal: at most one line in this many seconds


class Progress:
    """Show how far a long piece of work has come; use as a context manager.

    Parameters
    ----------
    what : str
        What is being done, e.g. ``"evaluate"``.
    total : int or None
        Number of steps, ``None`` when unknown.
    done : int
        Steps that an earlier run finished already.

    Examples
    --------
    >>> with Progress("count", total=3) as bar:
    ...     for _ in range(3):
    ...         bar.advance()
    """

    def __init__(self, what: str, total: int | None = None, *, done: int = 0) -> None:
        self.what, self.total, self.done = what, total, done
        self.note = ""
        self._bar: object | None = None
        self._last_line = time.monotonic()
        self._start = time.monotonic()
        self._start_done = done

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            try:
                from rich.console import Console
                from rich.progress import (
                    BarColumn,
                    MofNCompleteColumn,
                    TextColumn,
                    TimeElapsedColumn,
                    TimeRemainingColumn,
                )
                from rich.progress import Progress as RichProgress
            except ImportError:
                return self
            bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=Console(stderr=True),
            )
            bar.start()
            self._task = bar.add_task(self.what, total=self.total, completed=self.done, note="")
            self._bar = bar
        return self

    def advance(self, steps: int = 1, note: str | None = None) -> None:
        """Count `steps` more as done; `note` replaces the words beside the bar."""
        self.done += steps
        if note is not None:
            self.note = note
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, note=self.note)  # type: ignore[attr-defined]
        elif time.monotonic() - self._last_line >= _LINE_SECONDS:
            self._print_line()

    def _print_line(self) -> None:
        self._last_line = time.monotonic()
        of = f"/{self.total}" if self.total is not None else ""
        seconds = self._last_line - self._start
        sys.stderr.write(
            f"{self.what}: {self.done}{of} in {seconds:.0f} s {self.note}".rstrip() + "\n"
        )
        sys.stderr.flush()

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()  # type: ignore[attr-defined]
        elif self.done > self._start_done:
            self._print_line()


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield from `items` while showing progress; `total` defaults to ``len(items)``."""
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # type: ignore[arg-type]
    with Progress(what, total) as bar:
        for item in items:
            yield item
            bar.advance()
