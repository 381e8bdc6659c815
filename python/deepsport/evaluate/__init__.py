"""Evaluation: play tasks, score answers and looking, and say how sure the numbers are."""

from __future__ import annotations

from deepsport.evaluate.attempt import Attempt, VideoFacts, read_attempts
from deepsport.evaluate.compare import Comparison, compare_scores
from deepsport.evaluate.control import CONTROLS
from deepsport.evaluate.run import RunSummary, evaluate
from deepsport.evaluate.run_folder import Run
from deepsport.evaluate.scoring import score, score_answer
from deepsport.evaluate.summary import summarise
from deepsport.evaluate.verdict import Outcome, Verdict

__all__ = [
    "CONTROLS",
    "Attempt",
    "Comparison",
    "Outcome",
    "Run",
    "RunSummary",
    "Verdict",
    "VideoFacts",
    "compare_scores",
    "evaluate",
    "read_attempts",
    "score",
    "score_answer",
    "summarise",
]
