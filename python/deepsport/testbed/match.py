"""What happens in a simulated match, planned before a pixel is drawn; annotations as a file.

One clip holds one event: for about a second the camera cuts to a close-up of the player who scored
(won the point, fell), with some of the others beside it and, sometimes, a flag. When the close-up
is over, the score on the board has changed, and stays so. Not for drawing (`deepsport.testbed.draw`).

Note [Hidden events]
--------------------
Events are planned between the eight uniform frames that the frame tool shows first, so what was in
the close-up cannot be known without looking again; *when* to look can be read off the score board.

    first frames   |------|------|------|------|------|------|------|
    close-up                            XX
    score board    0 0 0 0 0 0 0 0 0 0 0 0 1 1 1 1 1 1 1 1 1 1 1 1 1
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deepsport.errors import RecordFormatError, SettingsError

__all__ = [
    "ANNOTATION_SCHEMA",
    "PLAYERS",
    "SPORTS",
    "ClipPlan",
    "Event",
    "Match",
    "plan_match",
    "read_matches",
    "write_matches",
]

ANNOTATION_SCHEMA = "deepsport.testbed/1"
SPORTS = ("goal", "net", "race")  #: three visually different games
PLAYERS = ("red", "blue", "yellow", "white")  #: one player of each shirt is on the field
MOST_COMPANIONS = 3  #: a close-up shows 1..3 players
_FIRST_FRAMES = 8  # see Note [Hidden events]
_MARGIN_FRAMES = 2  # between a first frame and the close-up


@dataclass(frozen=True, slots=True)
class Event:
    """The event of a clip.

    Attributes
    ----------
    start_frame, stop_frame : int
        Frames of the close-up, half open.
    player : str
        Shirt of the player in the close-up, one of `PLAYERS`.
    figures : int
        Players seen in the close-up.
    flag : bool
        Whether a flag is raised in it.
    """

    start_frame: int
    stop_frame: int
    player: str
    figures: int
    flag: bool


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """One clip: file, seed of everything random in its pixels, and its event."""

    path: str
    seed: int
    frames: int
    fps: int
    event: Event


@dataclass(frozen=True, slots=True)
class Match:
    """A match: clips of one sport, on one field, in one light."""

    match_id: str
    sport: str
    clips: tuple[ClipPlan, ...]


def plan_match(
    seed: int, number: int, *, clips: int = 4, seconds: float = 32.0, fps: int = 10
) -> Match:
    """Plan match `number` of the test bed with `seed`; depends on nothing but the arguments.

    Raises
    ------
    SettingsError
        When the clips are too short to hide an event between the first frames.
    """
    frames = round(seconds * fps)
    length = max(3, round(1.3 * fps))
    first = np.linspace(0, frames - 1, _FIRST_FRAMES).astype(int)
    room = int(np.diff(first).min()) - 2 * _MARGIN_FRAMES - length
    if room < 1:
        needed = (length + 2 * _MARGIN_FRAMES + 2) * (_FIRST_FRAMES - 1) / fps
        raise SettingsError(
            f"clips of {seconds:g} s at {fps} frames a second are too short to hide an event "
            f"between {_FIRST_FRAMES} uniform frames; valid are {needed:.0f} s or more"
        )
    random = np.random.default_rng([seed, number])
    sport = SPORTS[number % len(SPORTS)]
    match_id = f"{sport}-{seed}-{number:04d}"
    plans = []
    for clip in range(clips):
        gap = int(random.integers(len(first) - 1))
        start = int(first[gap]) + _MARGIN_FRAMES + int(random.integers(room))
        event = Event(
            start_frame=start,
            stop_frame=start + length,
            player=PLAYERS[random.integers(len(PLAYERS))],
            figures=1 + int(random.integers(MOST_COMPANIONS)),
            flag=bool(random.integers(2)),
        )
        plans.append(
            ClipPlan(
                path=f"{match_id}/clip{clip}.mp4",
                seed=int(random.integers(2**31)),
                frames=frames,
                fps=fps,
                event=event,
            )
        )
    return Match(match_id, sport, tuple(plans))


def write_matches(path: Path, matches: Iterable[Match]) -> None:
    """Write annotations as JSON lines, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        for match in matches:
            record = {"schema": ANNOTATION_SCHEMA, **dataclasses.asdict(match)}
            file.write(json.dumps(record) + "\n")
    partial.replace(path)


def read_matches(path: Path | str) -> Iterator[Match]:
    """Yield the matches of an annotation file.

    Raises
    ------
    RecordFormatError
        Naming file and line, when a line is not a match.
    """
    with Path(path).open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                yield _match(json.loads(line))
            except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
                raise RecordFormatError(f"{path}, line {number}: {error}") from error


def _match(record: Mapping[str, Any]) -> Match:
    if record.get("schema") != ANNOTATION_SCHEMA:
        raise RecordFormatError(
            f"schema is {record.get('schema')!r}, valid is {ANNOTATION_SCHEMA!r}"
        )
    clips = tuple(ClipPlan(**{**clip, "event": Event(**clip["event"])}) for clip in record["clips"])
    return Match(record["match_id"], record["sport"], clips)
