"""F3Set: events in frames, for tennis rallies and for its conversion of FineDiving.

Tennis labels have eight parts: side, court, stroke, hand, technique, direction, approach, outcome.
Files of other sports become questions about the order and number of events. A frame rate of -1 is
replaced by 25 and marked as assumed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deepsport.sources.clock import Fps, number
from deepsport.sources.diving import Dive, dive_families, dive_group, dive_tasks, parse_code
from deepsport.sources.files import Root, relative_path
from deepsport.sources.interface import Context, Families, Rejected, Row, Source
from deepsport.sources.templates import Template, choices, thin
from deepsport.task import Dimension, Kind, Media, Span, Task, Truth

__all__ = ["SOURCE"]

_SPLITS = {"train": "train", "val": "validation", "test": "test"}
_STROKES = {"gs": "ground stroke", "slice": "slice", "volley": "volley", "lob": "lob",
            "drop": "drop shot", "smash": "smash"}  # fmt: skip
_DIRECTIONS = {
    "T": "down the centre line (T)",
    "B": "at the body",
    "W": "out wide",
    "CC": "cross-court",
    "DL": "down the line",
    "DM": "down the middle",
    "II": "inside-in",
    "IO": "inside-out",
}
_SERVES = ("T", "B", "W")
_HANDS = {"fh": "no", "bh": "yes"}  # the question asks for the backhand
_OUTCOMES = {
    "winner": "a winner",
    "forced-err": "a forced error",
    "unforced-err": "an unforced error",
}
_COUNT = Template(
    "stroke count",
    Dimension.RECOGNITION,
    (
        "How many strokes are played in this rally, the serve included?",
        "Count all strokes of the rally, beginning with the serve.",
    ),
)
_ENDING = Template(
    "rally ending",
    Dimension.RULES,
    ("How does the rally end?", "What is the last stroke of this rally?"),
)
_LAST = Template(
    "last player",
    Dimension.RECOGNITION,
    (
        "Which player hits the last stroke of the rally?",
        "Who plays the final stroke, the player near the camera or the one far from it?",
    ),
)
_SERVE = Template(
    "serve direction",
    Dimension.RECOGNITION,
    ("Where does the serve go?", "In which direction is the serve played?"),
)
_TECHNIQUE = Template(
    "stroke technique",
    Dimension.RECOGNITION,
    (
        "Which stroke is number {n} of the rally (the serve is number 1)?",
        "Count from the serve as 1: what kind of stroke is stroke {n}?",
    ),
)
_DIRECTION = Template(
    "stroke direction",
    Dimension.RECOGNITION,
    (
        "In which direction is stroke {n} of the rally played (the serve is number 1)?",
        "Where does stroke number {n} go, the serve being number 1?",
    ),
)
_BACKHAND = Template(
    "hand",
    Dimension.RECOGNITION,
    (
        "Is stroke {n} of the rally a backhand (the serve is number 1)?",
        "Counting the serve as 1, is stroke number {n} hit with the backhand?",
    ),
)
_WHEN = Template(
    "stroke time",
    Dimension.RECOGNITION,
    (
        "At which second of the video is stroke {n} hit (the serve is number 1)?",
        "When, in seconds, does the racket hit the ball for stroke {n}, the serve being 1?",
    ),
)
_ORDER = Template(
    "event order",
    Dimension.RECOGNITION,
    ("Name the events of this clip in their order.", "Which events follow each other here?"),
)
_SIDES = ("near the camera", "far from the camera")
_TOLERANCE_SECONDS = 0.2


def _read(root: Root, settings: Mapping[str, Any]) -> Iterator[Row]:
    for file in root.find("**/train.json", "**/val.json", "**/test.json"):
        for number_, value in root.json_rows(file):
            yield Row(file, number_, value)


def _is_dive(value: Mapping[str, Any]) -> bool:
    return "action_type" in value.get("_source_info", {})


def _dive(row: Row, settings: Mapping[str, Any]) -> Dive:
    value, info = row.value, row.value["_source_info"]
    competition = value["video"].partition("__")[0]
    path = settings["clips"].format(folder=row.file.rpartition("/")[0], video=value["video"])
    return Dive(
        key=value["video"],
        media=Media(relative_path(path.lstrip("/"))),
        group=dive_group(competition),
        code=info["action_type"],
        score=number(info["dive_score"], "score"),
        difficulty=number(info["difficulty"], "difficulty"),
        phases=tuple(
            (re.sub(r"^0 ", "", event["label"]), int(event["frame"]) - 1)
            for event in value["events"]
        ),
        frame_count=int(value["num_frames"]),
        split=_split(row.file),
        **parse_code(info["action_type"]),
    )


def _split(file: str) -> str:
    return _SPLITS[file.rpartition("/")[2].removesuffix(".json")]


def _families(rows: Sequence[Row], settings: Mapping[str, Any]) -> Families:
    counts: dict[str, Counter[str]] = {"technique": Counter(), "direction": Counter(),
                                       "serve": Counter(), "ending": Counter(),
                                       "count": Counter(), "hand": Counter()}  # fmt: skip
    dives = []
    for row in rows:
        try:
            if _is_dive(row.value):
                dives.append(_dive(row, settings))
                continue
            strokes = [_stroke(event) for event in row.value["events"]]
        except (Rejected, KeyError, TypeError, ValueError, AttributeError):
            continue
        for stroke in strokes:
            if stroke["direction"] in _SERVES:
                counts["serve"][_DIRECTIONS[stroke["direction"]]] += 1
            else:
                counts["direction"][_DIRECTIONS[stroke["direction"]]] += 1
                counts["technique"][_STROKES[stroke["technique"]]] += 1
            if stroke["hand"] in _HANDS:
                counts["hand"][_HANDS[stroke["hand"]]] += 1
        counts["count"][str(len(strokes))] += 1
        ending = strokes[-1]["outcome"] if strokes else ""
        if ending in _OUTCOMES:
            counts["ending"][_OUTCOMES[ending]] += 1
    return {**counts, **dive_families(dives)}


def _stroke(event: Mapping[str, Any]) -> dict[str, str]:
    parts = str(event["label"]).split("_")
    names = ("side", "court", "stroke", "hand", "technique", "direction", "approach", "outcome")
    if len(parts) != len(names) or parts[0] not in ("near", "far"):
        raise Rejected("not a tennis label", f"{event['label']!r:.80}")
    stroke = dict(zip(names, parts, strict=True))
    known = stroke["direction"] in _DIRECTIONS and (
        stroke["stroke"] == "serve" or stroke["technique"] in _STROKES
    )
    if not known:
        raise Rejected("unknown label", f"{event['label']!r:.80}")
    return stroke


def _convert(row: Row, context: Context) -> Iterator[Task | Rejected]:
    value = row.value
    fps = Fps(value["fps"], context.settings["fps"])
    provenance = {"file": row.file, "row": row.number}
    if _is_dive(value):
        dive = _dive(row, context.settings)
        yield from dive_tasks(dive, context, source="f3set", provenance=provenance, fps=fps)
        return
    frames = [int(event["frame"]) for event in value["events"]]
    if not frames:
        raise Rejected("no events")
    if frames != sorted(set(frames)):
        raise Rejected("events out of order", f"{frames[:6]}")
    if frames[-1] >= int(value["num_frames"]):
        raise Rejected("event beyond the clip", f"{frames[-1]} of {value['num_frames']}")
    rng = context.random("f3set", row.file, value["video"])
    folder = row.file.rpartition("/")[0]
    path = context.settings["clips"].format(folder=folder, video=value["video"]).lstrip("/")
    tennis = str(value["events"][0]["label"]).count("_") == 7
    sport = "tennis" if tennis else (folder.rpartition("/")[2] or "unknown")
    match = re.sub(r"_\d+_\d+$", "", value["video"])

    def task(template: Template, kind: Kind, truth: Truth, *seen: int, **more: Any) -> Task:
        fields = more.pop("fields", {})
        spans = tuple(
            Span(max(0.0, fps.seconds(f) - 0.5), fps.seconds(f) + 0.5) for f in (seen or frames)
        )
        return Task(
            task_id=f"f3set:{template.family}:{folder}:{value['video']}:{fields.get('n', '')}",
            kind=kind,
            question=template.ask(rng, **fields),
            truth=truth,
            media=(Media(relative_path(path)),),
            evidence=spans,
            group=f"f3set/{match}",
            split=_split(row.file),
            sport=sport,
            source="f3set",
            family=template.family,
            dimension=template.dimension,
            provenance=provenance,
            **more,
        )

    native = fps.native(*frames)
    if not tennis:
        labels = tuple(str(event["label"]) for event in value["events"])
        spans = tuple(Span(fps.seconds(f), fps.seconds(f + 1)) for f in frames)
        yield task(_ORDER, Kind.EVENTS, Truth(labels=labels, spans=spans, native=native))
        return
    strokes = [_stroke(event) for event in value["events"]]
    last, families = strokes[-1], context.families
    letter = "AB"[last["side"] == "far"]
    yield task(_LAST, Kind.CHOICE, Truth(labels=(letter,)), frames[-1], options=_SIDES)
    n = rng.randrange(1, len(strokes)) if len(strokes) > 1 else 0
    numbered = {"n": n + 1}
    for template, family, label, at, fields in (
        (_ENDING, "ending", _OUTCOMES.get(last["outcome"], ""), len(strokes) - 1, {}),
        (_SERVE, "serve", _serve(strokes[0]), 0, {}),
        (_TECHNIQUE, "technique", _STROKES.get(strokes[n]["technique"], ""), n, numbered),
        (_DIRECTION, "direction", _DIRECTIONS[strokes[n]["direction"]] if n else "", n, numbered),
    ):
        if label:
            try:
                options, letter = choices(rng, label, families[family])
                truth = Truth(labels=(letter,), native=fps.native(frames[at]))
                yield task(template, Kind.CHOICE, truth, frames[at], options=options, fields=fields)
            except Rejected as verdict:
                yield verdict
    try:
        thin(rng, str(len(strokes)), families["count"])
        yield task(_COUNT, Kind.NUMBER, Truth(value=float(len(strokes)), native=native))
    except Rejected as verdict:
        yield verdict
    hand = _HANDS.get(strokes[n]["hand"])
    if n and hand:
        try:
            thin(rng, hand, families["hand"], 2)
            truth = Truth(labels=(hand,), native=fps.native(frames[n]))
            yield task(_BACKHAND, Kind.YES_NO, truth, frames[n], fields=numbered)
        except Rejected as verdict:
            yield verdict
    if n:
        when = Truth(
            value=round(fps.seconds(frames[n]), 3),
            tolerance=_TOLERANCE_SECONDS,
            unit="s",
            native=fps.native(frames[n]),
        )
        yield task(_WHEN, Kind.NUMBER, when, frames[n], fields=numbered)


def _serve(stroke: Mapping[str, str]) -> str:
    serve = stroke["stroke"] == "serve" and stroke["direction"] in _SERVES
    return _DIRECTIONS[stroke["direction"]] if serve else ""


SOURCE = Source(
    name="f3set",
    title="F3Set (tennis; FineDiving and other conversions)",
    licence="repository licence for the annotations; videos are broadcast footage",
    citation="Liu et al., F3Set: Towards Analyzing Fast, Frequent, and Fine-grained Events from "
    "Videos, ICLR 2025 (arXiv 2504.08222)",
    url="https://github.com/F3Set/F3Set",
    access="annotations in the repository; videos by their YouTube ids in videos.csv",
    layout="<set>/{train,val,test}.json; clips as <set>/<video>.mp4",
    sports=("tennis", "diving"),
    kinds=(Kind.CHOICE, Kind.NUMBER, Kind.YES_NO, Kind.EVENTS, Kind.INTERVAL, Kind.RATING),
    published={"tennis rallies": 11584},
    checked="real files",
    read=_read,
    convert=_convert,
    families=_families,
    settings={"fps": 25.0, "clips": "{folder}/{video}.mp4"},
)
