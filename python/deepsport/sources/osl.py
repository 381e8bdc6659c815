"""OSL JSON v2, in and out: events, classes, captions and questions of the SoccerNet family.

Read from the description of the format; nothing of OpenSportsLib is used. What `export_osl` writes
reads back to equal tasks. Frame rates of 0 and events that all stand at time 0 (seen in old
conversions) are refused with a reason.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deepsport.sources.clock import Fps, number
from deepsport.sources.events import Event, Period, event_families, event_tasks
from deepsport.sources.files import Root, relative_path
from deepsport.sources.interface import Context, Families, Rejected, Row, Source
from deepsport.sources.soccer import match_group
from deepsport.sources.templates import Template, choices
from deepsport.task import Dimension, Kind, Media, Task, Truth

__all__ = ["SOURCE", "export_osl"]

_SPLITS = {"train": "train", "valid": "validation", "val": "validation", "validation": "validation",
           "test": "test"}  # fmt: skip
_CLASS = Template(
    "class",
    Dimension.RECOGNITION,
    (
        "What does this clip show? Choose the {head} that fits.",
        "Which {head} does the clip belong to?",
        "Name the {head} of this clip.",
    ),
)
_OURS = "deepsport_task"


def _read(root: Root, settings: Mapping[str, Any]) -> Iterator[Row]:
    found = False
    for file in root.find("**/*.json"):
        value = root.json(file)
        if not (isinstance(value, dict) and isinstance(value.get("data"), list)):
            continue
        found = True
        name = file.rpartition("/")[2].removesuffix(".json").lower()
        about = {
            "heads": value.get("labels", {}),
            "folder": file.rpartition("/")[0],
            "split": _SPLITS.get(name.rpartition("_")[2].rpartition("-")[2], ""),
        }
        for place, item in enumerate(value["data"]):
            yield Row(file, place, {**about, "item": item})
    if not found:
        root.find("**/*.json with a 'data' list")  # raises: says what was looked for


def _media(item: Mapping[str, Any], folder: str) -> tuple[tuple[Media, ...], Any]:
    inputs = item.get("inputs") or [{"type": "video", "path": item.get("video_path")}]
    videos = [entry for entry in inputs if entry.get("type", "video") == "video"]
    if not videos or not videos[0].get("path"):
        raise Rejected("no video")
    prefix = f"{folder}/" if folder else ""
    media = tuple(
        Media(relative_path(prefix + entry["path"]), view=str(entry.get("view", "")))
        for entry in videos
    )
    return media, videos[0].get("fps")


def _period(row: Row) -> Period:
    value, item = row.value, row.value["item"]
    media, fps_stated = _media(item, value["folder"])
    events = []
    for event in item["events"]:
        seconds = number(event["position_ms"], "position_ms") / 1000
        events.append(Event(seconds, str(event["label"]), str(event.get("team", "")),
                            float(event["position_ms"])))  # fmt: skip
    if len(events) > 1 and not any(event.seconds for event in events):
        stated = Fps(fps_stated, 25.0)
        if stated.assumed or not all("frame" in event for event in item["events"]):
            raise Rejected("all events at time 0", "a conversion without a frame rate")
        events = [
            Event(stated.seconds(raw["frame"]), event.label, event.team, float(raw["frame"]))
            for raw, event in zip(item["events"], events, strict=True)
        ]
    return Period(
        key=str(item["id"]),
        media=media[0],
        group=_group(item, media[0].path),
        events=tuple(events),
        native_unit="ms",
        split=value["split"],
        sport=str(item.get("metadata", {}).get("sport", "")),
    )


def _group(item: Mapping[str, Any], path: str) -> str:
    metadata = item.get("metadata", {})
    game = metadata.get("game_id") or metadata.get("UrlLocal") or metadata.get("match")
    return match_group(str(game)) if game else f"osl/{path.rpartition('.')[0]}"


def _families(rows: Sequence[Row], settings: Mapping[str, Any]) -> Families:
    periods: list[Period] = []
    heads: dict[str, Counter[str]] = {}
    for row in rows:
        try:
            if row.value["item"].get("events"):
                periods.append(_period(row))
            for head, said in row.value["item"].get("labels", {}).items():
                heads.setdefault(f"class {head}", Counter())[str(said["label"])] += 1
        except (Rejected, KeyError, TypeError, AttributeError):
            continue
    return {**event_families(periods), **heads}


def _convert(row: Row, context: Context) -> Iterator[Task | Rejected]:
    value, item = row.value, row.value["item"]
    provenance = {"file": row.file, "row": row.number}
    ours = item.get("metadata", {}).get(_OURS)
    if ours is not None:
        yield Task.from_json(ours)
        return
    if "question" in item:
        yield _question(row, provenance)
        return
    if item.get("events"):
        period = _period(row)
        yield from event_tasks(period, context, source="osl", provenance=provenance)
        return
    if not item.get("labels"):
        raise Rejected("neither question nor events nor labels")
    media, _ = _media(item, value["folder"])
    rng = context.random("osl", row.file, item["id"])
    for head, said in sorted(item["labels"].items()):
        try:
            options, letter = choices(rng, str(said["label"]), context.families[f"class {head}"])
        except Rejected as verdict:
            yield verdict
            continue
        yield Task(
            task_id=f"osl:{head}:{item['id']}",
            kind=Kind.CHOICE,
            question=_CLASS.ask(rng, head=head.replace("_", " ")),
            truth=Truth(labels=(letter,)),
            media=media,
            options=options,
            group=_group(item, media[0].path),
            split=value["split"],
            sport=str(item.get("metadata", {}).get("sport", "")),
            source="osl",
            family=head,
            dimension=_CLASS.dimension,
            provenance=provenance,
        )


def _question(row: Row, provenance: Mapping[str, Any]) -> Task:
    value, item = row.value, row.value["item"]
    media, _ = _media(item, value["folder"])
    metadata = item.get("metadata", {})
    options: tuple[str, ...] = ()
    choice_map = metadata.get("choice_map") or {}
    if choice_map:
        keys = sorted(choice_map, key=lambda key: int(str(key).lstrip("O")))
        options = tuple(str(choice_map[key]) for key in keys)
        right = metadata["correct_option_key"]
        kind, truth = Kind.CHOICE, Truth(labels=(chr(ord("A") + keys.index(right)),))
    elif item.get("allowed_labels") and item.get("ground_truth_label") is not None:
        options = tuple(map(str, item["allowed_labels"]))
        place = options.index(str(item["ground_truth_label"]))
        kind, truth = Kind.CHOICE, Truth(labels=(chr(ord("A") + place),))
    else:
        references = item.get("references") or [item.get("ground_truth_label")]
        kind, truth = Kind.TEXT, Truth(references=tuple(str(text) for text in references if text))
    return Task(
        task_id=f"osl:question:{item['id']}",
        kind=kind,
        question=str(item["question"]).strip(),
        truth=truth,
        media=media,
        options=options,
        group=_group(item, media[0].path),
        split=value["split"],
        sport=str(metadata.get("sport", "")),
        source="osl",
        family=str(metadata.get("category", "question")),
        provenance=provenance,
    )


def export_osl(path: Path | str, tasks: Iterable[Task], *, name: str = "deepsport") -> int:
    """Write tasks as an OSL JSON v2 question manifest; return their number.

    Choices carry `choice_map` and `correct_option_key`, other kinds their references; the whole
    task lies in the metadata as well, so that reading the file back loses nothing.
    """
    data = []
    for task in tasks:
        keys = {letter: f"O{i + 1}" for i, letter in enumerate(task.letters)}
        metadata: dict[str, Any] = {"sport": task.sport, "game_id": task.group,
                                    "category": task.family, _OURS: task.to_json()}  # fmt: skip
        truth = task.truth
        item: dict[str, Any] = {
            "id": task.task_id,
            "inputs": [{"type": "video", "path": m.path, "view": m.view} for m in task.media],
            "question": task.question,
            "references": list(truth.references),
            "metadata": metadata,
        }
        if task.kind is Kind.CHOICE:
            metadata["choice_map"] = dict(zip(keys.values(), task.options, strict=True))
            metadata["correct_option_key"] = keys[truth.labels[0]]
            item["allowed_labels"] = list(task.options)
            item["ground_truth_label"] = task.options[task.letters.index(truth.labels[0])]
        elif truth.labels:
            item["ground_truth_label"] = ", ".join(truth.labels)
        elif truth.value is not None:
            item["ground_truth_label"] = f"{truth.value:g}"
        data.append(item)
    record = {
        "version": "2.0",
        "dataset_name": name,
        "task": "vqa",
        "modalities": ["video"],
        "metadata": {"written_by": "deepsport"},
        "data": data,
    }
    text = json.dumps(record, ensure_ascii=False, indent=1)
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)
    return len(data)


SOURCE = Source(
    name="osl",
    title="OSL JSON v2 (OpenSportsLab data sets)",
    licence="that of the data set",
    citation="OpenSportsLab, OSL JSON v2",
    url="https://github.com/OpenSportsLab",
    access="as each data set says",
    layout="*.json with a 'data' list, media relative to the file",
    sports=(),
    kinds=(Kind.CHOICE, Kind.TEXT, Kind.NUMBER, Kind.INTERVAL),
    published={},
    checked="documentation",
    read=_read,
    convert=_convert,
    families=_families,
)
