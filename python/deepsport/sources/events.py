"""Questions about a half or a period with events on its clock: how many, when, what, what then.

Shared by the sources that list the events of whole videos (SoccerNet, StatsBomb, OSL). Not for
reading their files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepsport.sources.interface import Context, Families, Rejected
from deepsport.sources.templates import Template, choices, thin
from deepsport.task import Dimension, Kind, Media, Native, Span, Task, Truth

__all__ = ["Event", "Period", "event_families", "event_tasks"]

_AROUND_SECONDS = 5.0
_COUNT = Template(
    "event count",
    Dimension.RECOGNITION,
    ("How often does '{label}' happen in this video?", "Count the events '{label}' in the video."),
)
_WHEN = Template(
    "event time",
    Dimension.RECOGNITION,
    (
        "When does '{label}' happen? It happens once in the video.",
        "Find the only '{label}' of this video in time.",
    ),
)
_WHAT = Template(
    "event at a time",
    Dimension.RECOGNITION,
    (
        "Which event takes place at {clock} of the video?",
        "What happens at {clock} in this video?",
    ),
)
_NEXT = Template(
    "next event",
    Dimension.RECOGNITION,
    (
        "At {clock} of the video there is '{label}'. Which of these comes next?",
        "Which event follows the '{label}' at {clock}?",
    ),
)
_WHOSE = Template(
    "team of an event",
    Dimension.RECOGNITION,
    (
        "Which team has the '{label}' at {clock} of the video?",
        "For which team is the '{label}' at {clock}?",
    ),
)


@dataclass(frozen=True)
class Event:
    """One event: seconds from the start of its video, label, team, and the time as published."""

    seconds: float
    label: str
    team: str = ""
    native: str | float = ""


@dataclass(frozen=True)
class Period:
    """The events of one video.

    Attributes
    ----------
    key : str
        Unique within the source.
    teams : tuple of str
        Names to choose from for the team of an event; empty when not known.
    """

    key: str
    media: Media
    group: str
    events: tuple[Event, ...]
    native_unit: str
    teams: tuple[str, ...] = ()
    split: str = ""
    sport: str = "soccer"


def event_families(periods: Iterable[Period]) -> Families:
    """Count labels, and how often each number of a label is the answer."""
    labels: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for period in periods:
        here = Counter(event.label for event in period.events)
        labels.update(here)
        counts.update(str(n) for n in here.values())
    return {"event": labels, "count": counts}


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


def event_tasks(
    period: Period,
    context: Context,
    *,
    source: str,
    provenance: Mapping[str, Any],
    per_label: int = 1,
) -> Iterator[Task | Rejected]:
    """Yield the questions of a period: one of each kind a label, chosen by the seed."""
    rng = context.random(source, period.key)
    events = sorted(period.events, key=lambda event: event.seconds)

    def task(
        template: Template, kind: Kind, truth: Truth, seen: Sequence[Event], **more: Any
    ) -> Task:
        fields = more.pop("fields", {})
        return Task(
            task_id=f"{source}:{template.family}:{period.key}:{fields.get('label', '')}"
            f":{seen[0].seconds:.3f}",
            kind=kind,
            question=template.ask(rng, **fields),
            truth=truth,
            media=(period.media,),
            evidence=tuple(_around(event) for event in seen),
            group=period.group,
            split=period.split,
            sport=period.sport,
            source=source,
            family=template.family,
            dimension=template.dimension,
            provenance=provenance,
            **more,
        )

    for label in sorted({event.label for event in events}):
        here = [event for event in events if event.label == label]
        native = Native(tuple(event.native for event in here), period.native_unit)
        try:
            thin(rng, str(len(here)), context.families["count"])
            truth = Truth(value=float(len(here)), native=native)
            yield task(_COUNT, Kind.NUMBER, truth, here, fields={"label": label})
        except Rejected as verdict:
            yield verdict
        if len(here) == 1:
            truth = Truth(spans=(_around(here[0]),), native=native)
            yield task(_WHEN, Kind.INTERVAL, truth, here, fields={"label": label})
        for event in rng.sample(here, min(per_label, len(here))):
            yield from _at_a_time(event, events, period, context, rng, task)


def _around(event: Event) -> Span:
    start = max(0.0, event.seconds - _AROUND_SECONDS)
    return Span(start, event.seconds + _AROUND_SECONDS, event.label)


def _at_a_time(
    event: Event,
    events: Sequence[Event],
    period: Period,
    context: Context,
    rng: Any,
    task: Callable[..., Task],
) -> Iterator[Task | Rejected]:
    near = {e.label for e in events if abs(e.seconds - event.seconds) < 2 * _AROUND_SECONDS}
    native = Native((event.native,), period.native_unit)
    clock = _clock(event.seconds)
    try:
        options, letter = choices(
            rng, event.label, context.families["event"], exclude=near - {event.label}
        )
        truth = Truth(labels=(letter,), native=native)
        yield task(_WHAT, Kind.CHOICE, truth, [event], options=options, fields={"clock": clock})
    except Rejected as verdict:
        yield verdict
    after = [e for e in events if e.seconds > event.seconds]
    if after and after[0].label != event.label:
        try:
            options, letter = choices(rng, after[0].label, context.families["event"])
            truth = Truth(labels=(letter,), native=native)
            fields = {"clock": clock, "label": event.label}
            yield task(_NEXT, Kind.CHOICE, truth, [event, after[0]], options=options, fields=fields)
        except Rejected as verdict:
            yield verdict
    if event.team and event.team in period.teams and len(period.teams) == 2:
        teams = tuple(rng.sample(period.teams, 2))
        letter = "AB"[teams.index(event.team)]
        fields = {"clock": clock, "label": event.label}
        yield task(
            _WHOSE,
            Kind.CHOICE,
            Truth(labels=(letter,), native=native),
            [event],
            options=teams,
            fields=fields,
        )
