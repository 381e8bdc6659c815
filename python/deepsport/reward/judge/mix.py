"""Judge the open answers of a batch and score the rest by rule, in one reward."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from deepsport.errors import SettingsError
from deepsport.protocol import final_answer
from deepsport.reward.judge.ask import Judge, Question, Verdict
from deepsport.reward.rollout import RolloutText
from deepsport.reward.score import score_rollouts
from deepsport.task import Kind

__all__ = ["judged"]


def judged(
    items: Sequence[RolloutText],
    questions: Sequence[str],
    judge: Judge,
    *,
    kinds: Collection[Kind] = (Kind.TEXT,),
    weight: float = 1.0,
    on_verdict: Callable[[int], None] | None = None,
) -> tuple[list[RolloutText], list[Verdict | None]]:
    """Give rollouts of `kinds` the judge's score as their accuracy; mask those it failed on.

    Parameters
    ----------
    items : sequence of RolloutText
    questions : sequence of str
        The question each rollout answers.
    judge : Judge
    kinds : collection of Kind
        Which are judged; all others are scored by their rule.
    weight : float
        accuracy = weight * judge + (1 - weight) * rule. Below 1 a judge alone cannot be gamed.

    Returns
    -------
    items : list of RolloutText
        Ready for score_rollouts. A rollout without an answer is 0 and is not asked about; masked
        ones pass through.
    verdicts : list of Verdict or None
        None where nothing was asked.
    """
    if len(items) != len(questions):
        raise SettingsError(f"{len(questions)} questions for {len(items)} rollouts: one each")
    if not 0 < weight <= 1:
        raise SettingsError(f"weight is {weight}; valid is above 0, up to 1")
    answers = [_answer(item) for item in items]
    asked = [
        row
        for row, item in enumerate(items)
        if Kind(item.kind) in kinds and not item.masked and answers[row]
    ]
    verdicts: list[Verdict | None] = [None] * len(items)
    found = judge.score(
        [Question(questions[row], items[row].truth.references, answers[row]) for row in asked],
        on_verdict=on_verdict,
    )
    rules = score_rollouts(items).accuracy if weight < 1 else None
    result = list(items)
    for row, item in enumerate(items):
        if Kind(item.kind) in kinds and not item.masked and not answers[row]:
            result[row] = replace(item, accuracy=0.0)
    for row, verdict in zip(asked, found, strict=True):
        verdicts[row] = verdict
        if verdict.score is None:
            result[row] = replace(items[row], masked=True)
            continue
        rule = 0.0 if rules is None else float(rules[row])
        result[row] = replace(items[row], accuracy=weight * verdict.score + (1 - weight) * rule)
    return result, verdicts


def _answer(item: RolloutText) -> str:
    return (final_answer(item.turns[-1]) or "") if item.turns else ""
