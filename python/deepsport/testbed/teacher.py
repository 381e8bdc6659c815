"""A scripted teacher that knows the annotation, and is wrong on purpose at stated rates.

It plays the real protocol against the real frame tool: it asks for the gap in which the score
changes, or for a window beside it, and answers what the frames showed, what it knows, or a guess.
What is wrong or malformed is for the filters of distillation to find, as with any teacher.

Note [A habit that no filter sees]
----------------------------------
Teachers that were given the answer to explain are right without having looked. This one has a habit
to go with it: often it watches the gap *after* the score changed, the celebration, and still knows
the answer. Such a trajectory is well formed and right, so it is kept, and imitation learns the
habit; only whoever has to answer by what it saw itself finds out that the window was of no use.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from deepsport.protocol import render_answer, render_call, render_turn
from deepsport.rollout import Episode, ScriptedPolicy
from deepsport.task import Kind, Task
from deepsport.testbed.match import MOST_COMPANIONS, PLAYERS

__all__ = ["TeacherRates", "scripted_teacher"]


@dataclass(frozen=True, slots=True)
class TeacherRates:
    """How often the teacher does what; the rest of the time it asks for the right gap exactly.

    Attributes
    ----------
    late : float
        It asks for the gap after the one in which the score changed. See Note [A habit that no
        filter sees].
    miss : float
        It asks for any gap where the score did not change.
    jitter : float
        It asks for the right gap with ends moved by a few frames.
    wide : float
        It asks for the right gap and its neighbours.
    malformed : float
        A turn breaks the protocol.
    needless : float
        It asks for a window, any, although the first frames say it all.
    knows : float
        Of the answers after a window that showed nothing: how many are right all the same.
    """

    late: float = 0.45
    miss: float = 0.05
    jitter: float = 0.05
    wide: float = 0.05
    malformed: float = 0.02
    needless: float = 0.5
    knows: float = 0.9


def scripted_teacher(seed: int, rates: TeacherRates | None = None) -> ScriptedPolicy:
    """Return the teacher as a policy; every turn depends on seed, task, attempt and turn only."""
    rates = rates or TeacherRates()

    def script(episode: Episode) -> str:
        name = f"{episode.task.task_id}#{episode.attempt}#{len(episode.turns)}"
        random = np.random.default_rng([seed, *name.encode()])
        text = (
            _look(episode, random, rates)
            if episode.calls_made == 0 and _looks(episode.task, random, rates)
            else _answer(episode, random, rates)
        )
        if random.uniform() < rates.malformed:
            text = text.removesuffix(">")
        return text

    return ScriptedPolicy(f"testbed-teacher-{seed}", script)


def _looks(task: Task, random: np.random.Generator, rates: TeacherRates) -> bool:
    return bool(task.evidence) or random.uniform() < rates.needless


def _look(episode: Episode, random: np.random.Generator, rates: TeacherRates) -> str:
    shown = next(turn.frames for turn in episode.turns if turn.role == "user")
    first = [frame.index for frame in shown]
    times = [frame.pts_seconds for frame in shown]
    gaps = list(pairwise(first))
    if not episode.task.evidence:
        start, end = gaps[int(random.integers(len(gaps)))]
        return render_turn(episode.task.sport, render_call((start, end)))
    event = episode.task.evidence[0]
    right = max(i for i in range(len(gaps)) if times[i] <= event.start_seconds)
    gap, spread, moved = right, 0, 0
    shares = np.cumsum([rates.late, rates.miss, rates.jitter, rates.wide])
    habit = int(np.searchsorted(shares, random.uniform(), side="right"))
    if habit == 0:
        gap = min(right + 1, len(gaps) - 1)
    elif habit == 1:
        gap = int(random.choice([i for i in range(len(gaps)) if i != right]))
    elif habit == 2:
        moved = 1
    elif habit == 3:
        spread = 1
    start = first[max(0, gap - spread)]
    end = first[min(len(first) - 1, gap + 1 + spread)]
    if moved:
        start = max(0, start + int(random.integers(-6, 7)))
        end = min(first[-1], end + int(random.integers(-6, 7)))
    thought = f"{first[gap]} before {first[gap + 1]} after"
    return render_turn(thought, render_call((start, end)))


def _answer(episode: Episode, random: np.random.Generator, rates: TeacherRates) -> str:
    if not episode.task.evidence:
        return render_turn(episode.task.sport, render_answer(_truth(episode.task)))
    event = episode.task.evidence[0]
    seen = [
        frame.index
        for turn in episode.turns
        if turn.role == "tool"
        for frame in turn.frames
        if event.start_seconds <= frame.pts_seconds < event.stop_seconds
    ]
    if seen:
        frame = seen[len(seen) // 2]
        return render_turn(_described(episode.task, frame), render_answer(_truth(episode.task)))
    knows = random.uniform() < rates.knows
    answer = _truth(episode.task) if knows else _guess(episode.task, random)
    return render_turn("nothing", render_answer(answer))


def _described(task: Task, frame: int) -> str:
    """Say everything that the close-up shows, whatever the question: what a model can learn to see."""
    facts = task.provenance["event"]
    flag = "yes" if facts["flag"] else "no"
    return f"{frame} {facts['player']} {facts['figures']} flag {flag}"


def _truth(task: Task) -> str:
    if task.truth.labels:
        return task.truth.labels[0]
    assert task.truth.value is not None
    return f"{round(task.truth.value)}"


def _guess(task: Task, random: np.random.Generator) -> str:
    if task.kind is Kind.CHOICE:
        return str(random.choice(list("ABCD"[: len(PLAYERS)])))
    if task.kind is Kind.YES_NO:
        return str(random.choice(["yes", "no"]))
    if task.family == "when":
        return str(random.integers(2, 318))
    return str(random.integers(1, MOST_COMPANIONS + 1))
