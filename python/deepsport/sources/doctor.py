"""What is wrong with a source folder, with counts and examples, before anybody trains on it.

Looks at the rows as published, at the tasks made of them and at the media. Repairs nothing. The
page and the text of a diagnosis are made in `deepsport.sources.doctor_page`.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deepsport.errors import SourceFormatError
from deepsport.sources.blind import ALL_FAMILIES, blind_baselines
from deepsport.sources.catalogue import find_source
from deepsport.sources.doctor_media import media_findings
from deepsport.sources.files import Root
from deepsport.sources.finding import Finding
from deepsport.sources.interface import Row, Source
from deepsport.sources.probe import MediaCache
from deepsport.sources.split import check_leakage
from deepsport.sources.unify import Outcome, fill_settings, make_context, unify_rows
from deepsport.task import Kind, Task

__all__ = ["Diagnosis", "diagnose"]

_EXAMPLES = 5
_OFFERED = 20  # an option text must be offered this often to be judged
_SURPRISE = 5.0  # standard errors above chance
_LETTERED = (Kind.CHOICE, Kind.YES_NO)


@dataclass(frozen=True)
class Diagnosis:
    """All findings on a source folder.

    Attributes
    ----------
    source, folder : str
    rows, tasks, media : int
        How many were looked at; no media when they were not to be looked at.
    findings : tuple of Finding
        Errors first.
    """

    source: str
    folder: str
    rows: int
    tasks: int
    media: int
    findings: tuple[Finding, ...]

    def worst(self) -> str:
        """Return ``"error"``, ``"warning"``, ``"note"`` or an empty string."""
        levels = {finding.level for finding in self.findings}
        return next((level for level in ("error", "warning", "note") if level in levels), "")

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "schema": "deepsport.diagnosis/1",
            "source": self.source,
            "folder": self.folder,
            "rows": self.rows,
            "tasks": self.tasks,
            "media": self.media,
            "worst": self.worst(),
            "findings": [finding.to_json() for finding in self.findings],
        }


def diagnose(
    name: str,
    folder: Path | str,
    *,
    settings: Mapping[str, Any] | None = None,
    media: bool = True,
    duplicates: bool = True,
    jobs: int = 1,
    cache: Path | None = None,
    follow_links: bool = False,
) -> Diagnosis:
    """Examine a source folder.

    Parameters
    ----------
    media : bool
        Open every medium; without, only the annotations are looked at.
    duplicates : bool
        Look for near-duplicate media as well.
    cache : Path, optional
        File that keeps what is known of media from one time to the next.

    Raises
    ------
    SettingsError
        For a source or setting that does not exist.
    SourceFormatError
        When the folder does not exist; what lies in it never raises.
    """
    source = find_source(name)
    values = fill_settings(source, settings or {})
    root = Root(folder, follow_links=follow_links)
    findings: list[Finding] = []
    rows: list[Row] = []
    try:
        rows.extend(source.read(root, values))
    except SourceFormatError as error:
        findings += _finding(
            "unreadable annotations", "error", [str(error)], 1, "annotations cannot be read"
        )
    outcome = unify_rows(source, rows, make_context(source, rows, values))
    for check in (_rejections, _raw_times, _raw_paths, _raw_text, _questions, _option_texts,
                  _balance, _guessing, _splits):  # fmt: skip
        findings += check(rows, outcome)
    findings += _counts(source, rows, outcome)
    looked_at = 0
    if media and outcome.tasks:
        looked_at, found = media_findings(
            outcome.tasks, root, MediaCache(cache), jobs, duplicates=duplicates
        )
        findings += found
    order = {"error": 0, "warning": 1, "note": 2}
    findings.sort(key=lambda finding: order[finding.level])
    return Diagnosis(name, str(folder), len(rows), len(outcome.tasks), looked_at, tuple(findings))


def _finding(
    check: str,
    level: Literal["error", "warning", "note"],
    examples: Sequence[str],
    of: int,
    text: str,
) -> Iterator[Finding]:
    if examples:
        yield Finding(check, level, len(examples), of, text, tuple(examples[:_EXAMPLES]))


def _rejections(rows: Sequence[Row], outcome: Outcome) -> Iterator[Finding]:
    """Yield the reasons for which rows or questions make no task."""
    harmless = ("thinned", "no video", "no answer: a challenge", "no question: an answer sheet",
                "label its authors leave out")  # fmt: skip
    for reason, count in outcome.rejections.most_common():
        level: Literal["warning", "note"] = "note" if reason.startswith(harmless) else "warning"
        yield Finding(
            f"rejected: {reason}", level, count, len(rows),
            "rows or questions make no task", tuple(outcome.examples[reason]),
        )  # fmt: skip


def _walk(value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield every (key, value) in nested containers, ten levels deep."""
    if depth > 10:
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key), inner
            yield from _walk(inner, depth + 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _walk(inner, depth + 1)


def _where(row: Row, detail: object) -> str:
    return f"{row.file}, row {row.number}: {detail!s:.120}"


def _raw_times(rows: Sequence[Row], outcome: Outcome) -> Iterator[Finding]:
    """Look for frame rates of 0 and -1, and lists of events that all stand at time 0."""
    bad_fps, zero = [], []
    times = ("position_ms", "position", "frame", "timestamp", "start", "start_frame", "hit_frame")
    for row in rows:
        for key, value in _walk(row.value):
            if key.lower() == "fps" and str(value).strip() in ("-1", "0", "-1.0", "0.0", ""):
                bad_fps.append(_where(row, f"fps is {value!r}"))
            if isinstance(value, list) and len(value) > 1:
                for name in times:
                    found = [item.get(name) for item in value if isinstance(item, Mapping)]
                    if len(found) == len(value) and all(str(t) in ("0", "0.0") for t in found):
                        zero.append(_where(row, f"{len(found)} entries with {name} 0"))
    yield from _finding(
        "no frame rate", "note", bad_fps, len(rows),
        "the stated frame rate is 0 or -1; seconds come from an assumed or the real one",
    )  # fmt: skip
    yield from _finding(
        "all times zero", "error", zero, len(rows), "events that all stand at time 0"
    )


def _raw_paths(rows: Sequence[Row], outcome: Outcome) -> Iterator[Finding]:
    windows, unsafe = [], []
    for row in rows:
        for key, value in _walk(row.value):
            if isinstance(value, str) and len(value) < 1000:
                parts = value.replace("\\", "/").split("/")
                named = key.lower() in ("path", "url", "video", "urllocal", "file", "id", "media")
                if "\\" in value and (named or "." in parts[-1]):
                    windows.append(_where(row, value))
                if named and (".." in parts or value.startswith("/") or value[1:3] == ":\\"):
                    unsafe.append(_where(row, value))
    yield from _finding(
        "Windows paths", "note", windows, len(rows), "paths with backslashes, read as slashes"
    )
    yield from _finding(
        "paths that lead out", "error", unsafe, len(rows), "absolute paths or paths with '..'"
    )


def _raw_text(rows: Sequence[Row], outcome: Outcome) -> Iterator[Finding]:
    """Look for text that was decoded with the wrong table on its way here."""
    torn = [
        _where(row, value)
        for row in rows
        for _, value in _walk(row.value)
        if isinstance(value, str) and any(s in value for s in ("\ufffd", "Ã©", "Ã¼", "â€™", "ï»¿"))
    ]
    yield from _finding(
        "damaged text", "warning", torn, len(rows), "letters lost to a wrong encoding"
    )


def _answer(task: Task) -> str:
    if task.options:
        texts = (task.options[ord(letter) - ord("A")] for letter in task.truth.labels)
        return " | ".join(sorted(texts))
    truth = task.truth
    if truth.value is not None:
        return f"{truth.value:g}"
    return ", ".join(truth.labels or [f"{span}" for span in truth.spans])


def _questions(rows: Sequence[Row], outcome: Outcome) -> Iterator[Finding]:
    """Look for questions asked twice, with equal or different answers."""
    asked: dict[Any, list[Task]] = defaultdict(list)
    ready = [task for task in outcome.tasks if task.kind is not Kind.TEXT]
    for task in ready:
        paths = tuple(medium.path for medium in task.media)
        asked[paths, task.question, frozenset(task.options)].append(task)
    twice: list[str] = []
    contrary: list[str] = []
    for same in asked.values():
        if len(same) > 1:
            answers = {_answer(task) for task in same}
            text = f"{same[0].media[0].path}: {same[0].question:.60} -> {sorted(answers)}"
            (contrary if len(answers) > 1 else twice).append(text)
    yield from _finding(
        "contradictory answers", "error", contrary, len(asked),
        "the same question about the same video with different answers",
    )  # fmt: skip
    yield from _finding(
        "question asked twice", "warning", twice, len(asked), "same video, question and answer"
    )
    texts = Counter(task.question for task in ready)
    if texts and len(texts) * 20 < len(ready):
        common = [f"{n} x {text:.100}" for text, n in texts.most_common(_EXAMPLES)]
        yield Finding(
            "few question texts", "note", len(texts), len(ready),
            f"only {len(texts)} different question texts over {len(ready)} questions",
            tuple(common),
        )  # fmt: skip
    double = [
        f"{task.task_id:.100}: {task.options}"
        for task in ready
        if len({option.lower() for option in task.options}) < len(task.options)
    ]
    yield from _finding(
        "option offered twice", "warning", double, len(ready), "two options have the same text"
    )


def _option_texts(rows: Sequence[Row], outcome: Outcome) -> Iterator[Finding]:
    """Look for option texts that are right more often than chance wherever they are offered."""
    offered: Counter[str] = Counter()
    right: Counter[str] = Counter()
    expected: dict[str, float] = defaultdict(float)
    for task in outcome.tasks:
        if task.kind is Kind.CHOICE:
            for letter, option in zip(task.letters, task.options, strict=True):
                text = option.strip().lower().rstrip(".")
                offered[text] += 1
                expected[text] += 1 / len(task.options)
                right[text] += letter == task.truth.labels[0]
    leaks = []
    for text, n in offered.items():
        chance = expected[text] / n
        error = math.sqrt(chance * (1 - chance) / n)
        if n >= _OFFERED and right[text] / n > chance + _SURPRISE * error:
            none_or_all = text.startswith(("none of", "all of"))
            leaks.append((none_or_all, right[text] / n - chance, text, n))
    examples = [
        f"{text!r:.70} is right {right[text]} of {n} times it is offered "
        f"({100 * right[text] / n:.0f} %, chance {100 * expected[text] / n:.0f} %)"
        for _, _, text, n in sorted(leaks, reverse=True)
    ]
    yield from _finding(
        "option text tells the answer", "warning", examples, len(offered),
        "option texts that are right far more often than chance",
    )  # fmt: skip


def _balance(rows: Sequence[Row], outcome: Outcome) -> Iterator[Finding]:
    """Look for answer positions and classes that make plain accuracy meaningless."""
    skewed, classes = [], []
    letters: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    answers: dict[tuple[str, Kind], Counter[str]] = defaultdict(Counter)
    for task in outcome.tasks:
        if task.kind is Kind.CHOICE:
            letters["", len(task.options)][task.truth.labels[0]] += 1
        if task.kind in (*_LETTERED, Kind.NUMBER):
            answers[task.family, task.kind][_answer(task)] += 1
    for (_, n), counter in sorted(letters.items()):
        total = counter.total()
        chi = sum((counter[chr(65 + i)] - total / n) ** 2 for i in range(n)) / max(total / n, 1e-9)
        # chi-squared with n-1 degrees: mean n-1, standard deviation sqrt(2(n-1))
        if total >= _OFFERED and chi > n - 1 + _SURPRISE * math.sqrt(2 * (n - 1)):
            shares = ", ".join(f"{letter} {100 * c / total:.0f} %" for letter, c in
                               sorted(counter.items()))  # fmt: skip
            skewed.append(f"{total} questions with {n} options: {shares}")
    for (family, kind), counter in sorted(answers.items()):
        answer, n = counter.most_common(1)[0]
        total = counter.total()
        limit = 0.7 if kind is Kind.YES_NO else 0.5
        if total >= _OFFERED and n > limit * total:
            classes.append(f"{family} ({kind}): {answer!r:.50} is the answer to {n} of {total}")
    yield from _finding(
        "answer position", "warning", skewed, len(outcome.tasks), "right letters are uneven"
    )
    yield from _finding(
        "class imbalance", "warning", classes, len(answers),
        "one answer is right most of the time: report balanced accuracy",
    )  # fmt: skip


def _guessing(rows: Sequence[Row], outcome: Outcome) -> Iterator[Finding]:
    families = [
        f"{row.family} ({row.kind}): {100 * row.best:.0f} % without looking, chance "
        f"{100 * row.chance:.0f} %, {row.tasks} questions"
        for row in blind_baselines(outcome.tasks)
        if row.kind in _LETTERED and row.guessable and row.family != ALL_FAMILIES
    ]
    yield from _finding(
        "guessable without looking", "warning", families, len({t.family for t in outcome.tasks}),
        "families that a blind answerer beats chance on",
    )  # fmt: skip


def _splits(rows: Sequence[Row], outcome: Outcome) -> Iterator[Finding]:
    leaks = [str(leak) for leak in check_leakage(outcome.tasks)]
    yield from _finding(
        "published splits leak", "error", leaks, len(outcome.tasks),
        "matches, files or questions are in more than one published split",
    )  # fmt: skip


def _counts(source: Source, rows: Sequence[Row], outcome: Outcome) -> Iterator[Finding]:
    if source.published:
        said = ", ".join(f"{n} {what}" for what, n in source.published.items())
        media = {medium.path for task in outcome.tasks for medium in task.media}
        yield Finding(
            "counts", "note", len(rows), len(rows),
            f"here {len(rows)} rows, {len(outcome.tasks)} questions, {len(media)} media, "
            f"{len({task.group for task in outcome.tasks})} groups; its authors publish {said}",
        )  # fmt: skip
