"""StatsBomb open events: 3,000 events a match with clock, player and place, as questions.

One row is one period of a match. Videos are yours: StatsBomb publishes none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deepsport.sources.clock import clock_seconds
from deepsport.sources.events import Event, Period, event_families, event_tasks
from deepsport.sources.files import Root, relative_path
from deepsport.sources.interface import Context, Families, Rejected, Row, Source
from deepsport.task import Kind, Media, Task

__all__ = ["SOURCE"]

_SET_PIECES = {"Corner": "corner", "Free Kick": "free kick", "Throw-in": "throw-in",
               "Goal Kick": "goal kick"}  # fmt: skip


def _read(root: Root, settings: Mapping[str, Any]) -> Iterator[Row]:
    for file in root.find("**/*.json", "**/*.json.gz"):
        value = root.json(file)
        if not (isinstance(value, list) and value and isinstance(value[0], dict)):
            continue
        if "type" not in value[0] or "period" not in value[0]:
            continue  # line-ups, matches, competitions
        periods: dict[Any, list[Any]] = defaultdict(list)
        for event in value:
            periods[event.get("period")].append(event)
        for number, events in periods.items():
            yield Row(file, f"period {number}", {"period": number, "events": events})


def _label(event: Mapping[str, Any]) -> str:
    """Return what a viewer would call the event, empty for bookkeeping and continuous play."""
    kind = event["type"]["name"]
    if kind == "Shot":
        return "goal" if event["shot"]["outcome"]["name"] == "Goal" else "shot without a goal"
    if kind == "Pass":
        return _SET_PIECES.get(event["pass"].get("type", {}).get("name", ""), "")
    if kind in ("Foul Committed", "Bad Behaviour"):
        details = event.get("foul_committed") or event.get("bad_behaviour") or {}
        card = details.get("card", {}).get("name", "")
        if card:
            return card.lower()
        return "foul" if kind == "Foul Committed" else ""
    return {
        "Substitution": "substitution",
        "Offside": "offside",
        "Injury Stoppage": "injury",
        "Own Goal Against": "own goal",
    }.get(kind, "")


def _period(row: Row, settings: Mapping[str, Any]) -> Period:
    match = row.file.rpartition("/")[2].partition(".")[0]
    number = int(row.value["period"])
    teams, events = [], []
    for event in row.value["events"]:
        team = event["team"]["name"]
        if team not in teams:
            teams.append(team)
        label = _label(event)
        if label:
            events.append(Event(clock_seconds(event["timestamp"]), label, team, event["timestamp"]))
    path = settings["clips"].format(match=match, period=number)
    return Period(
        key=f"{match}:{number}",
        media=Media(relative_path(path)),
        group=f"soccer/statsbomb {match}",
        events=tuple(events),
        native_unit="HH:MM:SS in the period",
        teams=tuple(teams),
    )


def _families(rows: Sequence[Row], settings: Mapping[str, Any]) -> Families:
    periods = []
    for row in rows:
        try:
            periods.append(_period(row, settings))
        except (Rejected, KeyError, TypeError, ValueError, AttributeError):
            continue
    return event_families(periods)


def _convert(row: Row, context: Context) -> Iterator[Task | Rejected]:
    period = _period(row, context.settings)
    if not period.events:
        raise Rejected("no event that a viewer would name")
    provenance = {"file": row.file, "row": row.number}
    yield from event_tasks(
        period,
        context,
        source="statsbomb",
        provenance=provenance,
        per_label=context.settings["per_label"],
    )


SOURCE = Source(
    name="statsbomb",
    title="StatsBomb open data",
    licence="non-commercial, name StatsBomb as the source",
    citation="StatsBomb Open Data, https://github.com/statsbomb/open-data",
    url="https://github.com/statsbomb/open-data",
    access="events from the repository; videos are your own, cut to one file a period that starts "
    "with the whistle",
    layout="events/<match>.json or .json.gz; videos as <match>_<period>.mp4",
    sports=("soccer",),
    kinds=(Kind.NUMBER, Kind.INTERVAL, Kind.CHOICE),
    published={},
    checked="real files",
    read=_read,
    convert=_convert,
    families=_families,
    settings={"clips": "{match}_{period}.mp4", "per_label": 3},
)
