"""The demo from beginning to end: simulate, ask, distil, see, imitate, play, measure, report.

    demo.json        what was asked for, and how long each finished stage took
    media/           videos and annotation
    tasks.jsonl      questions with their splits
    trajectories.jsonl, kept.jsonl, funnel.json
    tiny/ base/ sft/ rl/     checkpoints and learning curves
    eval/            a run folder for each evaluation
    summary.json     accuracies, gains, verdicts
    report.html

Resumable: a stage that is finished is not done again, one that was stopped goes on.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deepsport.demo.budget import BUDGETS, Budget
from deepsport.demo.stages import Layout, Stages, evenly
from deepsport.errors import SettingsError
from deepsport.task import write_tasks

__all__ = ["run_demo"]

SCHEMA = "deepsport.demo-run/1"


def run_demo(
    out: Path | str,
    budget: str = "full",
    seed: int = 0,
    *,
    processes: int = 2,
    split: str = "test",
) -> dict[str, Any]:
    """Run what is not done yet of the demo; return its summary.

    Parameters
    ----------
    out : Path or str
    budget : {"full", "smoke"}
    seed : int
        Of everything: matches, teacher, weights, sampling.
    processes : int
        Where the work divides: simulation, loading, evaluation.
    split : {"test", "validation"}
        What is measured on. Settings are chosen on validation matches only.

    Raises
    ------
    SettingsError
        When the folder holds a demo of another budget or seed.
    MissingExtraError
        When an extra is not installed.
    """
    if budget not in BUDGETS:
        raise SettingsError(f"budget is {budget!r}, valid are {', '.join(BUDGETS)}")
    layout = Layout(Path(out))
    layout.root.mkdir(parents=True, exist_ok=True)
    sizes = BUDGETS[budget]
    log = _Log(layout.root / "demo.json", sizes, seed)
    stages = Stages(layout, sizes, seed, processes)
    for name, work in (
        ("simulate", stages.simulate),
        ("tasks", stages.tasks),
        ("distil", stages.distil),
        ("tiny", stages.tiny),
        ("base", stages.base),
        ("sft", stages.sft),
        ("rl", stages.rl),
    ):
        log.once(name, work)
    from deepsport.demo.measure import measure, measurements, summarise_demo

    asked = layout.root / f"{split}.jsonl"
    wanted = list(measurements(greedy=sizes.greedy))
    log.once(f"questions {split}", lambda: _questions(stages, asked, split))
    log.once(
        f"evaluate {split}", lambda: measure(layout.root, asked, wanted, split, seed, processes)
    )
    summary = summarise_demo(layout.root, wanted, split, seed)
    summary["seconds"] = log.seconds()
    text = json.dumps(summary, indent=2) + "\n"
    (layout.root / f"summary-{split}.json").write_text(text, encoding="utf-8")
    log.once(f"report {split}", lambda: _report(layout, wanted, split))
    return summary


def _questions(stages: Stages, path: Path, split: str) -> None:
    write_tasks(path, evenly(stages.split(split), stages.budget.test_tasks))


def _report(layout: Layout, wanted: list[Any], split: str) -> None:
    from deepsport.demo.measure import folder_of
    from deepsport.report import build

    curves = {
        "captions": layout.root / "base" / "curve.jsonl",
        "supervised": layout.root / "sft" / "curve.jsonl",
        "reinforcement": layout.root / "rl" / "curve.jsonl",
    }
    build(
        [folder_of(layout.root, one, split) for one in wanted],
        layout.root / ("report.html" if split == "test" else f"report-{split}.html"),
        curves=curves,
        subject="rl",
        title="deepsport demo",
        intro="A tiny model on simulated matches that it has not seen: a test bed, no sport. "
        "Before tuning, after supervised and after reinforcement training, and controls.",
        media_root=layout.media,
        inline_pictures=10_000,  # small ones: the page stays one file, of about 15 MB
    )


class _Log:
    """What was asked for and which stages are done, with their time."""

    def __init__(self, path: Path, budget: Budget, seed: int) -> None:
        self.path = path
        asked = json.loads(json.dumps({"budget": budget.to_json(), "seed": seed}))
        self.record: dict[str, Any] = {"schema": SCHEMA, **asked, "stages": {}}
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            if any(found.get(key) != value for key, value in asked.items()):
                raise SettingsError(
                    f"{path.parent} holds a demo of another budget or seed; take another folder"
                )
            self.record = found

    def once(self, name: str, work: Callable[[], None]) -> None:
        """Do the work of a stage unless it is done."""
        if name in self.record["stages"]:
            return
        started, processor = time.perf_counter(), _processor_seconds()
        work()
        self.record["stages"][name] = {
            "seconds": round(time.perf_counter() - started, 1),
            "processor_seconds": round(_processor_seconds() - processor, 1),
        }
        partial = self.path.with_name(self.path.name + ".partial")
        partial.write_text(json.dumps(self.record, indent=2) + "\n", encoding="utf-8")
        partial.replace(self.path)

    def seconds(self) -> dict[str, float]:
        """Return wall and processor seconds of all stages."""
        stages = self.record["stages"].values()
        return {
            name: round(sum(stage[name] for stage in stages), 1)
            for name in ("seconds", "processor_seconds")
        }


def _processor_seconds() -> float:
    """Return processor time of this process and of its finished children."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)
