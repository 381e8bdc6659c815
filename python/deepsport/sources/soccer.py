"""What the soccer sources share: event names in their many spellings, and the match as a group.

SoccerBench, SoccerReplay-1988, XFoul, MVFoul and SoccerNet speak of the same matches, so one key a
match keeps them in one split.
"""

from __future__ import annotations

import re
import unicodedata

from deepsport.sources.interface import Rejected

__all__ = ["BALL_EVENTS", "SOCCERNET_EVENTS", "event_label", "match_group", "slug"]

SOCCERNET_EVENTS = (
    "Penalty", "Kick-off", "Goal", "Substitution", "Offside", "Shots on target",
    "Shots off target", "Clearance", "Ball out of play", "Throw-in", "Foul",
    "Indirect free-kick", "Direct free-kick", "Corner", "Yellow card", "Red card",
    "Yellow->red card",
)  # fmt: skip
BALL_EVENTS = (
    "Pass", "Drive", "Header", "High Pass", "Out", "Cross", "Throw In", "Shot",
    "Ball Player Block", "Player Successful Tackle", "Free Kick", "Goal",
)  # fmt: skip

# UniSoccer's labels (its configuration files), first the spelling that we use, then others seen.
_EVENTS = {
    "corner": ("corner kick",),
    "goal": ("soccer ball",),
    "injury": (),
    "own goal": ("soccer ball own",),
    "penalty": (),
    "penalty missed": (),
    "red card": ("r card",),
    "second yellow card": ("yr card", "yellow red card"),
    "substitution": (),
    "start of half": ("start of game half", "start of half game", "start of game"),
    "end of half": ("end of game half", "end of half game", "end of game"),
    "yellow card": ("y card",),
    "throw-in": ("throw in",),
    "free kick": (),
    "save by the goalkeeper": ("saved by goal keeper", "saved by goalkeeper"),
    "shot off target": ("shots off target",),
    "clearance": (),
    "event that leads to a corner": ("lead to corner",),
    "offside": ("off side",),
    "video review (VAR)": ("var",),
    "foul without a card": ("foul no card", "foul with no card"),
    "foul that leads to a penalty": ("foul lead to penalty",),
    "ball possession": (),
    "ball out of play": (),
    "added time is shown": ("show added time",),
}
_EXCLUDED = {"statistics and summary"}  # left out of training and test by its authors as well


def slug(text: str) -> str:
    """Return lower-case words of letters and digits, accents off, single spaces between."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return " ".join(re.findall(r"[a-z0-9]+", plain.lower()))


_CANONICAL = {slug(name): label for label, other in _EVENTS.items() for name in (label, *other)}


def event_label(text: str) -> str:
    """Return our spelling of an event label of UniSoccer, MatchTime or SoccerReplay-1988.

    Raises
    ------
    Rejected
        For a label that is not known or that its authors leave out.
    """
    key = slug(text)
    if key in _EXCLUDED:
        raise Rejected("label its authors leave out", text)
    if key not in _CANONICAL:
        raise Rejected("unknown label", f"{text!r:.60} (slug {key!r:.60})")
    return _CANONICAL[key]


_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(.*)")
_NOISE = re.compile(r"\b\d{1,2}-\d{2}\b|\b\d{1,2}\s*-\s*\d{1,2}\b|\bvs?\b|_")


def match_group(path: str) -> str:
    """Return the group of a soccer match from a path that names date and teams.

    ``"europe_.../2016-11-01 - 22-45 Manchester City 3 - 1 Barcelona/2_43_52.mp4"`` gives
    ``"soccer/2016-11-01 barcelona city manchester"``: time, score and order do not matter, as
    sources differ in them. Without a date the folder of the file is the group.
    """
    parts = path.replace("\\", "/").split("/")
    for part in parts:
        found = _DATE.match(part)
        if found:
            words = slug(_NOISE.sub(" ", found[2].replace("_", " "))).split()
            return f"soccer/{found[1]} " + " ".join(sorted(set(words)))
    folder = "/".join(parts[:-1])
    return f"soccer/{folder or path}"
