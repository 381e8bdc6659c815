"""T3Set: what two coaches would correct in rounds of table tennis training.

A round has one or two videos, summary suggestions on the whole round and live comments with start
and end in seconds. The aspects of both coaches together are the truth; their words are references.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deepsport.errors import SourceFormatError
from deepsport.sources.clock import number
from deepsport.sources.files import Root, relative_path
from deepsport.sources.interface import Context, Families, Rejected, Row, Source
from deepsport.sources.templates import Template, choices
from deepsport.task import Dimension, Kind, Media, Native, Span, Task, Truth

__all__ = ["ASPECTS", "SOURCE"]

# The 25 suggestion keys of the authors' taxonomy, without "others", which says nothing.
ASPECTS = (
    "angle of racket", "backswing of racket", "center of gravity", "grip of racket", "left elbow",
    "left foot", "left hand", "left knee", "left leg", "left shoulder", "left wrist",
    "right elbow", "right finger", "right foot", "right forearm", "right hand", "right knee",
    "right leg", "right shoulder", "right upper arm", "right wrist", "time of striking ball",
    "upper body", "waist",
)  # fmt: skip
_CORRECT = Template(
    "aspects to correct",
    Dimension.COACHING,
    (
        "Which aspects of the player's technique would a table tennis coach correct in this round?",
        "You are the coach: what should this player correct? Choose all aspects that apply.",
    ),
)
_MOMENT = Template(
    "aspects in a moment",
    Dimension.COACHING,
    (
        "Look at the strokes from second {start:.1f} to {stop:.1f}. What would a coach correct?",
        "Which aspects need correcting between second {start:.1f} and second {stop:.1f}?",
    ),
)
_ADVICE = Template(
    "advice",
    Dimension.COACHING,
    (
        "What advice would a coach give this player after the round?",
        "Give the player the feedback of a coach on this training round.",
    ),
)
_TECHNIQUE = Template(
    "technique",
    Dimension.RECOGNITION,
    (
        "Which table tennis technique is trained in this round?",
        "Which stroke does the player practise in this video?",
    ),
)
_COMMENTS = ("summary_suggestions", "live_comments")


def _read(root: Root, settings: Mapping[str, Any]) -> Iterator[Row]:
    videos = root.glob("**/video/*/*.mp4")
    rounds: dict[str, dict[str, list[Any]]] = {}
    for file in root.find(*(f"**/{kind}/coach_comment_[12].json" for kind in _COMMENTS)):
        parts = file.split("/")
        folder = "/".join(parts[:-2]).removesuffix("/coach_suggestions")
        entry = rounds.setdefault(folder, {kind: [] for kind in _COMMENTS})
        try:
            entry[parts[-2]].append(root.json(file))
        except SourceFormatError as error:
            yield Row(file, 0, error)
    for folder, entry in sorted(rounds.items()):
        seen = [video for video in videos if video.startswith(f"{folder}/video/")]
        yield Row(folder, 0, {**entry, "videos": seen})


def _aspect(item: Mapping[str, Any]) -> str:
    key = str(item.get("suggestion_key", "")).replace("_", " ").strip().lower()
    return key if key in ASPECTS else ""


def _families(rows: Sequence[Row], settings: Mapping[str, Any]) -> Families:
    techniques: Counter[str] = Counter()
    for row in rows:
        parts = row.file.split("/")
        if isinstance(row.value, dict) and len(parts) >= 2:
            techniques[parts[-2]] += 1
    return {"technique": techniques}


def _convert(row: Row, context: Context) -> Iterator[Task | Rejected]:
    parts = row.file.split("/")
    if len(parts) < 3:
        raise Rejected("folder is not player/technique/round", row.file)
    player, technique = parts[-3], parts[-2]
    media = tuple(
        Media(relative_path(path), view=path.split("/")[-2])
        for path in sorted(row.value["videos"], key=lambda path: "/remote/" not in path)
    ) or (Media(f"{row.file}/video/remote/video.mp4", view="remote"),)
    rng = context.random("t3set", row.file)

    def task(template: Template, kind: Kind, truth: Truth, suffix: str = "", **more: Any) -> Task:
        fields = more.pop("fields", {})
        return Task(
            task_id=f"t3set:{template.family}:{row.file}{suffix}",
            kind=kind,
            question=template.ask(rng, **fields),
            truth=truth,
            media=media,
            group=f"t3set/{player}",
            sport="table tennis",
            source="t3set",
            family=template.family,
            dimension=template.dimension,
            provenance={"file": row.file, "row": row.number},
            **more,
        )

    coaches = [[item for item in said if isinstance(item, dict)]
               for said in row.value["summary_suggestions"]]  # fmt: skip
    options = rng.sample(ASPECTS, len(ASPECTS))
    named = {aspect for said in coaches for aspect in map(_aspect, said) if aspect}
    try:
        right, letter = choices(rng, technique, context.families["technique"])
        yield task(_TECHNIQUE, Kind.CHOICE, Truth(labels=(letter,)), options=right)
    except Rejected as verdict:
        yield verdict
    if named:
        truth = Truth(labels=_letters(options, named))
        yield task(_CORRECT, Kind.FEEDBACK, truth, options=tuple(options))
    else:
        yield Rejected("no aspect named by a coach")
    advice = [
        " ".join(str(item.get("comment_en") or item.get("text") or "").strip() for item in said)
        for said in coaches
    ]
    advice = [text.strip() for text in advice if text.strip()]
    if advice:
        yield task(_ADVICE, Kind.TEXT, Truth(references=tuple(advice)))
    else:
        yield Rejected("no advice in words")
    yield from _moments(row.value["live_comments"], task, options)


def _letters(options: Sequence[str], named: set[str]) -> tuple[str, ...]:
    return tuple(chr(ord("A") + i) for i, option in enumerate(options) if option in named)


def _moments(live: Sequence[Any], task: Any, options: Sequence[str]) -> Iterator[Task | Rejected]:
    """Yield one task a stretch of time that coaches commented on; overlapping ones are joined."""
    comments = []
    for said in live:
        for item in said:
            if isinstance(item, dict) and _aspect(item):
                try:
                    start, stop = number(item["start"], "start"), number(item["end"], "end")
                except (Rejected, KeyError) as error:
                    yield Rejected("live comment without its time", str(error))
                    continue
                if stop < start:
                    yield Rejected("live comment ends before it starts", f"{start} > {stop}")
                    continue
                comments.append((start, stop, _aspect(item)))
    stretches: list[tuple[float, float, set[str]]] = []
    for start, stop, aspect in sorted(comments):
        if stretches and start < stretches[-1][1]:
            first, last, aspects = stretches[-1]
            stretches[-1] = (first, max(last, stop), aspects | {aspect})
        else:
            stretches.append((start, stop, {aspect}))
    for start, stop, aspects in stretches:
        truth = Truth(labels=_letters(options, aspects), native=Native((start, stop), "s"))
        yield task(
            _MOMENT,
            Kind.FEEDBACK,
            truth,
            f":{start:.3f}",
            options=tuple(options),
            evidence=(Span(start, stop, ", ".join(sorted(aspects))),),
            fields={"start": start, "stop": stop},
        )


SOURCE = Source(
    name="t3set",
    title="T3Set",
    licence="CC BY-NC-SA 4.0",
    citation="Ma et al., T3Set: A Multimodal Dataset with Targeted Suggestions for LLM-based "
    "Virtual Coach in Table Tennis Training, KDD 2025 (doi 10.1145/3711896.3737407)",
    url="https://github.com/jima-cs/T3Set",
    access="Zenodo record 15516144",
    layout="<player>/<technique>/round_NN/[coach_suggestions/]{summary_suggestions,live_comments}/"
    "coach_comment_{1,2}.json, videos in round_NN/video/{remote,right}",
    sports=("table tennis",),
    kinds=(Kind.FEEDBACK, Kind.TEXT, Kind.CHOICE),
    published={"players": 32, "rounds": 380, "suggestions": 8395},
    checked="documentation",
    read=_read,
    convert=_convert,
    families=_families,
)
