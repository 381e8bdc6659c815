"""Policies without a model: a blind guess, a constant, and one that knows the truth.

They are what a score is compared with (chance, constant answer) and how the harness itself is
checked: the last one must score 100 % and hit every known event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np

from deepsport.errors import SettingsError
from deepsport.protocol import render_answer, render_call
from deepsport.rollout import Episode, ScriptedPolicy
from deepsport.task import Kind, Task

__all__ = ["SCRIPTS", "scripted_policy", "true_answer"]

SCRIPTS = {
    "first": "always the first option (or yes, 0, the whole video)",
    "random": "a random valid answer without looking",
    "look": "looks once at the middle of the video, then a random valid answer",
    "truth": "looks at the known evidence, then gives the right answer: a check of the harness",
}


def scripted_policy(name: str, seed: int = 0) -> ScriptedPolicy:
    """Return one of `SCRIPTS` as a policy.

    Raises
    ------
    SettingsError
        When there is no such script.
    """
    scripts: dict[str, Callable[[Episode], str]] = {
        "first": lambda episode: _say(episode, _first(episode.task)),
        "random": lambda episode: _say(episode, _random(episode, seed)),
        "look": lambda episode: _look_then(episode, _middle(episode), _random(episode, seed)),
        "truth": lambda episode: _look_then(episode, _evidence(episode), true_answer(episode.task)),
    }
    if name not in scripts:
        raise SettingsError(f"scripted policy {name!r} is unknown, valid are {', '.join(SCRIPTS)}")
    return ScriptedPolicy(f"scripted:{name}", scripts[name])


def true_answer(task: Task) -> str:
    """Return the right answer as a policy would write it."""
    truth = task.truth
    if task.options or task.kind in (Kind.YES_NO, Kind.EVENTS):
        return ", ".join(truth.labels)
    if task.kind in (Kind.NUMBER, Kind.RATING):
        return f"{truth.value:.10g}"
    if task.kind is Kind.INTERVAL:
        return ", ".join(f"{s.start_seconds:.6g}-{s.stop_seconds:.6g}" for s in truth.spans)
    return truth.references[0]


def _first(task: Task) -> str:
    return {
        Kind.CHOICE: "A",
        Kind.MULTI_CHOICE: "A",
        Kind.FEEDBACK: "A",
        Kind.YES_NO: "yes",
        Kind.INTERVAL: "0-100000",
        Kind.EVENTS: "none",
        Kind.TEXT: "nothing",
    }.get(task.kind, "0")


def _random(episode: Episode, seed: int) -> str:
    task = episode.task
    name = f"{seed}/{task.task_id}/{episode.attempt}"
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
    if task.kind is Kind.CHOICE:
        return str(rng.choice(task.letters))
    if task.kind in (Kind.MULTI_CHOICE, Kind.FEEDBACK):
        picked = rng.integers(1, 2 ** len(task.options))
        return ", ".join(x for i, x in enumerate(task.letters) if picked >> i & 1)
    if task.kind is Kind.YES_NO:
        return str(rng.choice(["yes", "no"]))
    if task.kind is Kind.RATING and task.truth.scale:
        return f"{rng.uniform(*task.truth.scale):.2f}"
    return str(rng.integers(0, 10)) if task.kind is Kind.NUMBER else _first(task)


def _look_then(episode: Episode, window: tuple[int, int] | None, answer: str) -> str:
    if window is None or episode.calls_made or not episode.calls_left:
        return _say(episode, answer)
    call = render_call(window, episode.settings.form)
    return f"<think>Look at frames {window[0]} to {window[1]}.</think>{call}"


def _say(episode: Episode, answer: str) -> str:
    del episode
    return f"<think>Answer.</think>{render_answer(answer)}"


def _middle(episode: Episode) -> tuple[int, int] | None:
    shown = [frame.index for turn in episode.turns for frame in turn.frames]
    if not shown:
        return None
    last = max(shown)
    return (last // 3, max(2 * last // 3, last // 3 + 16)) if last > 48 else (0, max(last, 16))


def _evidence(episode: Episode) -> tuple[int, int] | None:
    """Return the frames of the first span of evidence, by the times of the frames shown."""
    shown = [frame for turn in episode.turns for frame in turn.frames]
    if not episode.task.evidence or len(shown) < 2:
        return _middle(episode)
    indices = np.array([frame.index for frame in shown], dtype=np.float64)
    seconds = np.array([frame.pts_seconds for frame in shown])
    order = np.argsort(seconds)
    span = episode.task.evidence[0]
    ends = np.interp([span.start_seconds, span.stop_seconds], seconds[order], indices[order])
    start = max(0, int(ends[0]) - 8)
    return start, int(ends[1]) + 9
