"""SoccerNet action spotting and dense captions: events and comments on the clock of a half.

`position` is a text of milliseconds from the start of the half. Labels that are not shown in the
video make no question.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deepsport.sources.clock import half_and_seconds, number
from deepsport.sources.events import Event, Period, event_families, event_tasks
from deepsport.sources.files import Root, relative_path
from deepsport.sources.interface import Context, Families, Rejected, Row, Source
from deepsport.sources.soccer import BALL_EVENTS, SOCCERNET_EVENTS, match_group, slug
from deepsport.sources.templates import Template
from deepsport.task import Dimension, Kind, Media, Native, Span, Task, Truth

__all__ = ["SOURCE"]

_LABELS = {slug(label): label for label in (*SOCCERNET_EVENTS, *BALL_EVENTS)}
_COMMENT = Template(
    "commentary",
    Dimension.COMMENTARY,
    (
        "Write the live commentary for what happens at {clock} of this half. Use no names.",
        "What would a commentator say at {clock} of the video, without naming anybody?",
    ),
)
_COMMENT_SECONDS = 15.0


def _read(root: Root, settings: Mapping[str, Any]) -> Iterator[Row]:
    splits = _splits(root)
    for file in root.find("**/Labels-v2.json", "**/Labels-caption*.json", "**/Labels-ball.json"):
        value = root.json(file)
        folder = file.rpartition("/")[0]
        if not isinstance(value, dict) or not isinstance(value.get("annotations"), list):
            yield Row(file, 0, Rejected("file without annotations"))
            continue
        about = {
            "folder": folder,
            "split": splits.get(folder.split("/")[-1], ""),
            "url": value.get("UrlLocal", folder),
        }
        if "caption" in file.rpartition("/")[2]:
            for place, item in enumerate(value["annotations"]):
                yield Row(file, place, {**about, "comment": item})
        else:
            halves: dict[int, list[Any]] = defaultdict(list)
            for place, item in enumerate(value["annotations"]):
                try:
                    halves[half_and_seconds(item["gameTime"])[0]].append(item)
                except (Rejected, KeyError, TypeError) as error:
                    yield Row(file, place, error)
            for half, items in sorted(halves.items()):
                yield Row(file, f"half {half}", {**about, "half": half, "items": items})


def _splits(root: Root) -> dict[str, str]:
    """Return match folder to split, of the official game lists where they lie beside."""
    found: dict[str, str] = {}
    for name, split in (("Train", "train"), ("Valid", "validation"), ("Test", "test")):
        for file in root.glob(f"**/SoccerNetGames{name}.json"):
            for seasons in root.json(file).values():
                for games in seasons.values():
                    found.update(dict.fromkeys(games, split))
    return found


def _period(row: Row, settings: Mapping[str, Any]) -> Period:
    value = row.value
    events = []
    for item in value["items"]:
        label = _LABELS.get(slug(item["label"]))
        if label and item.get("visibility", "visible") == "visible":
            seconds = number(item["position"], "position") / 1000
            events.append(Event(seconds, label, item.get("team", ""), item["gameTime"]))
    path = settings["clips"].format(folder=value["folder"], half=value["half"]).lstrip("/")
    return Period(
        key=f"{value['folder']}:{value['half']}:{row.file.rpartition('/')[2]}",
        media=Media(relative_path(path)),
        group=match_group(value["url"] or value["folder"]),
        events=tuple(events),
        native_unit="half - MM:SS",
        split=value["split"],
    )


def _families(rows: Sequence[Row], settings: Mapping[str, Any]) -> Families:
    periods = []
    for row in rows:
        try:
            if "items" in row.value:
                periods.append(_period(row, settings))
        except (Rejected, KeyError, TypeError, AttributeError):
            continue
    return event_families(periods)


def _convert(row: Row, context: Context) -> Iterator[Task | Rejected]:
    provenance = {"file": row.file, "row": row.number}
    if "items" not in row.value:
        yield _comment(row, context)
        return
    unknown = {item["label"] for item in row.value["items"] if slug(item["label"]) not in _LABELS}
    for label in sorted(unknown):
        yield Rejected("unknown label", f"{label!r:.60}")
    period = _period(row, context.settings)
    if not period.events:
        raise Rejected("no visible event in this half")
    yield from event_tasks(period, context, source="soccernet", provenance=provenance)


def _comment(row: Row, context: Context) -> Task:
    value, item = row.value, row.value["comment"]
    half, _ = half_and_seconds(item["gameTime"])
    seconds = number(item["position"], "position") / 1000
    text = (item.get("anonymized") or "").strip()
    if not text:
        raise Rejected("no comment to compare with")
    path = context.settings["clips"].format(folder=value["folder"], half=half).lstrip("/")
    rng = context.random("soccernet", row.file, row.number)
    return Task(
        task_id=f"soccernet:commentary:{row.file}:{row.number}",
        kind=Kind.TEXT,
        question=_COMMENT.ask(rng, clock=f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"),
        truth=Truth(references=(text,), native=Native((item["gameTime"],), "half - MM:SS")),
        media=(Media(relative_path(path)),),
        evidence=(
            Span(
                max(0.0, seconds - _COMMENT_SECONDS),
                seconds + _COMMENT_SECONDS,
                str(item.get("label", "")),
            ),
        ),
        group=match_group(value["url"] or value["folder"]),
        split=value["split"],
        sport="soccer",
        source="soccernet",
        family=_COMMENT.family,
        dimension=_COMMENT.dimension,
        provenance={"file": row.file, "row": row.number},
    )


SOURCE = Source(
    name="soccernet",
    title="SoccerNet action spotting, ball actions and captions",
    licence="labels public; videos under the SoccerNet agreement",
    citation="Deliege et al., SoccerNet-v2, CVPR workshops 2021 (arXiv 2011.13367); Mkhallati et "
    "al., SoccerNet-Caption, CVPR workshops 2023 (arXiv 2304.04565)",
    url="https://www.soccer-net.org/data",
    access="labels from SoccerNet/SN-Labels on Hugging Face; sign the agreement for the videos",
    layout="<league>/<season>/<match>/Labels-v2.json, Labels-caption.json or Labels-ball.json, "
    "1_224p.mkv and 2_224p.mkv beside; SoccerNetGames{Train,Valid,Test}.json for the splits",
    sports=("soccer",),
    kinds=(Kind.NUMBER, Kind.INTERVAL, Kind.CHOICE, Kind.TEXT),
    published={"matches": 500, "actions": 110458, "captioned matches": 471},
    checked="documentation",
    read=_read,
    convert=_convert,
    families=_families,
    settings={"clips": "{folder}/{half}_224p.mkv"},
)
