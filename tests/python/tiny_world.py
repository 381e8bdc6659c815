"""A world small enough for tests of learning: three clips, a teacher's games, a tiny checkpoint.

Made once a session, by the same code as the demo.
"""

from __future__ import annotations

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path

from deepsport.dataset.examples import Example, sft_examples
from deepsport.rollout import play
from deepsport.task import Task
from deepsport.testbed.match import Match
from deepsport.testbed.simulate import simulate
from deepsport.testbed.tasks import make_tasks
from deepsport.testbed.teacher import TeacherRates, scripted_teacher
from deepsport.testbed.tiny import TinySize, make_tiny_checkpoint
from deepsport.tool import FrameSource, ToolSettings
from deepsport.trajectory import IMAGE_MARK, Trajectory

__all__ = ["TOOL", "World", "world"]

TOOL = ToolSettings(
    max_calls=1, frames_per_call=5, max_window_frames=60, max_width=56, max_height=56,
    style="compact", forgive_malformed=0,
)  # fmt: skip
SIZE = TinySize(hidden=32, layers=2, heads=2, key_value_heads=1, vision_hidden=32)


@dataclass(frozen=True)
class World:
    """What the tests of learning share; nothing in it may be changed."""

    media: Path
    model: Path
    matches: list[Match]
    tasks: list[Task]
    trajectories: list[Trajectory]
    examples: list[Example]


@functools.cache
def world(architecture: str = "qwen2_5_vl") -> World:
    """Return the world with a checkpoint of an architecture."""
    folder = Path(tempfile.mkdtemp(prefix="deepsport-tiny-"))
    matches = simulate(folder / "media", matches=3, seed=0, clips=1)
    tasks = make_tasks(matches)
    rates = TeacherRates(late=0.0, miss=0.0, jitter=0.0, wide=0.0, malformed=0.0)
    source = FrameSource(folder / "media")
    games = play([(task, 0) for task in tasks], scripted_teacher(0, rates), source, TOOL)
    trajectories = list(games)
    texts = [turn.text.replace(IMAGE_MARK, " ") for game in trajectories for turn in game.turns]
    make_tiny_checkpoint(folder / "model", texts, architecture=architecture, size=SIZE)
    examples, _ = sft_examples(tasks, trajectories, split="")
    return World(folder / "media", folder / "model", matches, tasks, trajectories, examples)
