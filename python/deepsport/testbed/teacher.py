"""A scripted teacher that knows the annotation, and is wrong on purpose at stated rates.

It plays the real protocol against the real frame tool: it asks for the gap in which the score
changes, or for a window beside it, and answers what the frames showed, or guesses. What is wrong or
malformed is for the filters of distillation to find, as with any teacher.
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
    miss : float
        It asks for a gap where the score did not change.
    jitter : float
        It asks for the right gap with ends moved by a few frames.
    wide : float
        It asks for the right gap and its neighbours.
    malformed : float
        A turn breaks the protocol.
    """

    miss: float = 0.4
    jitter: float = 0.1
    wide: float = 0.05
    malformed: float = 0.02


def scripted_teacher(seed: int, rates: TeacherRates | None = None) -> ScriptedPolicy:
    """Return the teacher as a policy; every turn depends on seed, task, attempt and turn only."""
    rates = rates or TeacherRates()

    def script(episode: Episode) -> str:
        name = f"{episode.task.task_id}#{episode.attempt}#{len(episode.turns)}"
        random = np.random.default_rng([seed, *name.encode()])
        text = (
            _look(episode, random, rates) if episode.calls_made == 0 else _answer(episode, random)
        )
        if random.uniform() < rates.malformed:
            text = text.removesuffix(">")
        return text

    return ScriptedPolicy(f"testbed-teacher-{seed}", script)


def _look(episode: Episode, random: np.random.Generator, rates: TeacherRates) -> str:
    shown = next(turn.frames for turn in episode.turns if turn.role == "user")
    first = [frame.index for frame in shown]
    times = [frame.pts_seconds for frame in shown]
    event = episode.task.evidence[0]
    gaps = list(pairwise(first))
    right = max(i for i in range(len(gaps)) if times[i] <= event.start_seconds)
    gap, spread, moved = right, 0, 0
    draw = random.uniform()
    if draw < rates.miss:
        gap = int(random.choice([i for i in range(len(gaps)) if i != right]))
    elif draw < rates.miss + rates.jitter:
        moved = 1
    elif draw < rates.miss + rates.jitter + rates.wide:
        spread = 1
    start = first[max(0, gap - spread)]
    end = first[min(len(first) - 1, gap + 1 + spread)]
    if moved:
        start = max(0, start + int(random.integers(-6, 7)))
        end = min(first[-1], end + int(random.integers(-6, 7)))
    thought = f"{first[gap]} before {first[gap + 1]} after"
    return render_turn(thought, render_call((start, end)))


def _answer(episode: Episode, random: np.random.Generator) -> str:
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
    return render_turn("nothing", render_answer(_guess(episode.task, random)))


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
