"""SoccerReplay-1988, MatchTime and SoccerNet as clip lists (UniSoccer), and raw match files.

A clip is named `{half}_{mm}_{ss}.mp4` and spans 15 seconds before to 15 after that time. Labels
become questions about the action, comments become commentary.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from deepsport.sources.clock import clock_seconds
from deepsport.sources.files import Root, relative_path
from deepsport.sources.interface import Context, Families, Rejected, Row, Source
from deepsport.sources.soccer import event_label, match_group
from deepsport.sources.templates import Template, choices
from deepsport.task import Dimension, Kind, Media, Native, Span, Task, Truth

__all__ = ["SOURCE"]

_CLIP = re.compile(r"(\d)_(\d{1,3})_(\d{2})\.\w+")
_BEFORE_SECONDS = 15.0  # of a 30 s clip (UniSoccer); the event lies near the middle
_EVIDENCE_SECONDS = 5.0  # either side: what the alignment of MatchTime leaves open
_ACTION = Template(
    "action classification",
    Dimension.RECOGNITION,
    (
        "Which event does this soccer clip show?",
        "What happens in this clip of a soccer match?",
        "Which of these events takes place in the clip?",
        "Watch the clip: which event is it about?",
    ),
)
_COMMENT = Template(
    "commentary",
    Dimension.COMMENTARY,
    (
        "Write one or two sentences of live commentary on this clip, without any names.",
        "How would a live commentator describe the main event of this clip? Use no names.",
        "Comment on this moment of the match as a live reporter would, without names.",
    ),
)


def _read(root: Root, settings: Mapping[str, Any]) -> Iterator[Row]:
    """Yield clips; the labels that a clip carries together are joined in its rows."""
    rows: list[Row] = []
    for file in root.find("**/*.json"):
        name = file.rpartition("/")[2]
        if "classification" in name or "caption" in name or "commentary" in name:
            rows += [Row(file, number, value) for number, value in root.json_rows(file)]
        elif "match" in name or "event" in name or name.startswith("Labels"):
            rows += _match_rows(root, file)
    labels: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if isinstance(row.value, dict):
            labels[str(row.value.get("video"))].add(str(row.value.get("caption")))
    for row in rows:
        if isinstance(row.value, dict):
            both = sorted(labels[str(row.value.get("video"))])
            yield Row(row.file, row.number, {**row.value, "labels_of_clip": both})
        else:
            yield row


def _match_rows(root: Root, file: str) -> Iterator[Row]:
    """Turn a raw SoccerReplay-1988 match file into rows of the clip list's form."""
    value = root.json(file)
    events = value.get("event_descriptions") if isinstance(value, dict) else None
    if not isinstance(events, list):
        return
    folder = file.rpartition("/")[0]
    for number, event in enumerate(events):
        try:
            seconds = clock_seconds(event["time_stamp"])
            clip = f"{int(event['half'])}_{int(seconds // 60):02d}_{int(seconds % 60):02d}.mp4"
            yield Row(
                file,
                number,
                {
                    "video": f"{folder}/{clip}",
                    "caption": event["comments_type"],
                    "comments_text": event["comments_text"],
                    "comments_text_anonymized": event["comments_text_anonymized"],
                },
            )
        except (KeyError, TypeError, ValueError, Rejected) as error:
            yield Row(file, number, error)


def _families(rows: Sequence[Row], settings: Mapping[str, Any]) -> Families:
    counts: Counter[str] = Counter()
    for row in rows:
        try:
            counts[event_label(row.value["caption"])] += 1
        except (Rejected, KeyError, TypeError, AttributeError):
            continue
    return {"event": counts}


def _convert(row: Row, context: Context) -> Iterator[Task | Rejected]:
    value = row.value
    path = relative_path(context.settings["prefix"] + value["video"])
    found = _CLIP.fullmatch(path.rpartition("/")[2])
    if not found:
        raise Rejected("clip name without its time", path.rpartition("/")[2])
    seconds = int(found[2]) * 60.0 + int(found[3])
    middle = min(_BEFORE_SECONDS, seconds)
    label = event_label(value["caption"])
    rng = context.random("soccerreplay", path, label, value.get("comments_text_anonymized"))
    shared: dict[str, Any] = {
        "media": (Media(path),),
        "evidence": (
            Span(max(0.0, middle - _EVIDENCE_SECONDS), middle + _EVIDENCE_SECONDS, label),
        ),
        "group": match_group(path),
        "split": _split(row.file),
        "sport": "soccer",
        "source": "soccerreplay",
        "provenance": {"file": row.file, "row": row.number, "label": value["caption"]},
    }
    native = Native((f"{found[1]} - {found[2]}:{found[3]}",), "half - MM:SS")
    try:
        also = _known(value["labels_of_clip"]) - {label}
        options, letter = choices(rng, label, context.families["event"], exclude=also)
        yield Task(
            task_id=f"soccerreplay:action:{path}:{label}:{row.number}",
            kind=Kind.CHOICE,
            question=_ACTION.ask(rng),
            truth=Truth(labels=(letter,), native=native),
            options=options,
            family=_ACTION.family,
            dimension=_ACTION.dimension,
            **shared,
        )
    except Rejected as verdict:
        yield verdict
    comment = value.get("comments_text_anonymized") or ""
    if not comment.strip():
        yield Rejected("no comment to compare with")
        return
    yield Task(
        task_id=f"soccerreplay:commentary:{path}:{label}:{row.number}",
        kind=Kind.TEXT,
        question=_COMMENT.ask(rng),
        truth=Truth(references=(comment.strip(),), native=native),
        family=_COMMENT.family,
        dimension=_COMMENT.dimension,
        **shared,
    )


def _known(labels: Sequence[str]) -> set[str]:
    """Return the labels of a clip that have a name here; the others cannot be offered anyway."""
    known = set()
    for other in labels:
        with suppress(Rejected):
            known.add(event_label(other))
    return known


def _split(file: str) -> str:
    name = file.rpartition("/")[2].lower()
    for word, split in (("train", "train"), ("valid", "validation"), ("test", "test")):
        if word in name:
            return split
    return ""


SOURCE = Source(
    name="soccerreplay",
    title="SoccerReplay-1988, MatchTime and SoccerNet clip lists (UniSoccer)",
    licence="non-commercial; SoccerNet agreement for the media",
    citation="Rao et al., Towards Universal Soccer Video Understanding, CVPR 2025 "
    "(arXiv 2412.01820); Rao et al., MatchTime, EMNLP 2024 (arXiv 2406.18530)",
    url="https://github.com/jyrao/UniSoccer",
    access="clip lists of MatchTime and SoccerNet in the repository; SoccerReplay-1988 by the "
    "agreement form of its Hugging Face page; clips are cut from the half videos",
    layout="*classification*.json lists or raw match files; clips at the path each row names",
    sports=("soccer",),
    kinds=(Kind.CHOICE, Kind.TEXT),
    published={"matches": 1988},
    checked="real files",
    read=_read,
    convert=_convert,
    families=_families,
    settings={"prefix": ""},
)
