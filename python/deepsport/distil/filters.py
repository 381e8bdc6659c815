"""Reasons not to learn from a trajectory: pure functions of a task and a trajectory.

Each returns the reason in a word and its detail, or None when it has nothing to object. Not for
choosing among trajectories (`deepsport.distil.choose`) nor for their order (`deepsport.distil.keep`).
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from deepsport.distil.answers import GRADED
from deepsport.distil.presets import FilterSettings
from deepsport.task import Kind, Span, Task
from deepsport.tool import ToolSettings, read_turn, tool_actions
from deepsport.trajectory import FrameRef, Status, Trajectory

__all__ = [
    "Objection",
    "answer",
    "evidence",
    "evidence_seen",
    "format_",
    "language",
    "length",
    "played",
    "tool_calls",
    "turns",
    "windows",
]

Score = Callable[[Task, str], float | None]


class Objection(NamedTuple):
    """Why a trajectory is not kept: a word to count by, and what was found."""

    reason: str
    detail: str = ""


def played(trajectory: Trajectory) -> Objection | None:
    """Object to a trajectory that ended in a fault: it says nothing about the teacher."""
    if trajectory.status is Status.FAULT:
        fault = trajectory.fault
        kind = fault.kind if fault is not None else "unknown"
        return Objection(f"fault_{kind}", fault.message if fault is not None else "")
    return None


def format_(trajectory: Trajectory) -> Objection | None:
    """Object unless every assistant turn follows the protocol and the last one answers."""
    if trajectory.status is not Status.ANSWERED:
        return Objection(f"ended_{trajectory.status.value}", trajectory.reason)
    tool = _tool(trajectory)
    actions = tool_actions(tool)
    for number, reply in enumerate(trajectory.replies):
        turn = read_turn(reply, tool, actions)
        if not turn.ok:
            return Objection("malformed_turn", f"turn {number}: {turn.message}")
    return None


def answer(
    task: Task, trajectory: Trajectory, score: Score, settings: FilterSettings
) -> Objection | None:
    """Object to an answer whose deterministic score is below that of the settings.

    Open text has no such score: it passes when a judge is to decide, else it is objected to.
    """
    if settings.min_score is None or (task.kind is Kind.TEXT and settings.judge != "off"):
        return None
    points = score(task, trajectory.answer or "")
    if points is None:
        return Objection("not_scorable", f"{task.kind} has no deterministic score")
    least = settings.min_graded_score if task.kind in GRADED else settings.min_score
    if points < least:
        return Objection(
            "wrong_answer",
            f"{(trajectory.answer or '')[:80]!r} scores {points:.3g}, at least {least:g}",
        )
    return None


def tool_calls(trajectory: Trajectory, settings: FilterSettings) -> Objection | None:
    """Object to calls that the tool refused for another reason than a repeated window."""
    if settings.allow_rejected_calls:
        return None
    for call in trajectory.calls:
        if call.rejected and not call.repeated:
            return Objection("rejected_call", call.rejected)
    return None


def windows(trajectory: Trajectory, settings: FilterSettings) -> Objection | None:
    """Object to a window that was asked for before."""
    if settings.allow_repeated_windows:
        return None
    # records of version 2 say themselves what was repeated: two regions of one frame are not
    seen: set[tuple[str, tuple[int, int]]] = set()
    for call in trajectory.calls:
        again = (call.name, call.window) in seen and not call.verdict
        if call.repeated or again:
            return Objection("repeated_window", f"{dict(call.arguments)}")
        if call.window is not None:
            seen.add((call.name, call.window))
    return None


def turns(trajectory: Trajectory, settings: FilterSettings) -> Objection | None:
    """Object to too few or too many tool calls, or too many turns."""
    calls, said = len(trajectory.calls), len(trajectory.replies)
    if calls < settings.min_calls:
        return Objection("too_few_calls", f"{calls}, at least {settings.min_calls}")
    if settings.max_calls is not None and calls > settings.max_calls:
        return Objection("too_many_calls", f"{calls}, at most {settings.max_calls}")
    if settings.max_turns is not None and said > settings.max_turns:
        return Objection("too_many_turns", f"{said}, at most {settings.max_turns}")
    return None


def length(trajectory: Trajectory, settings: FilterSettings) -> Objection | None:
    """Object to thoughts that are too short or replies that are too long, in characters."""
    said = sum(len(reply) for reply in trajectory.replies)
    if settings.max_reply_chars is not None and said > settings.max_reply_chars:
        return Objection("too_long", f"{said} characters, at most {settings.max_reply_chars}")
    if settings.min_thought_chars:
        thought = sum(len(text.strip()) for text in thoughts(trajectory))
        if thought < settings.min_thought_chars:
            return Objection(
                "thought_too_short", f"{thought} characters, at least {settings.min_thought_chars}"
            )
    return None


def language(trajectory: Trajectory, settings: FilterSettings) -> Objection | None:
    """Object to words in another writing system than ``settings.scripts``."""
    if not settings.scripts:
        return None
    letters = [c for text in thoughts(trajectory) for c in text if c.isalpha()]
    letters += [c for c in trajectory.answer or "" if c.isalpha()]
    if not letters:
        return None
    right = sum(_script(c) in settings.scripts for c in letters)
    if right < settings.min_script_share * len(letters):
        return Objection(
            "other_language",
            f"{right / len(letters):.0%} of the letters are {'/'.join(settings.scripts)}, "
            f"at least {settings.min_script_share:.0%}",
        )
    return None


def evidence(task: Task, trajectory: Trajectory, settings: FilterSettings) -> Objection | None:
    """Object when too few of the annotated events were on a frame that was shown."""
    if not task.evidence or settings.min_evidence_seen <= 0:
        return None
    share = evidence_seen(task.evidence, trajectory.frames_shown, settings.evidence_slack_seconds)
    if share < settings.min_evidence_seen:
        return Objection(
            "event_not_seen",
            f"{share:.0%} of {len(task.evidence)} events, "
            f"at least {settings.min_evidence_seen:.0%}",
        )
    return None


def evidence_seen(
    spans: tuple[Span, ...], frames: tuple[FrameRef, ...], slack_seconds: float
) -> float:
    """Return the share of spans of which a frame of the first video was shown, 0..1."""
    times = [frame.pts_seconds for frame in frames if frame.media == 0]
    seen = sum(
        any(s.start_seconds - slack_seconds <= t < s.stop_seconds + slack_seconds for t in times)
        for s in spans
    )
    return seen / len(spans) if spans else 1.0


def thoughts(trajectory: Trajectory) -> list[str]:
    """Return what the policy thought in each turn; a malformed turn counts whole."""
    tool = dataclasses.replace(_tool(trajectory), require_think=False)
    actions = tool_actions(tool)
    parsed = [read_turn(reply, tool, actions) for reply in trajectory.replies]
    return [
        turn.think if turn.think is not None else ("" if turn.ok else reply)
        for turn, reply in zip(parsed, trajectory.replies, strict=True)
    ]


def _tool(trajectory: Trajectory) -> ToolSettings:
    return ToolSettings.from_json(trajectory.settings.get("tool", {}))


def _script(letter: str) -> str:
    """Return the writing system of a letter: the first word of its Unicode name."""
    return unicodedata.name(letter, "UNKNOWN").split()[0].split("-")[0]
