"""ShuttleSet and ShuttleSet22: every stroke of badminton matches, rally by rally.

One row is one rally. Stroke names are Chinese in the files; seconds are those of the match video.
The 1,407 strokes of unknown type make no question about their type.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from deepsport.sources.clock import clock_seconds, number
from deepsport.sources.files import Root, relative_path
from deepsport.sources.interface import Context, Families, Rejected, Row, Source
from deepsport.sources.templates import Template, choices, thin
from deepsport.task import Dimension, Kind, Media, Native, Span, Task, Truth

__all__ = ["SOURCE"]

# The authors' translation; 過度切球 is how the files spell 過渡切球, and 未知球種 is "unknown".
_STROKES = {
    "放小球": "net shot", "擋小球": "return net", "殺球": "smash", "點扣": "wrist smash",
    "挑球": "lob", "防守回挑": "defensive return lob", "長球": "clear", "平球": "drive",
    "小平球": "driven flight", "後場抽平球": "back-court drive", "切球": "drop",
    "過渡切球": "passive drop", "過度切球": "passive drop", "推球": "push", "撲球": "rush",
    "防守回抽": "defensive return drive", "勾球": "cross-court net shot",
    "發短球": "short service", "發長球": "long service",
}  # fmt: skip
_UNKNOWN = "未知球種"
_ENDINGS = {
    "出界": "the last shot goes out",
    "掛網": "the last shot hits the net",
    "未過網": "the last shot does not pass the net",
    "對手落地致勝": "the last shot lands in the opponent's court",
    "落點判斷失誤": "a player misjudges where the shuttle lands",
    "對手落地判斷失誤": "a player misjudges where the shuttle lands",
    "犯規": "a fault is called",
}
_COUNT = Template(
    "rally length",
    Dimension.RECOGNITION,
    (
        "How many strokes has the rally between {start} and {stop}, the service included?",
        "Count the strokes of the rally that is played from {start} to {stop}.",
    ),
)
_LAST = Template(
    "last stroke",
    Dimension.RECOGNITION,
    (
        "What is the last stroke of the rally between {start} and {stop}?",
        "With which stroke does the rally from {start} to {stop} end?",
    ),
)
_ENDING = Template(
    "rally ending",
    Dimension.RULES,
    (
        "How does the rally between {start} and {stop} end?",
        "Why is the rally from {start} to {stop} over?",
    ),
)
_ORDER = Template(
    "stroke order",
    Dimension.RECOGNITION,
    (
        "Name the strokes of the rally between {start} and {stop} in their order.",
        "Which strokes follow each other in the rally from {start} to {stop}?",
    ),
)
_MAX_ORDER = 12  # longer rallies make lists that nobody can check


def _read(root: Root, settings: Mapping[str, Any]) -> Iterator[Row]:
    for file in root.find("**/set[123].csv"):
        rows = list(root.csv_rows(file))
        good = [(line, row) for line, row in rows if isinstance(row, dict) and "rally" in row]
        for line, row in rows:
            if not (isinstance(row, dict) and "rally" in row):
                yield Row(file, line, row if isinstance(row, Exception) else {})
        for rally, strokes in groupby(good, key=lambda item: item[1]["rally"]):
            yield Row(file, f"rally {rally}", {"strokes": [row for _, row in strokes]})


def _families(rows: Sequence[Row], settings: Mapping[str, Any]) -> Families:
    strokes: Counter[str] = Counter()
    endings: Counter[str] = Counter()
    lengths: Counter[str] = Counter()
    for row in rows:
        if not isinstance(row.value, dict) or "strokes" not in row.value:
            continue
        last = row.value["strokes"][-1]
        strokes.update(filter(None, [_STROKES.get(last.get("type", ""))]))
        endings.update(filter(None, [_ENDINGS.get(last.get("lose_reason", ""))]))
        lengths[str(len(row.value["strokes"]))] += 1
    return {"stroke": strokes, "ending": endings, "length": lengths}


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _convert(row: Row, context: Context) -> Iterator[Task | Rejected]:
    strokes = row.value["strokes"]
    rounds = [int(number(stroke["ball_round"], "ball_round")) for stroke in strokes]
    if rounds != list(range(1, len(rounds) + 1)):
        raise Rejected("strokes of the rally are not numbered 1, 2, 3", f"{rounds[:8]}")
    times = [clock_seconds(stroke["time"]) for stroke in strokes]
    frames = [number(stroke["frame_num"], "frame_num") for stroke in strokes]
    if times != sorted(times) or frames != sorted(frames):
        raise Rejected("strokes out of order in time", f"{times[:4]}")
    folder, _, name = row.file.rpartition("/")
    match = folder.rpartition("/")[2]
    path = context.settings["clips"].format(match=match)
    start, stop = max(0.0, times[0] - 1.0), times[-1] + 2.0
    rng = context.random("shuttleset", row.file, row.number)
    fields = {"start": _clock(start), "stop": _clock(stop)}
    native = Native(tuple(frames), "frame")

    def task(template: Template, kind: Kind, truth: Truth, **more: Any) -> Task:
        return Task(
            task_id=f"shuttleset:{template.family}:{match}:{name}:{row.number}",
            kind=kind,
            question=template.ask(rng, **fields),
            truth=truth,
            media=(Media(relative_path(path)),),
            evidence=(Span(start, stop, "rally"),),
            group=f"shuttleset/{match}",
            sport="badminton",
            source="shuttleset",
            family=template.family,
            dimension=template.dimension,
            provenance={"file": row.file, "row": row.number},
            **more,
        )

    try:
        thin(rng, str(len(strokes)), context.families["length"])
        yield task(_COUNT, Kind.NUMBER, Truth(value=float(len(strokes)), native=native))
    except Rejected as verdict:
        yield verdict
    names = [_STROKES.get(stroke["type"], "") for stroke in strokes]
    for template, family, label, raw in (
        (_LAST, "stroke", names[-1], strokes[-1]["type"]),
        (_ENDING, "ending", _ENDINGS.get(strokes[-1]["lose_reason"], ""),
         strokes[-1]["lose_reason"]),
    ):  # fmt: skip
        try:
            if not label:
                known = raw in ("", _UNKNOWN)
                raise Rejected(f"{family} not known" if known else "unknown label", f"{raw!r:.40}")
            options, letter = choices(rng, label, context.families[family])
            truth = Truth(labels=(letter,), native=native)
            yield task(template, Kind.CHOICE, truth, options=options)
        except Rejected as verdict:
            yield verdict
    if all(names) and 2 <= len(names) <= _MAX_ORDER:
        spans = tuple(Span(t, t + 1.0, n) for t, n in zip(times, names, strict=True))
        yield task(_ORDER, Kind.EVENTS, Truth(labels=tuple(names), spans=spans, native=native))


SOURCE = Source(
    name="shuttleset",
    title="ShuttleSet, ShuttleSet22",
    licence="MIT (annotations); videos are broadcast footage",
    citation="Wang et al., ShuttleSet: A Human-Annotated Stroke-Level Singles Dataset for "
    "Badminton Tactical Analysis, KDD 2023 (arXiv 2306.04948)",
    url="https://github.com/wywyWang/CoachAI-Projects",
    access="annotations in the repository; videos by the links of match.csv",
    layout="set/<match>/set{1,2,3}.csv; videos as <match>.mp4",
    sports=("badminton",),
    kinds=(Kind.NUMBER, Kind.CHOICE, Kind.EVENTS),
    published={"rallies": 3685, "strokes": 36492, "matches": 44},
    checked="real files",
    read=_read,
    convert=_convert,
    families=_families,
    settings={"clips": "{match}.mp4"},
)
