"""SoccerNet-MVFoul: fouls from several cameras with a referee's verdict, as questions.

Windows paths, links without an extension, slowed replays; severity is a text from "1.0" to "5.0".
Verdicts that its official loader drops as borderline make no question here either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deepsport.sources.clock import Fps, number
from deepsport.sources.files import Root, relative_path
from deepsport.sources.interface import Context, Families, Rejected, Row, Source
from deepsport.sources.soccer import match_group
from deepsport.sources.templates import Template, choices, thin
from deepsport.task import Dimension, Kind, Media, Span, Task, Truth

__all__ = ["SOURCE", "SPLITS", "clip_media"]

SPLITS = {"train": "train", "valid": "validation", "test": "test", "chall": "", "challenge": ""}
_FOUL_FRAME = 75  # of a 126-frame clip at 25 fps (sn-mvfoul README)
_ACTIONS = {
    "tackling", "standing tackling", "high leg", "holding", "pushing", "elbowing", "challenge",
    "dive",
}  # fmt: skip
_SEVERITIES = {"1.0": "no card", "3.0": "yellow card", "5.0": "red card"}
_ACTION = Template(
    "foul action",
    Dimension.RULES,
    (
        "Which kind of action do these views of a soccer scene show?",
        "How does the player challenge the opponent in this scene?",
        "Seen from several cameras: what sort of action is it?",
    ),
)
_CARD = Template(
    "foul severity",
    Dimension.RULES,
    (
        "Which card does this foul deserve under the laws of the game?",
        "As the referee, which card would you show for this foul?",
        "How should this foul be sanctioned?",
    ),
)
_YES_NO = {
    "Offence": Template(
        "offence",
        Dimension.RULES,
        ("Is this action an offence?", "Would the referee have to call a foul here?"),
    ),
    "Contact": Template(
        "contact",
        Dimension.RECOGNITION,
        ("Is there contact between the players?", "Does the challenger touch the opponent?"),
    ),
    "Try to play": Template(
        "try to play",
        Dimension.RULES,
        ("Does the challenger try to play the ball?", "Is the challenge an attempt for the ball?"),
    ),
    "Touch ball": Template(
        "touch ball",
        Dimension.RECOGNITION,
        ("Does the challenger touch the ball?", "Is the ball played by the challenger?"),
    ),
}
_VERDICTS = {
    "offence": "yes", "no offence": "no", "with contact": "yes", "without contact": "no",
    "yes": "yes", "no": "no",
}  # fmt: skip


def _read(root: Root, settings: Mapping[str, Any]) -> Iterator[Row]:
    for file in root.find("**/annotations.json"):
        value = root.json(file)
        actions = value.get("Actions") if isinstance(value, dict) else None
        if isinstance(actions, dict):
            for key, action in actions.items():
                yield Row(file, key, {"Set": value.get("Set", ""), "Action": action})


def _families(rows: Sequence[Row], settings: Mapping[str, Any]) -> Families:
    families: dict[str, Counter[str]] = {
        "action": Counter(dict.fromkeys(sorted(_ACTIONS), 0)),
        "card": Counter(dict.fromkeys(_SEVERITIES.values(), 0)),
        **{name: Counter() for name in _YES_NO},
    }
    for row in rows:
        action = row.value["Action"] if isinstance(row.value, dict) else {}
        if not isinstance(action, dict):
            continue
        label = str(action.get("Action class", "")).lower()
        families["action"].update([label] if label in _ACTIONS else [])
        card = _SEVERITIES.get(str(action.get("Severity")))
        families["card"].update([card] if card else [])
        for name in _YES_NO:
            verdict = _VERDICTS.get(str(action.get(name, "")).lower())
            families[name].update([verdict] if verdict else [])
    return families


def clip_media(folder: str, clips: Sequence[Mapping[str, Any]]) -> tuple[Media, ...]:
    """Return the views of an action, the live camera first as published.

    ``"Dataset/Test/action_0/clip_0"`` lies at ``<folder>/action_0/clip_0.mp4``.
    """
    media = []
    for clip in clips:
        parts = relative_path(clip["Url"]).split("/")[-2:]
        name = "/".join([folder, *parts] if folder else parts)
        media.append(
            Media(
                name if name.endswith(".mp4") else f"{name}.mp4",
                view=str(clip.get("Camera type", "")),
                replay_speed=number(clip.get("Replay speed", 1.0), "replay speed"),
            )
        )
    return tuple(media)


def _convert(row: Row, context: Context) -> Iterator[Task | Rejected]:
    action = row.value["Action"]
    media = clip_media(row.file.rpartition("/")[0], action["Clips"])
    fps = Fps(25.0, 25.0)
    evidence: tuple[Span, ...] = ()
    if media[0].replay_speed == 1.0:
        seen = fps.seconds(_FOUL_FRAME)
        evidence = (Span(seen - 0.5, seen + 0.5, "foul"),)
    key = media[0].path.rpartition("/")[0]
    rng = context.random("mvfoul", key)
    shared: dict[str, Any] = {
        "media": media,
        "evidence": evidence,
        "group": match_group(action["UrlLocal"]),
        "split": SPLITS.get(str(row.value["Set"]).lower(), ""),
        "sport": "soccer",
        "source": "mvfoul",
        "provenance": {"file": row.file, "row": row.number},
    }
    native = fps.native(_FOUL_FRAME)

    def task(template: Template, kind: Kind, truth: Truth, options: tuple[str, ...] = ()) -> Task:
        return Task(
            task_id=f"mvfoul:{template.family}:{key}",
            kind=kind,
            question=template.ask(rng),
            truth=truth,
            options=options,
            family=template.family,
            dimension=template.dimension,
            **shared,
        )

    label = action["Action class"].lower()
    card = _SEVERITIES.get(str(action.get("Severity")), "")
    for template, family, right, missing in (
        (_ACTION, "action", label if label in _ACTIONS else "", "action not known"),
        (_CARD, "card", card, "severity borderline or not known"),
    ):
        try:
            if not right:
                raise Rejected(missing, f"{label!r:.60}, severity {action.get('Severity')!r:.20}")
            options, letter = choices(rng, right, context.families[family])
            yield task(template, Kind.CHOICE, Truth(labels=(letter,), native=native), options)
        except Rejected as verdict:
            yield verdict
    for name, template in _YES_NO.items():
        said = _VERDICTS.get(str(action.get(name, "")).lower())
        try:
            if not said:
                raise Rejected(f"{name.lower()} not known", f"{action.get(name)!r:.40}")
            thin(rng, said, context.families[name], 2)
            yield task(template, Kind.YES_NO, Truth(labels=(said,), native=native))
        except Rejected as verdict:
            yield verdict


SOURCE = Source(
    name="mvfoul",
    title="SoccerNet-MVFoul",
    licence="SoccerNet agreement (media); repository GPL-3",
    citation="Held et al., VARS: Video Assistant Referee System for Automated Soccer Decision "
    "Making from Multiple Views, CVPR workshops 2023 (arXiv 2304.04617)",
    url="https://github.com/SoccerNet/sn-mvfoul",
    access="sign the SoccerNet agreement for the password of the zip files",
    layout="{Train,Valid,Test,Chall}/annotations.json, action_N/clip_M.mp4 beside each",
    sports=("soccer",),
    kinds=(Kind.CHOICE, Kind.YES_NO),
    published={"actions, train": 2916, "actions, valid": 411, "actions, test": 301},
    checked="real files",
    read=_read,
    convert=_convert,
    families=_families,
)
