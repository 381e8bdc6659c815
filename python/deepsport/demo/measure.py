"""Evaluate the checkpoints and controls of a demo on its test matches, and say what was learnt.

Note [What is compared]
-----------------------
Base, supervised and reinforced model answer the same questions, sampled at the temperature of
training; the likeliest answers are reported beside, not compared. The controls are the reinforced
model made to answer at once, with and without the first frames: what it then gets right it did not
see. Differences are paired by question and resampled by match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from deepsport.demo.budget import TOOL
from deepsport.evaluate.compare import compare_scores
from deepsport.evaluate.run_folder import Run
from deepsport.evaluate.summary import task_scores
from deepsport.rollout import Episode
from deepsport.task import read_tasks
from deepsport.testbed.tasks import CHANCE

__all__ = ["Measurement", "measure", "measurements", "summarise_demo"]

DEMO_SCHEMA = "deepsport.demo/1"
#: a reply begun for the model, so that it answers at once
ANSWER_AT_ONCE = "<think>nothing</think><answer>"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One evaluation: its name, the stage whose model plays, the control, the temperature."""

    name: str
    stage: str
    control: str = ""
    temperature: float = 1.0


def measurements(*, greedy: bool) -> Iterator[Measurement]:
    """Yield what is evaluated, the first being what the others are compared with."""
    for stage in ("base", "sft", "rl"):
        yield Measurement(stage, stage)
    yield Measurement("rl no-tool", "rl", control="no-tool")
    yield Measurement("rl no-frames", "rl", control="no-frames")
    if greedy:
        yield Measurement("sft greedy", "sft", temperature=0.0)
        yield Measurement("rl greedy", "rl", temperature=0.0)


def measure(
    root: Path,
    tasks_path: Path,
    wanted: Sequence[Measurement],
    split: str,
    seed: int,
    processes: int,
) -> None:
    """Run evaluations that are not there yet; resumable."""
    jobs = [(root, tasks_path, one, split, seed) for one in wanted]
    if processes == 1 or len(jobs) == 1:
        for job in jobs:
            _measure_one(*job)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(_measure_one, *job) for job in jobs]:
            done.result()


def folder_of(root: Path, one: Measurement, split: str) -> Path:
    """Return the run folder of a measurement."""
    return root / "eval" / split / one.name.replace(" ", "-")


def _measure_one(root: Path, tasks_path: Path, one: Measurement, split: str, seed: int) -> None:
    import torch

    from deepsport.chat import load_checkpoint
    from deepsport.evaluate.run import evaluate
    from deepsport.rollout.transformers_policy import Sampling, TransformersPolicy
    from deepsport.tool import FrameSource

    torch.set_num_threads(1)
    checkpoint = load_checkpoint(root / one.stage / "model", form=TOOL.form)
    policy = TransformersPolicy(
        one.stage,
        checkpoint.model,
        checkpoint.renderer,
        Sampling(temperature=one.temperature, max_reply_tokens=48, seed=seed),
        forced_prefix=ANSWER_AT_ONCE if one.control else "",
        completions=_guesses(root) if one.control else None,
    )
    evaluate(
        read_tasks(tasks_path),
        policy,
        folder_of(root, one, split),
        FrameSource(root / "media"),
        TOOL,
        batch_size=64,
        control=one.control or None,
        seed=seed,
        name=one.name,
        extra={"temperature": one.temperature, "seed": seed},
    )


def _guesses(root: Path) -> Callable[[Episode], list[str]]:
    """Return what a control may answer: the answers that the family has in training tasks."""
    answers: dict[str, set[str]] = {}
    for task in read_tasks(root / "tasks.jsonl"):
        if task.split == "train":
            texts = task.truth.labels or (f"{task.truth.value:.0f}",)
            answers.setdefault(task.family, set()).update(texts)
    closed = {family: [f"{text}</answer>" for text in sorted(a)] for family, a in answers.items()}
    return lambda episode: closed[episode.task.family]


def summarise_demo(
    root: Path, wanted: Sequence[Measurement], split: str, seed: int
) -> dict[str, Any]:
    """Return accuracies with intervals, the two differences that matter, and the verdicts."""
    runs = {one.name: Run(folder_of(root, one, split)) for one in wanted}
    rows = {name: run.rows() for name, run in runs.items()}
    strict = {name: task_scores(found) for name, found in rows.items()}
    groups = {row.task_id: row.group for found in rows.values() for row in found}
    families = [row.slices["family"] for row in rows["base"]]
    random = np.random.default_rng(seed)
    gains = {
        f"{after} - {before}": compare_scores(strict[before], strict[after], groups, random)
        for before, after in (("base", "sft"), ("sft", "rl"))
    }
    return {
        "schema": DEMO_SCHEMA,
        "chance": round(float(np.mean([CHANCE[family] for family in families])), 4),
        "questions": len(families),
        "matches": len(set(groups.values())),
        "runs": {name: _short(run.scores()) for name, run in runs.items()},
        "gains": {name: gain.to_json() for name, gain in gains.items()},
        "beyond_interval": {name: gain.difference.low > 0 for name, gain in gains.items()},
    }


def _short(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a run's scores what the summary shows."""
    looking = scores["looking"]
    return {
        "accuracy": scores["overall"]["strict"],
        "families": {
            family: block["strict"]["mean"] for family, block in scores["slices"]["family"].items()
        },
        "looking": {name: looking[name] for name in ("used_tool", "calls", "hit_rate")},
        "outcomes": scores["outcomes"],
    }
