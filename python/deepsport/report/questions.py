"""What the browser of questions shows: a short record for its list, the details for one question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from deepsport.evaluate.attempt import Attempt
from deepsport.evaluate.rows import Row
from deepsport.evaluate.run_folder import Run
from deepsport.evaluate.scripted import true_answer
from deepsport.report.pictures import Pictures
from deepsport.task import Kind, Task
from deepsport.trajectory import IMAGE_MARK, Turn

__all__ = ["is_unknown", "question_records"]


def question_records(
    runs: Sequence[Run], rows: Sequence[Sequence[Row]], pictures: Pictures
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return records and details of all questions, those of the first run first.

    Questions are the same when their id is; a run that asked another content under it (shuffled
    options) keeps its own options in the details.
    """
    tasks: dict[str, Task] = {}
    for run in runs:
        for task_id, task in run.tasks.items():
            tasks.setdefault(task_id, task)
    looks: list[dict[str, list[Row]]] = []
    for some in rows:
        by_task: dict[str, list[Row]] = defaultdict(list)
        for row in sorted(some, key=lambda row: row.attempt):
            by_task[row.task_id].append(row)
        looks.append(by_task)
    latest = [_by_task(run) for run in runs]
    records, details = [], []
    for task_id, task in tasks.items():
        records.append(_record(task, [look.get(task_id, []) for look in looks]))
        details.append(
            _detail(task, [attempts.get(task_id, []) for attempts in latest], runs, pictures)
        )
    return records, details


def is_unknown(task: Task) -> bool:
    """Say whether nobody knows the right answer: the question was asked, not evaluated."""
    return task.provenance.get("truth") == "unknown"


def _by_task(run: Run) -> dict[str, list[Attempt]]:
    out: dict[str, list[Attempt]] = defaultdict(list)
    for (task_id, _), attempt in sorted(run.latest().items()):
        out[task_id].append(attempt)
    return out


def _record(task: Task, rows: Sequence[Sequence[Row]]) -> dict[str, Any]:
    return {
        "id": task.task_id,
        "q": task.question,
        "kind": task.kind.value,
        "sport": task.sport,
        "source": task.source,
        "family": task.family,
        "dim": task.dimension.value if task.dimension else "",
        "unknown": int(is_unknown(task)),
        # one list a run: outcome, score, right, hit (-1 unknown), calls, frames
        "r": [
            [
                [
                    row.outcome.value,
                    None if row.strict is None else round(row.strict, 3),
                    int(row.correct),
                    -1 if not row.has_evidence else int(bool(row.look.hit)),
                    row.look.calls,
                    row.look.frames,
                ]
                for row in attempts
            ]
            for attempts in rows
        ],
    }


def _detail(
    task: Task, attempts: Sequence[Sequence[Attempt]], runs: Sequence[Run], pictures: Pictures
) -> dict[str, Any]:
    return {
        "group": task.group,
        "video": task.media[0].path,
        "difficulty": task.difficulty,
        "truth": "" if is_unknown(task) else true_answer(task),
        "unit": task.truth.unit,
        "options": list(task.options),
        "labels": list(task.truth.labels)
        if (task.options or task.kind is Kind.YES_NO) and not is_unknown(task)
        else [],
        "evidence": [[s.start_seconds, s.stop_seconds, s.label] for s in task.evidence],
        "runs": [
            [
                _attempt(attempt, runs[number].tasks[task.task_id], task, number, pictures)
                for attempt in some
            ]
            for number, some in enumerate(attempts)
        ],
    }


def _attempt(
    attempt: Attempt, asked: Task, task: Task, run: int, pictures: Pictures
) -> dict[str, Any]:
    trajectory, verdict, video = attempt.trajectory, attempt.verdict, attempt.video
    windows = iter(attempt.windows_seconds)
    turns = []
    for turn in trajectory.turns:
        if turn.role == "system":
            continue
        record = _turn(turn, asked, run, pictures)
        if turn.call is not None and turn.call.window is not None and not turn.call.rejected:
            record["seconds"] = list(next(windows, ()))
        turns.append(record)
    out: dict[str, Any] = {
        "turns": turns,
        "answer": trajectory.answer,
        "verdict": verdict.to_json(),
        "video": None
        if video is None
        else [video.frame_count, round(video.fps, 3), round(video.duration_seconds, 3)],
        "wall": round(attempt.wall_seconds, 2),
        "usage": {name: round(value, 3) for name, value in trajectory.usage.items()},
    }
    training = trajectory.settings.get("training")
    if isinstance(training, dict):
        out["training"] = [training.get("step"), training.get("reward"), training.get("parts", {})]
    if trajectory.fault is not None:
        out["fault"] = f"{trajectory.fault.kind}: {trajectory.fault.message}"
    if asked.options != task.options:
        out["options"], out["labels"] = list(asked.options), list(asked.truth.labels)
    return out


def _turn(turn: Turn, task: Task, run: int, pictures: Pictures) -> dict[str, Any]:
    record: dict[str, Any] = {"role": turn.role}
    if turn.frames:
        record["frames"] = [
            [
                frame.index,
                round(frame.pts_seconds, 3),
                pictures.number(run, task.media[frame.media].path, frame),
                frame.view,
            ]
            for frame in turn.frames
        ]
    if turn.role == "tool":
        told = [line for line in turn.text.splitlines() if IMAGE_MARK not in line]
        record["text"] = turn.text if not turn.frames else "\n".join(told)
    if turn.role == "assistant":
        record["text"] = turn.text
    if turn.call is not None:
        record["window"] = list(turn.call.window) if turn.call.window else None
        record["rejected"] = turn.call.rejected
        record["repeated"] = turn.call.repeated
        record["call"] = turn.call.name
        if turn.call.name != "choose_frames":
            record["arguments"] = {name: str(v) for name, v in turn.call.arguments.items()}
    return record
