"""Any CSV, JSON or JSON-lines file of questions, with a `mapping.toml` that names its fields.

See docs/data.md for the mapping. A field may be a dotted path into nested objects.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from deepsport.errors import SourceFormatError
from deepsport.sources.clock import Fps, clock_seconds, number
from deepsport.sources.files import Root, relative_path
from deepsport.sources.interface import Context, Rejected, Row, Source
from deepsport.task import Dimension, Kind, Media, Native, Span, Task, Truth

__all__ = ["SOURCE"]

_ANSWERS = ("letter", "index", "index from 1", "text")
_UNITS = ("s", "ms", "frame", "clock")
_KEYS = frozenset(
    [
        "files",
        "fields",
        "kind",
        "answer",
        "source",
        "sport",
        "family",
        "dimension",
        "unit",
        "fps",
        "tolerance",
        "scale",
        "separator",
        "clips",
        "value_unit",
    ]
)
_FIELDS = frozenset(
    [
        "question",
        "answer",
        "video",
        "options",
        "group",
        "split",
        "sport",
        "family",
        "difficulty",
        "start",
        "stop",
        "id",
        "fps",
    ]
)


def _read(root: Root, settings: Mapping[str, Any]) -> Iterator[Row]:
    name = root.find("mapping.toml")[0]
    try:
        mapping = tomllib.loads(root.text(name))
    except tomllib.TOMLDecodeError as error:
        raise SourceFormatError(f"{root.folder / name}: {error}") from error
    _check(mapping, str(root.folder / name))
    for file in root.find(*mapping["files"]):
        csv = file.lower().endswith((".csv", ".tsv"))
        rows = (
            root.csv_rows(file, delimiter="\t" if file.lower().endswith(".tsv") else ",")
            if csv
            else root.json_rows(file)
        )
        for place, value in rows:
            bad = isinstance(value, Exception)
            yield Row(file, place, value if bad else {"mapping": mapping, "row": value})


def _check(mapping: Mapping[str, Any], name: str) -> None:
    fields = mapping.get("fields")
    unknown = sorted(set(mapping) - _KEYS) + sorted(set(fields or {}) - _FIELDS)
    problem = ""
    if unknown:
        problem = f"{unknown} are no keys; valid are {sorted(_KEYS)} and fields {sorted(_FIELDS)}"
    elif not isinstance(fields, dict) or not {"question", "answer", "video"} <= fields.keys():
        problem = "[fields] must name question, answer and video"
    elif not isinstance(mapping.get("files"), list) or not mapping["files"]:
        problem = "files must list at least one pattern"
    elif mapping.get("kind") not in list(Kind):
        problem = f"kind is {mapping.get('kind')!r}, valid are {', '.join(Kind)}"
    elif mapping.get("answer", "text") not in _ANSWERS:
        problem = f"answer is {mapping['answer']!r}, valid are {', '.join(_ANSWERS)}"
    elif mapping.get("unit", "s") not in _UNITS:
        problem = f"unit is {mapping['unit']!r}, valid are {', '.join(_UNITS)}"
    if problem:
        raise SourceFormatError(f"{name}: {problem}")


def _field(row: Mapping[str, Any], path: Any) -> Any:
    value: Any = row
    for part in str(path).split("."):
        value = value[part] if isinstance(value, Mapping) else None
    return value


def _seconds(value: Any, unit: str, fps: Fps) -> float:
    if unit == "clock":
        return clock_seconds(value)
    plain = number(value, "time")
    return {"s": plain, "ms": plain / 1000}.get(unit, plain / fps.value)


def _letters(answer: Any, how: str, options: tuple[str, ...], separator: str) -> tuple[str, ...]:
    given = answer if isinstance(answer, list) else [answer]
    if separator and isinstance(answer, str):
        given = [part for part in answer.split(separator) if part.strip()]
    letters = []
    for one in given:
        text = str(one).strip()
        if how == "letter":
            letters.append(text.upper())
        elif how == "text":
            if options.count(text) != 1:
                raise Rejected("answer not among the options", f"{text!r:.60}")
            letters.append(chr(ord("A") + options.index(text)))
        else:
            place = int(number(one, "answer")) - (how == "index from 1")
            if not 0 <= place < len(options):
                raise Rejected("answer not among the options", f"index {one!r}")
            letters.append(chr(ord("A") + place))
    return tuple(sorted(set(letters)))


def _convert(row: Row, context: Context) -> Iterator[Task]:
    mapping, value = row.value["mapping"], row.value["row"]
    fields = mapping["fields"]

    def get(name: str, default: Any = "") -> Any:
        found = _field(value, fields[name]) if name in fields else None
        return default if found is None else found

    names = fields.get("options", [])
    raw = [value.get(name) for name in names] if isinstance(names, list) else get("options", [])
    if isinstance(raw, dict):
        raw = [raw[key] for key in sorted(raw)]
    options = tuple(str(text).strip() for text in raw if text not in (None, ""))
    kind, unit = Kind(mapping["kind"]), mapping.get("unit", "s")
    fps = Fps(get("fps", mapping.get("fps")), 25.0)
    answer = _field(value, fields["answer"])
    span: tuple[Span, ...] = ()
    native = None
    if "start" in fields and "stop" in fields and get("start") != "":
        start, stop = get("start"), get("stop")
        span = (Span(_seconds(start, unit, fps), _seconds(stop, unit, fps)),)
        frames = unit == "frame"
        native = Native((start, stop), unit, fps.value if frames else 0.0, frames and fps.assumed)
    if answer in (None, "") and kind is not Kind.INTERVAL:
        raise Rejected("no answer")
    clip = str(mapping.get("clips", "{video}")).format(video=get("video"))
    source = mapping.get("source", "mapped")
    yield Task(
        task_id=f"{source}:{row.file}:{get('id', row.number)}",
        kind=kind,
        question=str(get("question")).strip(),
        truth=_truth(kind, answer, mapping, options, span, native),
        media=(Media(relative_path(clip)),),
        options=options,
        evidence=span,
        group=f"{source}/{get('group') or clip}",
        split=str(get("split")),
        sport=str(get("sport", mapping.get("sport", ""))),
        source=source,
        family=str(get("family", mapping.get("family", ""))),
        difficulty=str(get("difficulty")),
        dimension=Dimension(mapping["dimension"]) if "dimension" in mapping else None,
        provenance={"file": row.file, "row": row.number},
    )


def _truth(
    kind: Kind,
    answer: Any,
    mapping: Mapping[str, Any],
    options: tuple[str, ...],
    span: tuple[Span, ...],
    native: Native | None,
) -> Truth:
    separator = mapping.get("separator", "")
    if kind in (Kind.CHOICE, Kind.MULTI_CHOICE, Kind.FEEDBACK):
        how = mapping.get("answer", "text")
        return Truth(labels=_letters(answer, how, options, separator), native=native)
    if kind is Kind.YES_NO:
        words = {"yes": "yes", "true": "yes", "1": "yes", "no": "no", "false": "no", "0": "no"}
        text = str(answer).strip().lower()
        if text not in words:
            raise Rejected("answer is not yes or no", f"{answer!r:.60}")
        return Truth(labels=(words[text],), native=native)
    if kind in (Kind.NUMBER, Kind.RATING):
        low_high = mapping.get("scale")
        return Truth(
            value=number(answer, "answer"),
            tolerance=float(mapping.get("tolerance", 0.0)),
            unit=mapping.get("value_unit", ""),
            scale=(float(low_high[0]), float(low_high[1])) if low_high else None,
            native=native,
        )
    if kind is Kind.INTERVAL:
        return Truth(spans=span, native=native)
    texts = answer if isinstance(answer, list) else [answer]
    if separator and isinstance(answer, str):
        texts = answer.split(separator)
    cleaned = tuple(str(text).strip() for text in texts if str(text).strip())
    if kind is Kind.EVENTS:
        return Truth(labels=cleaned, native=native)
    return Truth(references=cleaned, native=native)


SOURCE = Source(
    name="mapped",
    title="Mapped file (any CSV, JSON or JSON lines)",
    licence="yours",
    citation="",
    url="",
    access="your own questions and clips",
    layout="mapping.toml beside the files that it names; clips relative to the folder",
    sports=(),
    kinds=tuple(Kind),
    published={},
    checked="documentation",
    read=_read,
    convert=_convert,
)
