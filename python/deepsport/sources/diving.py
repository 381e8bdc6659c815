"""A dive, wherever its annotation comes from, and the questions asked about it.

FineDiving contains dives of MTL-AQA, so both give the same group to the same competition video.
Not for reading their files (`finediving`, `mtl_aqa`, `f3set`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deepsport.sources.clock import Fps
from deepsport.sources.interface import Context, Families, Rejected
from deepsport.sources.templates import Template, choices, thin
from deepsport.task import Dimension, Kind, Media, Span, Task, Truth

__all__ = ["Dive", "dive_families", "dive_group", "dive_tasks", "parse_code"]

_TAKE_OFFS = {"1": "forward", "2": "back", "3": "reverse", "4": "inward"}
_POSITIONS = {"a": "straight", "b": "pike", "c": "tuck", "d": "free"}
_EXECUTION_TOLERANCE = 0.5  # judges score in half points

_TAKE_OFF = Template(
    "take-off",
    Dimension.RECOGNITION,
    (
        "How does the diver take off?",
        "Which take-off does this dive start with?",
        "From which take-off is the dive performed?",
    ),
)
_POSITION = Template(
    "body position",
    Dimension.RECOGNITION,
    (
        "In which position is the dive performed?",
        "Which body position does the diver hold in flight?",
        "Name the position of the diver's body in this dive.",
    ),
)
_SOMERSAULTS = Template(
    "somersaults",
    Dimension.RECOGNITION,
    (
        "How many somersaults does the diver turn? Half ones count as 0.5.",
        "Count the somersaults of this dive, in steps of a half.",
    ),
)
_TWISTS = Template(
    "twists",
    Dimension.RECOGNITION,
    (
        "How many twists does the diver turn? Half ones count as 0.5.",
        "Count the twists of this dive, in steps of a half.",
    ),
)
_ARMSTAND = Template(
    "armstand",
    Dimension.RECOGNITION,
    ("Does the dive start from an armstand?", "Is the diver in a handstand before the take-off?"),
)
_NUMBER = Template(
    "dive number",
    Dimension.RULES,
    (
        "Which dive number of the World Aquatics list is this?",
        "What is the code of this dive in the official dive list?",
    ),
)
_PHASES = Template(
    "phases",
    Dimension.RECOGNITION,
    (
        "Name the phases of this dive in their order.",
        "Which phases follow each other in this dive? Give them in order.",
    ),
)
_PHASE_TIME = Template(
    "phase in time",
    Dimension.RECOGNITION,
    (
        "From when to when does the phase '{phase}' last?",
        "When in the video is the phase '{phase}'?",
    ),
)
_EXECUTION = Template(
    "execution",
    Dimension.COACHING,
    (
        "How well is the dive executed? Give the judges' mean score from 0 to 10.",
        "Score the execution of this dive as a judge, from 0 (failed) to 10 (excellent).",
    ),
)
_SCORE = Template(
    "score",
    Dimension.COACHING,
    (
        "Which total score does this dive get, at a degree of difficulty of {difficulty:g}?",
        "With a difficulty of {difficulty:g}, how many points do the judges give for this dive?",
    ),
)
_CHOICES = {
    _TAKE_OFF: "take-off",
    _POSITION: "position",
    _NUMBER: "code",
    _SOMERSAULTS: "somersaults",
}


@dataclass(frozen=True)
class Dive:
    """One dive with what its source says of it; times in frames of its clip.

    Attributes
    ----------
    key : str
        Unique within the source.
    phases : tuple of (str, int)
        Name and first frame (0-based) of each phase, in order.
    frame_count : int
        Frames of the clip, 0 when not known.
    """

    key: str
    media: Media
    group: str
    code: str = ""
    take_off: str = ""
    position: str = ""
    somersaults: float | None = None
    twists: float | None = None
    armstand: bool | None = None
    score: float | None = None
    difficulty: float | None = None
    phases: tuple[tuple[str, int], ...] = ()
    frame_count: int = 0
    split: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


def parse_code(code: str) -> dict[str, Any]:
    """Return what a dive number of the World Aquatics list says.

    ``107b`` is forward, 3.5 somersaults, pike; ``5253b`` twisting, back, 2.5 somersaults, 1.5
    twists; ``6245d`` armstand, back, 2 somersaults, 2.5 twists, free. The digits count halves.

    Raises
    ------
    Rejected
        When it is not a dive number.
    """
    text = code.strip().lower()
    found = re.fullmatch(r"([1-4])[01](\d{1,2})([a-d])", text)
    if found:
        group, halves, position = found.groups()
        return _facts(group, int(halves), 0, position, armstand=False)
    found = re.fullmatch(r"5([1-4])(\d)(\d)([a-d])", text)
    if found:
        group, halves, twists, position = found.groups()
        return _facts(group, int(halves), int(twists), position, armstand=False)
    found = re.fullmatch(r"6([1-4])(\d)(\d?)([a-d])", text)
    if found:
        group, halves, twists, position = found.groups()
        return _facts(group, int(halves), int(twists or 0), position, armstand=True)
    raise Rejected("dive number cannot be read", f"{code!r:.20}")


def _facts(
    group: str, halves: int, twists: int, position: str, *, armstand: bool
) -> dict[str, Any]:
    return {
        "take_off": _TAKE_OFFS[group],
        "somersaults": halves / 2,
        "twists": twists / 2,
        "position": _POSITIONS[position],
        "armstand": armstand,
    }


def dive_group(competition: str) -> str:
    """Return the group of a competition video; MTL-AQA videos have a number as their name."""
    if competition.isdigit():
        return f"diving/mtl-aqa/{int(competition):02d}"
    return f"diving/{competition}"


def dive_families(dives: Iterable[Dive]) -> Families:
    """Count the labels of dives, for distractors."""
    families: dict[str, Counter[str]] = {
        "take-off": Counter(dict.fromkeys(_TAKE_OFFS.values(), 0)),
        "position": Counter(dict.fromkeys(_POSITIONS.values(), 0)),
        "code": Counter(),
        "somersaults": Counter(),
        "twists": Counter(),
        "armstand": Counter(),
    }
    for dive in dives:
        for name, label in _labels(dive).items():
            if label:
                families[name][label] += 1
    return families


def _labels(dive: Dive) -> dict[str, str]:
    """Return the label of a dive in each family, empty where its source does not say."""
    return {
        "take-off": dive.take_off,
        "position": dive.position,
        "code": dive.code.upper(),
        "somersaults": "" if dive.somersaults is None else f"{dive.somersaults:.1f}",
        "twists": "" if dive.twists is None else f"{dive.twists:.1f}",
        "armstand": "" if dive.armstand is None else ("no", "yes")[dive.armstand],
    }


def dive_tasks(
    dive: Dive, context: Context, *, source: str, provenance: Mapping[str, Any], fps: Fps
) -> Iterator[Task | Rejected]:
    """Yield every question that the annotation of a dive can answer."""
    rng = context.random(source, dive.key)

    def task(
        template: Template, kind: Kind, truth: Truth, *, suffix: str = "", **more: Any
    ) -> Task:
        fields = more.pop("fields", {})
        return Task(
            task_id=f"{source}:{template.family}:{dive.key}{suffix}",
            kind=kind,
            question=template.ask(rng, **fields),
            truth=truth,
            media=(dive.media,),
            group=dive.group,
            split=dive.split,
            sport="diving",
            source=source,
            family=template.family,
            dimension=template.dimension,
            provenance={**provenance, **dive.extra},
            **more,
        )

    labels = _labels(dive)
    for template, family in _CHOICES.items():
        if labels[family]:
            try:
                options, letter = choices(rng, labels[family], context.families[family])
                yield task(template, Kind.CHOICE, Truth(labels=(letter,)), options=options)
            except Rejected as verdict:
                yield verdict
    try:
        if dive.twists is not None:
            thin(rng, labels["twists"], context.families["twists"])
            yield task(_TWISTS, Kind.NUMBER, Truth(value=dive.twists))
    except Rejected as verdict:
        yield verdict
    try:
        if dive.armstand is not None:
            thin(rng, labels["armstand"], context.families["armstand"], 2)
            yield task(_ARMSTAND, Kind.YES_NO, Truth(labels=(labels["armstand"],)))
    except Rejected as verdict:
        yield verdict
    if dive.phases:
        yield from _phase_tasks(dive, task, fps, rng.randrange(len(dive.phases)))
    if dive.score is not None and dive.difficulty:
        execution = dive.score / (3 * dive.difficulty)
        if not 0 <= execution <= 10.05:
            yield Rejected("score impossible for its difficulty", f"{dive.score} {dive.difficulty}")
            return
        yield task(
            _EXECUTION,
            Kind.RATING,
            Truth(value=round(execution, 2), tolerance=_EXECUTION_TOLERANCE, scale=(0.0, 10.0)),
        )
        yield task(
            _SCORE,
            Kind.RATING,
            Truth(
                value=dive.score,
                tolerance=round(3 * _EXECUTION_TOLERANCE * dive.difficulty, 2),
                scale=(0.0, round(30 * dive.difficulty, 1)),
                unit="points",
            ),
            fields={"difficulty": dive.difficulty},
        )


def _phase_tasks(dive: Dive, task: Any, fps: Fps, chosen: int) -> Iterator[Task | Rejected]:
    """Yield the phases in order, and one phase in time."""
    names = [name for name, _ in dive.phases]
    starts = [start for _, start in dive.phases]
    if starts != sorted(set(starts)) or starts[-1] >= dive.frame_count > 0:
        yield Rejected("phases out of order or beyond the clip", f"{starts} of {dive.frame_count}")
        return
    stops = [*starts[1:], dive.frame_count or starts[-1] + 1]
    spans = tuple(
        Span(fps.seconds(a), fps.seconds(b), name)
        for a, b, name in zip(starts, stops, names, strict=True)
    )
    yield task(
        _PHASES,
        Kind.EVENTS,
        Truth(labels=tuple(names), spans=spans, native=fps.native(*starts)),
        evidence=spans,
    )
    if names.count(names[chosen]) > 1 or not dive.frame_count:
        yield Rejected("phase not unique or without an end", names[chosen])
        return
    yield task(
        _PHASE_TIME,
        Kind.INTERVAL,
        Truth(spans=(spans[chosen],), native=fps.native(starts[chosen], stops[chosen])),
        evidence=(spans[chosen],),
        suffix=f":{names[chosen]}",
        fields={"phase": names[chosen]},
    )
