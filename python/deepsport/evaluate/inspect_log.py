"""Write a run as a log of Inspect AI, to be opened with ``inspect view``.

The JSON form of the log, version 2 (inspect_ai.log.EvalLog). Frames are written as their index and
time: a log is for reading what was said and scored, the report shows the pictures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import deepsport
from deepsport.evaluate.attempt import Attempt
from deepsport.evaluate.run_folder import Run
from deepsport.evaluate.scripted import true_answer
from deepsport.task import Task
from deepsport.trajectory import IMAGE_MARK, Turn

__all__ = ["export_inspect"]

SCORER = "deepsport"


def export_inspect(folder: Path | str, out: Path | str) -> int:
    """Write the log and return the number of samples.

    Parameters
    ----------
    folder : Path or str
        Of the run.
    out : Path or str
        A ``.json`` file.
    """
    run = Run(folder)
    samples = [
        _sample(run.tasks[task_id], attempt, run.info.policy)
        for (task_id, _), attempt in sorted(run.latest().items())
    ]
    scores = run.scores()
    created = datetime.fromtimestamp((run.folder / "run.json").stat().st_mtime, UTC).isoformat()
    log = {
        "version": 2,
        "status": "success",
        "eval": {
            "created": created,
            "task": run.info.name,
            "model": run.info.policy,
            "dataset": {
                "name": "deepsport",
                "samples": len(run.tasks),
                "sample_ids": sorted(run.tasks),
            },
            "config": {"epochs": run.info.attempts},
            "packages": {"deepsport": deepsport.__version__},
            "metadata": {"fingerprint": dict(run.info.fingerprint), "control": run.info.control},
        },
        "results": _results(scores, len(samples)),
        "samples": samples,
    }
    path = Path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(log, ensure_ascii=False), encoding="utf-8")
    partial.replace(path)
    return len(samples)


def _results(scores: Mapping[str, Any], count: int) -> dict[str, Any]:
    overall = scores["overall"]
    strict = overall["strict"]
    values = {
        "mean": strict["mean"],
        "stderr": strict["standard_error"],
        "low": strict["low"],
        "high": strict["high"],
        "lenient": overall["lenient"],
        "coverage": overall["coverage"],
    }
    metrics = {
        name: {"name": name, "value": value} for name, value in values.items() if value is not None
    }
    return {
        "total_samples": count,
        "completed_samples": count,
        "scores": [{"name": SCORER, "scorer": SCORER, "metrics": metrics}],
    }


def _sample(task: Task, attempt: Attempt, model: str) -> dict[str, Any]:
    trajectory, verdict = attempt.trajectory, attempt.verdict
    answer = trajectory.answer or ""
    sample: dict[str, Any] = {
        "id": task.task_id,
        "epoch": trajectory.attempt + 1,
        "input": task.question,
        "target": true_answer(task),
        "messages": [_message(turn) for turn in trajectory.turns],
        "output": {
            "model": model,
            "choices": [
                {
                    "message": {"role": "assistant", "content": answer, "source": "generate"},
                    "stop_reason": "stop",
                }
            ],
        },
        "metadata": {
            "sport": task.sport,
            "kind": task.kind.value,
            "group": task.group,
            "video": task.media[0].path,
            "windows_seconds": [list(window) for window in attempt.windows_seconds],
            "usage": dict(trajectory.usage),
        },
        "total_time": attempt.wall_seconds,
    }
    if task.options:
        sample["choices"] = list(task.options)
    if verdict.strict is not None:
        sample["scores"] = {
            SCORER: {
                "value": verdict.strict,
                "answer": answer,
                "explanation": f"{verdict.outcome.value}, rule: {verdict.rule}",
                "metadata": {"read": verdict.read, "parts": dict(verdict.parts)},
            }
        }
    else:  # a fault is an error of the sample, not a score of 0
        message = trajectory.fault.message if trajectory.fault else verdict.outcome.value
        sample["error"] = {"message": message, "traceback": "", "traceback_ansi": ""}
    return sample


def _message(turn: Turn) -> dict[str, Any]:
    text = turn.text
    for frame in turn.frames:
        text = text.replace(IMAGE_MARK, f"[frame {frame.index}, {frame.pts_seconds:.2f} s]", 1)
    # what the tool showed went to the model as a user's turn
    return {"role": "user" if turn.role == "tool" else turn.role, "content": text}
