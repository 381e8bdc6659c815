"""Score open answers with a language model: cached, concurrent, by a rubric with a version.

A judge that fails is a mask, never a zero: the policy is not charged for an outage. Needs the extra
``deepsport[distil]`` for calls; cached verdicts need nothing.
"""

from __future__ import annotations

from deepsport.reward.judge.ask import Judge, JudgeSettings, Question, Verdict
from deepsport.reward.judge.cache import VerdictCache
from deepsport.reward.judge.mix import judged
from deepsport.reward.judge.rubric import Rubric, load_rubric

__all__ = [
    "Judge",
    "JudgeSettings",
    "Question",
    "Rubric",
    "Verdict",
    "VerdictCache",
    "judged",
    "load_rubric",
]
