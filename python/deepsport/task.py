"""The task: one question about one video, with its truth and where it came from.

Frozen, versioned and content-hashed. Not for how an answer is scored (`deepsport.reward`,
`deepsport.evaluate`) nor for reading a particular source (`deepsport.sources`).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from deepsport.errors import RecordFormatError
from deepsport.record_file import read_records, write_records

__all__ = [
    "TASK_SCHEMA",
    "Dimension",
    "Kind",
    "Media",
    "Native",
    "Span",
    "Task",
    "Truth",
    "read_tasks",
    "write_tasks",
]

TASK_SCHEMA = "deepsport.task/1"


class Kind(StrEnum):
    """How a question is answered, and so how an answer is scored."""

    CHOICE = "choice"  #: one right option letter
    MULTI_CHOICE = "multi_choice"  #: several right option letters, all of them wanted
    YES_NO = "yes_no"
    NUMBER = "number"  #: a count, a time or a measure, right within a tolerance
    INTERVAL = "interval"  #: one or several spans of time, in seconds
    EVENTS = "events"  #: labels in their order in time
    RATING = "rating"  #: a judge's score on a stated scale
    FEEDBACK = "feedback"  #: letters of the aspects a coach would correct; partly right counts
    TEXT = "text"  #: open text, compared with references


class Dimension(StrEnum):
    """The four dimensions of the DeepSport paper (arXiv 2511.12908, its task taxonomy)."""

    RECOGNITION = "fine-grained recognition"
    RULES = "rules and procedure"
    COACHING = "assessment and coaching"
    COMMENTARY = "commentary and reporting"


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open stretch of the video, ``[start_seconds, stop_seconds)``, with what happens in it."""

    start_seconds: float
    stop_seconds: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Native:
    """Times as the source states them, before they became seconds.

    Attributes
    ----------
    values : tuple of float or str
        Numbers or clock readings, in the order of the spans or events they belong to.
    unit : str
        ``"frame"`` (0-based), ``"frame from 1"``, ``"ms"``, ``"s"``, ``"MM:SS"``, ...
    fps : float
        Frame rate that frames became seconds with; 0 where no frame rate was needed.
    fps_assumed : bool
        The source states no usable frame rate, so that seconds are only as good as `fps`.
    """

    values: tuple[float | str, ...]
    unit: str
    fps: float = 0.0
    fps_assumed: bool = False


@dataclass(frozen=True, slots=True)
class Truth:
    """The right answer in its native form; only the fields of the task's kind are set.

    Attributes
    ----------
    labels : tuple of str
        Right option letters, ``("yes",)`` or ``("no",)``, or event labels in order.
    value : float or None
        The right number, in `unit`.
    tolerance : float
        A number is right when ``abs(answer - value) <= tolerance``.
    unit : str
        Unit of `value`, e.g. ``"s"``; empty for counts.
    scale : (float, float) or None
        Smallest and largest rating.
    spans : tuple of Span
        Right intervals, in seconds.
    references : tuple of str
        Acceptable texts.
    native : Native or None
        The times of the truth as the source states them.
    """

    labels: tuple[str, ...] = ()
    value: float | None = None
    tolerance: float = 0.0
    unit: str = ""
    scale: tuple[float, float] | None = None
    spans: tuple[Span, ...] = ()
    references: tuple[str, ...] = ()
    native: Native | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """One video file of a task: path relative to the media root, and what is known of its content.

    Attributes
    ----------
    path : str
    sha256 : str
        Of the bytes; of names and bytes for a folder of frames. Empty when not looked at.
    view : str
        Camera, in the words of the source.
    replay_speed : float
        Seconds of video that one second of play takes: 4.2 is slow motion.
    form : str
        ``"video"``, or ``"frames"`` for a folder of numbered images.
    """

    path: str
    sha256: str = ""
    view: str = ""
    replay_speed: float = 1.0
    form: str = "video"


@dataclass(frozen=True, slots=True)
class Task:
    """One question about one video.

    Attributes
    ----------
    task_id : str
        Unique within a data set, stable over rebuilds.
    kind : Kind
    question : str
        Without the options, which are rendered from `options`.
    truth : Truth
    media : tuple of Media
        The first is the one the frame tool opens.
    options : tuple of str
        Option texts in their order; letters are A, B, C, ... by position.
    evidence : tuple of Span
        Where in the first video the answer can be seen, in seconds; empty when nobody knows.
    group : str
        Match or source video: a group never spans two splits.
    also_in : tuple of str
        Further groups, of a question over clips of several matches.
    split : str
        ``"train"``, ``"validation"``, ``"test"`` or empty.
    sport, source, family, difficulty : str
    dimension : Dimension or None
    provenance : mapping
        File, row and generator settings it was made from; not part of the content hash.
    """

    task_id: str
    kind: Kind
    question: str
    truth: Truth
    media: tuple[Media, ...]
    options: tuple[str, ...] = ()
    evidence: tuple[Span, ...] = ()
    group: str = ""
    split: str = ""
    sport: str = ""
    source: str = ""
    family: str = ""
    difficulty: str = ""
    dimension: Dimension | None = None
    also_in: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise RecordFormatError(f"task {self.task_id!r}: {problem}")

    @property
    def letters(self) -> tuple[str, ...]:
        """Letters of the options: ``("A", "B", ...)``."""
        return tuple(chr(ord("A") + i) for i in range(len(self.options)))

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of everything but `task_id`, `split` and `provenance`."""
        record = self.to_json()
        for key in ("task_id", "split", "provenance"):
            record.pop(key, None)
        text = json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values; empty fields are left out."""
        # Written out: dataclasses.asdict takes ten times as long, and data sets are large.
        record: dict[str, Any] = {
            "schema": TASK_SCHEMA,
            "task_id": self.task_id,
            "kind": str(self.kind),
            "question": self.question,
            "truth": _truth_json(self.truth),
            "media": [_media_json(medium) for medium in self.media],
        }
        if self.options:
            record["options"] = list(self.options)
        if self.evidence:
            record["evidence"] = [_span_json(span) for span in self.evidence]
        for name in ("group", "split", "sport", "source", "family", "difficulty"):
            value = getattr(self, name)
            if value:
                record[name] = value
        if self.dimension is not None:
            record["dimension"] = str(self.dimension)
        if self.also_in:
            record["also_in"] = list(self.also_in)
        if self.provenance:
            record["provenance"] = dict(self.provenance)
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Task:
        """Read a record written by :meth:`to_json`.

        Raises
        ------
        RecordFormatError
            When the schema is another one, a field is missing, unknown or of the wrong type.
        """
        if not isinstance(record, Mapping) or record.get("schema") != TASK_SCHEMA:
            found = record.get("schema") if isinstance(record, Mapping) else type(record).__name__
            raise RecordFormatError(
                f"not a task record: schema is {found!r}, valid is {TASK_SCHEMA!r}"
            )
        values = {k: v for k, v in record.items() if k != "schema"}
        try:
            truth = dict(values["truth"])
            truth["spans"] = _spans(truth.get("spans", ()))
            for key in ("labels", "references"):
                truth[key] = tuple(truth.get(key, ()))
            if truth.get("scale") is not None:
                low, high = truth["scale"]
                truth["scale"] = (float(low), float(high))
            if truth.get("native") is not None:
                native = dict(truth["native"])
                truth["native"] = Native(**{**native, "values": tuple(native["values"])})
            values["truth"] = Truth(**truth)
            values["media"] = tuple(Media(**media) for media in values["media"])
            values["options"] = tuple(values.get("options", ()))
            values["also_in"] = tuple(values.get("also_in", ()))
            values["evidence"] = _spans(values.get("evidence", ()))
            values["kind"] = Kind(values["kind"])
            if values.get("dimension") is not None:
                values["dimension"] = Dimension(values["dimension"])
            return cls(**values)
        except RecordFormatError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            name = record.get("task_id", "without task_id")
            raise RecordFormatError(f"task {name!r}: {type(error).__name__}: {error}") from error


def _span_json(span: Span) -> dict[str, Any]:
    return {
        "start_seconds": span.start_seconds,
        "stop_seconds": span.stop_seconds,
        "label": span.label,
    }


def _media_json(medium: Media) -> dict[str, Any]:
    record: dict[str, Any] = {
        "path": medium.path,
        "sha256": medium.sha256,
        "view": medium.view,
        "replay_speed": medium.replay_speed,
    }
    if medium.form != "video":  # the form of nearly all, and of earlier records
        record["form"] = medium.form
    return record


def _truth_json(truth: Truth) -> dict[str, Any]:
    record: dict[str, Any] = {}
    if truth.labels:
        record["labels"] = list(truth.labels)
    if truth.value is not None:
        record["value"] = truth.value
    if truth.tolerance:
        record["tolerance"] = truth.tolerance
    if truth.unit:
        record["unit"] = truth.unit
    if truth.scale is not None:
        record["scale"] = list(truth.scale)
    if truth.spans:
        record["spans"] = [_span_json(span) for span in truth.spans]
    if truth.references:
        record["references"] = list(truth.references)
    if truth.native is not None:
        record["native"] = {
            "values": list(truth.native.values),
            "unit": truth.native.unit,
            "fps": truth.native.fps,
            "fps_assumed": truth.native.fps_assumed,
        }
    return record


def _spans(values: Iterable[Mapping[str, Any]]) -> tuple[Span, ...]:
    return tuple(Span(**value) for value in values)


def _problem(task: Task) -> str:
    """Say what is wrong with a task, or return an empty string."""
    if not task.task_id or not isinstance(task.task_id, str):
        return "task_id is empty"
    if not isinstance(task.question, str) or not task.question.strip():
        return "question is empty"
    if not task.media:
        return "media is empty, at least one video is needed"
    for text in (task.task_id, task.question, task.group, *task.options, *task.truth.references,
                 *task.truth.labels, *(medium.path for medium in task.media)):  # fmt: skip
        if not isinstance(text, str) or not _is_unicode(text):
            return f"{text!r:.80} is not text that can be written"
    for span in (*task.evidence, *task.truth.spans):
        if not (math.isfinite(span.start_seconds) and math.isfinite(span.stop_seconds)):
            return f"span {span} is not finite"
        if span.stop_seconds < span.start_seconds:
            return f"span {span} ends before it starts"
    truth = task.truth
    if task.kind in (Kind.CHOICE, Kind.MULTI_CHOICE, Kind.FEEDBACK):
        if not 2 <= len(task.options) <= 26:
            return f"{task.kind} has {len(task.options)} options, valid are 2..26"
        wrong = [label for label in truth.labels if label not in task.letters]
        if wrong or not truth.labels:
            return f"right letters are {truth.labels}, valid are {task.letters}"
        if task.kind is Kind.CHOICE and len(truth.labels) != 1:
            return f"choice has {len(truth.labels)} right letters, valid is 1 (else multi_choice)"
    elif task.kind is Kind.YES_NO and truth.labels not in (("yes",), ("no",)):
        return f"labels are {truth.labels}, valid are ('yes',) and ('no',)"
    elif task.kind in (Kind.NUMBER, Kind.RATING):
        if truth.value is None or not math.isfinite(truth.value) or truth.tolerance < 0:
            return f"value {truth.value} with tolerance {truth.tolerance} is not a finite number"
    elif task.kind is Kind.INTERVAL and not truth.spans:
        return "interval without spans"
    elif task.kind is Kind.EVENTS and not truth.labels:
        return "events without labels"
    elif task.kind is Kind.TEXT and not truth.references:
        return "text without references"
    return ""


def _is_unicode(text: str) -> bool:
    """Say whether the text can be written: JSON may hold halves of surrogate pairs."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def write_tasks(path: Path | str, tasks: Iterable[Task]) -> int:
    """Write tasks as JSON lines, whole or not at all; return their number."""
    return write_records(path, (task.to_json() for task in tasks))


def read_tasks(path: Path | str) -> Iterator[Task]:
    """Yield the tasks of a JSON-lines file.

    Raises
    ------
    RecordFormatError
        Naming file and line, when a line is not a task.
    """
    return read_records(path, Task.from_json)
