"""What a reward teaches about looking: the same model reinforced under several presets.

    python -m deepsport.demo.study --demo demo --out study

To the questions of a finished demo a family is added that the first frames answer
(`deepsport.testbed.tasks.DIRECT`), its supervised model learns both to answer these at once and to
look at a needless window first, and is then reinforced under each preset from that same start.
Measured on test matches: accuracy, how often the tool is called where it is needed and where it is
not, windows that hit, frames a question. Resumable: a finished stage is not done again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepsport.demo.budget import TOOL
from deepsport.demo.stages import Layout, evenly
from deepsport.distil import keep
from deepsport.errors import RecordFormatError
from deepsport.evaluate.bootstrap import cluster_codes, cluster_mean
from deepsport.evaluate.compare import compare_scores
from deepsport.evaluate.rows import Row
from deepsport.rollout import play
from deepsport.task import Task, read_tasks, write_tasks
from deepsport.testbed.match import read_matches
from deepsport.testbed.simulate import ANNOTATIONS
from deepsport.testbed.tasks import DIRECT, balanced, make_tasks
from deepsport.testbed.teacher import scripted_teacher
from deepsport.tool import FrameSource
from deepsport.trajectory import read_trajectories

__all__ = ["REWARDS", "run_study"]

SCHEMA = "deepsport.study/1"
REWARDS = ("deepsport-v1", "deepsport-v2", "deepsport-guarded")
SFT_STEPS, SFT_RATE = 200, 1e-3
QUESTIONS = 72  # test questions a family


def run_study(
    demo: Path | str,
    out: Path | str,
    *,
    seed: int = 0,
    rewards: Sequence[str] = REWARDS,
    steps: int = 40,
    rate: float = 4e-4,
) -> dict[str, Any]:
    """Run what is not done yet of the study; return its summary.

    Parameters
    ----------
    demo : Path or str
        Folder of a finished demo.
    out : Path or str
    seed : int
    rewards : sequence of str
        Presets of `deepsport.reward`.
    steps : int
        Of reinforcement, for each preset.
    rate : float
        Learning rate of reinforcement.

    Raises
    ------
    RecordFormatError
        When `demo` holds no finished demo.
    """
    from deepsport.rl import RLSettings
    from deepsport.rl.train import train_rl

    source, out = Layout(Path(demo)), Path(out)
    if not (source.model("sft") / "config.json").is_file():
        raise RecordFormatError(
            f"{demo} has no supervised model; valid is a folder that `deepsport demo --out` finished"
        )
    out.mkdir(parents=True, exist_ok=True)
    tasks = study_tasks(source, seed)
    write_tasks(out / "tasks.jsonl", tasks)
    train = _classified([task for task in tasks if task.split == "train"])
    _imitate(source, out, tasks, seed)
    asked = evenly((task for task in tasks if task.split == "test"), QUESTIONS)
    rows = {"before": _measured(source, out, "sft", asked, seed)}
    for reward in rewards:
        settings = RLSettings(
            steps=steps,
            prompts_per_step=8,
            group_size=8,
            learning_rate=rate,
            schedule="linear",
            minibatches=2,
            max_reply_tokens=48,
            reward=reward,
            tool=TOOL,
            seed=seed,
        )
        train_rl(train, out / "sft" / "model", source.media, out / reward, settings)
        rows[reward] = _measured(source, out, reward, asked, seed)
    summary = summarise(rows, seed)
    text = json.dumps(summary, indent=2) + "\n"
    (out / "summary.json").write_text(text, encoding="utf-8")
    return summary


def study_tasks(demo: Layout, seed: int) -> list[Task]:
    """Return the demo's tasks and the direct ones, in the demo's splits, with their class.

    The class, whether the first frames suffice, is known here by construction; for real data
    `deepsport distil classify` finds it by playing.
    """
    old = list(read_tasks(demo.tasks))
    split = {task.group: task.split for task in old}
    direct = [
        dataclasses.replace(task, split=split[task.group])
        for task in make_tasks(read_matches(demo.media / ANNOTATIONS), (DIRECT,))
        if task.group in split
    ]
    return [*old, *balanced(direct, seed)]


def _classified(tasks: Sequence[Task]) -> list[Task]:
    return [
        dataclasses.replace(
            task,
            provenance={
                **task.provenance,
                "first_frames": {"solved": not task.evidence, "model": "by construction"},
            },
        )
        for task in tasks
    ]


def _imitate(demo: Layout, out: Path, tasks: Sequence[Task], seed: int) -> None:
    """Go on from the demo's supervised model with direct questions among the others."""
    from deepsport.dataset.examples import sft_examples
    from deepsport.sft import SFTSettings
    from deepsport.sft.train import train_sft

    if (out / "sft" / "model" / "config.json").is_file():
        return
    train = [task for task in tasks if task.split == "train"]
    direct = [(task, 0) for task in train if not task.evidence]
    played = list(play(direct, scripted_teacher(seed), FrameSource(demo.media), TOOL))
    kept, _ = keep(played, train)
    trajectories = [*read_trajectories(demo.kept), *kept]
    examples, _ = sft_examples(tasks, trajectories)
    settings = SFTSettings(
        steps=SFT_STEPS, batch_size=16, learning_rate=SFT_RATE, seed=seed, workers=0
    )
    train_sft(examples, demo.model("sft"), demo.media, out / "sft", settings)


def _measured(demo: Layout, out: Path, name: str, asked: Sequence[Task], seed: int) -> list[Row]:
    """Play the test questions once with a model, sampled as in training; return the rows."""
    from deepsport.chat import load_checkpoint
    from deepsport.evaluate.run import evaluate
    from deepsport.evaluate.run_folder import Run
    from deepsport.rollout.transformers_policy import Sampling, TransformersPolicy

    checkpoint = load_checkpoint(out / name / "model", form=TOOL.form)
    policy = TransformersPolicy(
        name, checkpoint.model, checkpoint.renderer, Sampling(max_reply_tokens=48, seed=seed)
    )
    folder = out / "eval" / name
    evaluate(
        asked, policy, folder, FrameSource(demo.media), TOOL, batch_size=64, seed=seed, name=name
    )
    return Run(folder).rows()


def summarise(rows: Mapping[str, Sequence[Row]], seed: int) -> dict[str, Any]:
    """Return for each model what it got right and how it looked, with intervals by match."""
    random = np.random.default_rng(seed)

    def mean(chosen: Sequence[Row], value: Any) -> dict[str, Any]:
        values = [float(value(row)) for row in chosen]
        codes = cluster_codes([row.group for row in chosen])
        return cluster_mean(values, codes, random).to_json()

    models: dict[str, Any] = {}
    for name, found in rows.items():
        counted = [row for row in found if row.strict is not None]
        hidden = [row for row in counted if row.has_evidence]
        direct = [row for row in counted if not row.has_evidence]
        models[name] = {
            "accuracy": mean(counted, lambda r: r.strict),
            "accuracy_hidden": mean(hidden, lambda r: r.strict),
            "accuracy_direct": mean(direct, lambda r: r.strict),
            "called_hidden": mean(hidden, lambda r: r.look.calls > 0),
            "called_direct": mean(direct, lambda r: r.look.calls > 0),
            "window_hit": mean(hidden, lambda r: bool(r.look.hit)),
            "frames_hidden": mean(hidden, lambda r: r.look.frames),
            "frames_direct": mean(direct, lambda r: r.look.frames),
        }
    first = next(iter(rows))
    scores = {
        name: {row.task_id: row.strict for row in found if row.strict is not None}
        for name, found in rows.items()
    }
    groups = {row.task_id: row.group for found in rows.values() for row in found}
    gains = {
        name: compare_scores(scores[first], scores[name], groups, random).to_json()
        for name in rows
        if name != first
    }
    return {"schema": SCHEMA, "seed": seed, "models": models, "gains": gains}


def main() -> None:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(prog="python -m deepsport.demo.study", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--demo", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=40)
    args = parser.parse_args()
    summary = run_study(args.demo, args.out, seed=args.seed, steps=args.steps)
    for name, model in summary["models"].items():
        cells = (f"{key} {value['mean']:.3g}" for key, value in model.items())
        print(f"{name:<18} {'  '.join(cells)}")  # noqa: T201


if __name__ == "__main__":
    main()
