"""Give the open answers of a recorded run the score of one or several judges.

The judges (`deepsport.reward.judge`) see question, references and answer, never the policy's name.
An answer that no judge could score leaves the mean as `judge_fail`; it is not wrong.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsport.evaluate.attempt import Attempt, write_attempts
from deepsport.evaluate.run_folder import Run, write_json
from deepsport.evaluate.scoring import find_answer
from deepsport.evaluate.summary import summarise
from deepsport.evaluate.verdict import Outcome, Verdict
from deepsport.progress import Progress
from deepsport.reward.judge import Judge, Question
from deepsport.reward.judge import Verdict as JudgeVerdict
from deepsport.task import Kind

__all__ = ["JUDGED_RIGHT", "Judged", "judge_run"]

JUDGED_RIGHT = 0.5  #: mean score from which an open answer counts as right


@dataclass(frozen=True, slots=True)
class Judged:
    """What a call of :func:`judge_run` did.

    Attributes
    ----------
    judged, failed : int
        Answers with and without a score.
    from_cache : int
        Verdicts that were there already.
    scores : mapping
        The new content of ``scores.json``.
    """

    judged: int
    failed: int
    from_cache: int
    scores: Mapping[str, Any]


def judge_run(folder: Path | str, judges: Sequence[Judge]) -> Judged:
    """Judge the open answers of a run and rewrite its files.

    Parameters
    ----------
    folder : Path or str
    judges : sequence of Judge
        The score is the mean over those that gave one; each one's stays in the verdict's parts as
        ``judge:MODEL``.
    """
    run = Run(folder)
    attempts = list(run.attempts())
    asked = [
        (place, attempt, answer)
        for place, attempt in enumerate(attempts)
        if (answer := _judgeable(run, attempt))
    ]
    questions = [
        Question(
            run.tasks[attempt.key[0]].question,
            run.tasks[attempt.key[0]].truth.references,
            answer,
        )
        for _, attempt, answer in asked
    ]
    found: dict[str, list[JudgeVerdict]] = {}
    with Progress(f"judge {run.info.name}", len(questions) * len(judges)) as bar:
        for judge in judges:
            found[judge.settings.model] = judge.score(questions, on_verdict=bar.advance)
    failed = 0
    for number, (place, attempt, answer) in enumerate(asked):
        verdict = _verdict(attempt, answer, {name: v[number] for name, v in found.items()})
        failed += verdict.outcome is Outcome.JUDGE_FAIL
        attempts[place] = attempt.with_verdict(verdict)
    write_attempts(run.attempts_path, attempts)
    described = [
        {
            "model": judge.settings.model,
            "rubric": f"{judge.rubric.name}-{judge.rubric.version}",
            "digest": judge.rubric.digest[:12],
        }
        for judge in judges
    ]
    info = dataclasses.replace(run.info, fingerprint={**run.info.fingerprint, "judge": described})
    write_json(run.folder / "run.json", info.to_json())
    run = Run(folder)
    scores = summarise(run.tasks, run.rows(), seed=info.seed, votes=run.votes())
    scores["run"] = info.to_json()
    write_json(run.folder / "scores.json", scores)
    cached = sum(v.cached for verdicts in found.values() for v in verdicts)
    return Judged(len(asked) - failed, failed, cached, scores)


def _judgeable(run: Run, attempt: Attempt) -> str:
    """Return the answer of an attempt at an open question, empty when there is nothing to judge."""
    task = run.tasks.get(attempt.key[0])
    if task is None or task.kind is not Kind.TEXT:
        return ""
    played = not attempt.verdict.faulted or attempt.verdict.outcome is Outcome.JUDGE_FAIL
    return (find_answer(attempt.trajectory) or "").strip() if played else ""


def _verdict(attempt: Attempt, answer: str, verdicts: Mapping[str, JudgeVerdict]) -> Verdict:
    before = attempt.verdict
    parts = {k: v for k, v in before.parts.items() if not k.startswith("judge:")}
    parts |= {f"judge:{name}": v.score for name, v in verdicts.items() if v.score is not None}
    scores = [v.score for v in verdicts.values() if v.score is not None]
    outcome = Outcome.OK if before.outcome is Outcome.JUDGE_FAIL else before.outcome
    if not scores:
        return Verdict(Outcome.JUDGE_FAIL, rule="judge", read=answer, parts=parts)
    mean = sum(scores) / len(scores)
    return Verdict(outcome, mean, mean >= JUDGED_RIGHT, "judge", answer, parts)
