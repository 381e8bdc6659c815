"""The stages of the demo: each reads files of the stages before and writes its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsport.dataset.examples import sft_examples
from deepsport.demo.budget import TOOL, Budget
from deepsport.distil import keep
from deepsport.progress import track
from deepsport.rollout import play
from deepsport.task import Task, read_tasks, write_tasks
from deepsport.testbed.captions import caption_trajectories
from deepsport.testbed.match import Match, read_matches
from deepsport.testbed.simulate import ANNOTATIONS, simulate
from deepsport.testbed.tasks import make_tasks, split_tasks
from deepsport.testbed.teacher import scripted_teacher
from deepsport.testbed.tiny import make_tiny_checkpoint
from deepsport.tool import FrameSource
from deepsport.trajectory import IMAGE_MARK, TrajectoryStore, read_trajectories

__all__ = ["Layout", "Stages"]

CACHE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the files of a demo lie."""

    root: Path

    @property
    def media(self) -> Path:
        """Videos and annotation."""
        return self.root / "media"

    @property
    def tasks(self) -> Path:
        """Questions with their splits."""
        return self.root / "tasks.jsonl"

    @property
    def trajectories(self) -> Path:
        """What the teacher did, right or wrong."""
        return self.root / "trajectories.jsonl"

    @property
    def kept(self) -> Path:
        """What of it is learnt from."""
        return self.root / "kept.jsonl"

    def model(self, stage: str) -> Path:
        """Checkpoint of a stage."""
        return self.root / stage / "model"


class Stages:
    """Run the stages of a demo in a folder.

    Parameters
    ----------
    layout : Layout
    budget : Budget
    seed : int
    processes : int
        Used where the work divides.
    """

    def __init__(self, layout: Layout, budget: Budget, seed: int, processes: int) -> None:
        self.layout, self.budget, self.seed, self.processes = layout, budget, seed, processes

    def simulate(self) -> None:
        """Write the videos and the annotation."""
        budget = self.budget
        simulate(
            self.layout.media,
            matches=budget.matches,
            clips=budget.clips,
            seed=self.seed,
            workers=self.processes,
        )

    def tasks(self) -> None:
        """Ask about the clips, split by match, balance."""
        write_tasks(self.layout.tasks, split_tasks(make_tasks(self._matches()), self.seed))

    def distil(self) -> None:
        """Let the teacher play the training questions; keep what is right."""
        tasks = self.split("train")
        with TrajectoryStore(self.layout.trajectories) as store:
            waiting = [(task, 0) for task in tasks if (task.task_id, 0) not in store.done]
            teacher = scripted_teacher(self.seed, self.budget.teacher)
            source = FrameSource(self.layout.media)
            played = play(waiting, teacher, source, TOOL)
            for trajectory in track(played, "distil", total=len(waiting)):
                store.append(trajectory)
        kept, funnel = keep(read_trajectories(self.layout.trajectories), tasks)
        self.layout.kept.unlink(missing_ok=True)
        with TrajectoryStore(self.layout.kept) as store:
            for trajectory in kept:
                store.append(trajectory)
        _write_json(self.layout.root / "funnel.json", funnel.to_json())

    def tiny(self) -> None:
        """Make the model with random weights."""
        captions = [t for _, t in self._captions()]
        played = read_trajectories(self.layout.trajectories)
        texts = [
            turn.text.replace(IMAGE_MARK, " ")
            for trajectory in (*played, *captions)
            for turn in trajectory.turns
        ]
        make_tiny_checkpoint(
            self.layout.model("tiny"),
            texts,
            size=self.budget.size,
            frame_side=TOOL.max_width,
            seed=self.seed,
        )

    def base(self) -> None:
        """Give it eyes: train on captions of frames."""
        pairs = self._captions()
        examples, _ = sft_examples([task for task, _ in pairs], [t for _, t in pairs])
        self._sft(examples, "tiny", "base", self.budget.caption_steps, self.budget.caption_rate)

    def sft(self) -> None:
        """Teach it to play: train on what was kept of the teacher."""
        examples, counts = sft_examples(self.split("train"), read_trajectories(self.layout.kept))
        _write_json(self.layout.root / "examples.json", dict(counts))
        self._sft(examples, "base", "sft", self.budget.sft_steps, self.budget.sft_rate)

    def rl(self) -> None:
        """Let it play by itself."""
        from deepsport.rl import RLSettings
        from deepsport.rl.train import train_rl

        budget = self.budget
        settings = RLSettings(
            steps=budget.rl_steps,
            prompts_per_step=budget.prompts_per_step,
            group_size=budget.group_size,
            learning_rate=budget.rl_rate,
            schedule="linear",
            minibatches=budget.rl_minibatches,
            max_reply_tokens=48,
            tool=TOOL,
            seed=self.seed,
        )
        train_rl(
            self.split("train"), self.layout.model("sft"), self.layout.media,
            self.layout.root / "rl", settings,
        )  # fmt: skip

    def split(self, name: str) -> list[Task]:
        """Return the tasks of one split."""
        return [task for task in read_tasks(self.layout.tasks) if task.split == name]

    def _matches(self) -> list[Match]:
        return list(read_matches(self.layout.media / ANNOTATIONS))

    def _captions(self) -> list[tuple[Task, Any]]:
        groups = {task.group for task in self.split("train")}
        matches = [match for match in self._matches() if match.match_id in groups]
        tasks, trajectories = caption_trajectories(
            matches, TOOL, seed=self.seed, samples=self.budget.caption_samples
        )
        return list(zip(tasks, trajectories, strict=True))

    def _sft(
        self, examples: Sequence[Any], start: str, stage: str, steps: int, rate: float
    ) -> None:
        from deepsport.sft import SFTSettings
        from deepsport.sft.train import train_sft

        settings = SFTSettings(
            steps=steps,
            batch_size=self.budget.sft_batch,
            learning_rate=rate,
            seed=self.seed,
            workers=self.processes if self.processes > 1 else 0,
        )
        train_sft(
            examples, self.layout.model(start), self.layout.media,
            self.layout.root / stage, settings,
        )  # fmt: skip


def evenly(tasks: Iterable[Task], families: int) -> list[Task]:
    """Return at most `families` tasks of each family, spread over the matches."""
    by_family: dict[str, list[Task]] = {}
    for task in tasks:
        by_family.setdefault(task.family, []).append(task)
    chosen = []
    for group in by_family.values():
        step = max(1.0, len(group) / families)
        chosen += [group[int(i * step)] for i in range(min(families, len(group)))]
    return chosen


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
