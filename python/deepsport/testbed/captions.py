"""Captions of frames: what gives a tiny model with random weights eyes before it learns to play.

A released checkpoint has seen much before it is tuned; a random one has not. Captions name what a
few labelled frames of training matches show, one line a frame, and are trained as any trajectory.
They hold no question, no tool call and no answer.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from deepsport.task import Kind, Media, Task, Truth
from deepsport.testbed.match import ClipPlan, Match
from deepsport.tool import ToolSettings
from deepsport.tool.prompt import frame_lines, system_text
from deepsport.trajectory import FrameRef, Status, Trajectory, Turn

__all__ = ["caption_trajectories"]

QUESTION = "Describe."


def caption_trajectories(
    matches: Iterable[Match],
    settings: ToolSettings,
    *,
    seed: int,
    samples: int = 4,
    frames: int = 6,
) -> tuple[list[Task], list[Trajectory]]:
    """Return caption tasks of every clip and the trajectories that solve them.

    Parameters
    ----------
    matches : iterable of Match
        Of the training split only.
    settings : ToolSettings
        Size and labels of the frames.
    seed : int
    samples : int
        Captions of each clip.
    frames : int
        Frames of each caption, a third of them close-ups.
    """
    tasks, trajectories = [], []
    for match in matches:
        for clip in match.clips:
            random = np.random.default_rng([seed, clip.seed, 23])
            for number in range(samples):
                task = Task(
                    task_id=f"{clip.path.removesuffix('.mp4')}/caption{number}",
                    kind=Kind.TEXT,
                    question=QUESTION,
                    truth=Truth(references=("-",)),
                    media=(Media(clip.path),),
                    group=match.match_id,
                    split="train",
                    sport=match.sport,
                    source="testbed",
                    family="caption",
                )
                tasks.append(task)
                trajectories.append(_trajectory(task, clip, settings, random, frames))
    return tasks, trajectories


def _trajectory(
    task: Task, clip: ClipPlan, settings: ToolSettings, random: np.random.Generator, frames: int
) -> Trajectory:
    event = clip.event
    inside = random.choice(np.arange(event.start_frame, event.stop_frame), frames // 3, False)
    outside = np.setdiff1d(np.arange(clip.frames), np.arange(event.start_frame, event.stop_frame))
    chosen = sorted(int(i) for i in (*inside, *random.choice(outside, frames - len(inside), False)))
    shown = tuple(FrameRef(index, round(index / clip.fps, 6)) for index in chosen)
    text = "\n".join(f"{index} {_words(clip, index)}" for index in chosen)
    return Trajectory(
        task_id=task.task_id,
        task_hash=task.content_hash,
        policy="testbed-captions",
        attempt=0,
        turns=(
            Turn("system", system_text(settings)),
            Turn("user", f"{frame_lines(shown, settings)}\n{QUESTION}", shown),
            Turn("assistant", text),
        ),
        status=Status.ANSWERED,
        answer=text,
        settings={"tool": settings.to_json()},
    )


def _words(clip: ClipPlan, index: int) -> str:
    event = clip.event
    if index < event.start_frame:
        return "before"
    if index >= event.stop_frame:
        return "after"
    return f"{event.player} {event.figures} flag {'yes' if event.flag else 'no'}"
