"""Questions about simulated clips, made from their annotations, balanced and split by match.

Four families: who was in the close-up (choice), was a flag raised (yes or no), how many players
(count, no tolerance), when was it (frame index, within the close-up). Balanced so that an answer without looking is
right as often as chance says: see `CHANCE`. A fifth, `DIRECT`, asks what every frame shows: for experiments on
whether a policy looks where it need not; the demo leaves it out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from deepsport.errors import SettingsError
from deepsport.sources.split import check_leakage, split_by_group
from deepsport.task import Dimension, Kind, Media, Span, Task, Truth
from deepsport.testbed.match import MOST_COMPANIONS, PLAYERS, SPORTS, ClipPlan, Match

__all__ = ["CHANCE", "DIRECT", "FAMILIES", "SHARES", "balanced", "make_tasks", "split_tasks"]

FAMILIES = ("who", "flag", "figures", "when")
DIRECT = "game"  #: answered by the first frames
#: how often the best answer without a second look is right. For "when" the board in the first
#: frames tells the gap between two of them, of about 46 frames, and an answer may be 6.5 off.
CHANCE = {"who": 1 / len(PLAYERS), "flag": 1 / 2, "figures": 1 / MOST_COMPANIONS, "when": 13 / 46,
          DIRECT: 1 / len(SPORTS)}  # fmt: skip
#: of the matches of each sport
SHARES = {"train": 0.65, "validation": 0.1, "test": 0.25}

_WHO = {"goal": "Who scored the goal?", "net": "Who won the point?", "race": "Who fell?"}
_WHEN = {"goal": "At which frame was the goal?", "net": "At which frame was the point?",
         "race": "At which frame was the fall?"}  # fmt: skip


def make_tasks(matches: Iterable[Match], families: Sequence[str] = FAMILIES) -> list[Task]:
    """Return one task for each clip and family, not yet balanced or split."""
    return [
        _task(match, clip, family)
        for match in matches
        for clip in match.clips
        for family in families
    ]


def _task(match: Match, clip: ClipPlan, family: str) -> Task:
    event = clip.event
    start, stop = event.start_frame / clip.fps, event.stop_frame / clip.fps
    options: tuple[str, ...] = ()
    if family == "who":
        kind, question, options = Kind.CHOICE, _WHO[match.sport], PLAYERS
        truth = Truth(labels=("ABCD"[PLAYERS.index(event.player)],))
    elif family == "flag":
        kind, question = Kind.YES_NO, "Was a flag raised?"
        truth = Truth(labels=("yes" if event.flag else "no",))
    elif family == DIRECT:
        kind, question, options = Kind.CHOICE, "Which game is it?", SPORTS
        truth = Truth(labels=("ABC"[SPORTS.index(match.sport)],))
    elif family == "figures":
        kind, question = Kind.NUMBER, "How many players were in the close-up?"
        truth = Truth(value=float(event.figures))
    else:
        kind, question = Kind.NUMBER, _WHEN[match.sport]
        middle = (event.start_frame + event.stop_frame - 1) / 2
        truth = Truth(value=middle, tolerance=(event.stop_frame - event.start_frame) / 2)
    return Task(
        task_id=f"{clip.path.removesuffix('.mp4')}/{family}",
        kind=kind,
        question=question,
        truth=truth,
        media=(Media(clip.path),),
        options=options,
        evidence=() if family == DIRECT else (Span(start, stop, "close-up"),),
        group=match.match_id,
        sport=match.sport,
        source="testbed",
        family=family,
        dimension=Dimension.RECOGNITION,
        provenance={"event": dataclasses.asdict(event)},
    )


def split_tasks(tasks: Iterable[Task], seed: int) -> list[Task]:
    """Return the tasks split by match, the same shares in every sport, then balanced.

    Raises
    ------
    SettingsError
        When something is shared between splits after all.
    """
    tasks = list(tasks)
    done: list[Task] = []
    for sport in sorted({task.sport for task in tasks}):
        done += split_by_group([t for t in tasks if t.sport == sport], SHARES, seed)
    leaks = check_leakage(done)
    if leaks:
        raise SettingsError(f"splits share {leaks[0]}; valid is that they share nothing")
    return balanced(done, seed)


def balanced(tasks: Iterable[Task], seed: int) -> list[Task]:
    """Drop tasks at random until every answer of a family is as frequent as any other.

    Frame indices are not balanced: none is frequent.
    """
    random = np.random.default_rng([seed, 11])
    cells: dict[tuple[str, str], dict[str, list[Task]]] = {}
    kept: list[Task] = []
    for task in tasks:
        if task.family == "when":
            kept.append(task)
            continue
        answer = task.truth.labels[0] if task.truth.labels else f"{task.truth.value:g}"
        cells.setdefault((task.split, task.family), {}).setdefault(answer, []).append(task)
    for answers in cells.values():
        fewest = min(len(group) for group in answers.values())
        for group in answers.values():
            kept += [group[i] for i in sorted(random.permutation(len(group))[:fewest])]
    return sorted(kept, key=lambda task: task.task_id)
