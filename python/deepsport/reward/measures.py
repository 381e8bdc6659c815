"""Single measures over batches: texts, letters, spans. score_rollouts uses the same code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepsport._core import reward as _core
from deepsport.errors import SettingsError

__all__ = [
    "edit_ratio",
    "exact_match",
    "matched_iou",
    "read_letters",
    "read_spans",
    "recall_at_iou",
    "rouge_l",
    "span_iou",
    "temporal_iou",
    "token_f1",
]

Floats = NDArray[np.float64]
Spans = Sequence[tuple[float, float]]


def _compare(
    measure: int, answers: Sequence[str], references: Sequence[str], threads: int
) -> Floats:
    if len(answers) != len(references):
        raise SettingsError(f"{len(answers)} answers and {len(references)} references: one each")
    return _core.compare(measure, answers, references, max(1, threads))


def exact_match(answers: Sequence[str], references: Sequence[str], threads: int = 1) -> Floats:
    """Return 1.0 where answer and reference are the same words in the same order, (n,).

    A word is a run of ASCII letters and digits, lower-cased, and of any other characters but
    spaces, dashes and quotes of Unicode.
    """
    return _compare(0, answers, references, threads)


def token_f1(answers: Sequence[str], references: Sequence[str], threads: int = 1) -> Floats:
    """Return the F1 of the two bags of words (SQuAD's measure, with our words), (n,)."""
    return _compare(1, answers, references, threads)


def rouge_l(answers: Sequence[str], references: Sequence[str], threads: int = 1) -> Floats:
    """Return ROUGE-L F (Lin 2004) over words, (n,).

    Equal to the ``rouge-score`` package without stemming on ASCII texts.
    """
    return _compare(2, answers, references, threads)


def edit_ratio(answers: Sequence[str], references: Sequence[str], threads: int = 1) -> Floats:
    """Return 1 - Levenshtein distance / longer length, in characters as they are, (n,)."""
    return _compare(3, answers, references, threads)


def read_letters(
    answer: str, options: Sequence[str] = (), *, several: bool = False
) -> tuple[frozenset[str], str]:
    """Find the option letters an answer names, and the rule that found them.

    Rules in order: ``label`` ("B", "(b)", "The answer is B.", "A and C"), ``anchor`` ("B. penalty
    kick"), ``option_text`` (the words of exactly one option), else ``none`` and no letter. Never a
    guess: "not B" and "a foul" name no letter.

    Examples
    --------
    >>> read_letters("The answer is (B).")
    (frozenset({'B'}), 'label')
    """
    mask, rule = _core.read_letters(answer, several, options)
    letters = frozenset(chr(65 + bit) for bit in range(26) if mask >> bit & 1)
    return letters, ("none", "label", "anchor", "option_text")[rule]


def read_spans(text: str) -> list[tuple[float, float]] | None:
    """Read "12.5-14.0, 1:02 to 1:04" as spans in seconds; None when that is not what it says."""
    return _core.read_spans(text)


def span_iou(predicted: Spans, right: Spans) -> float:
    """Return the overlap of two sets of spans over their union, each set joined first."""
    return _core.span_iou(predicted, right)


def temporal_iou(predicted: ArrayLike, right: ArrayLike) -> Floats:
    """Return the IoU of single spans, (n, 2) with (n, 2) -> (n,); 0 where they only touch.

    Raises
    ------
    SettingsError
        Shapes that differ or are not (n, 2).
    """
    one, other = np.asarray(predicted, np.float64), np.asarray(right, np.float64)
    if one.shape != other.shape or one.ndim != 2 or one.shape[1] != 2:
        raise SettingsError(f"spans of shapes {one.shape} and {other.shape}: valid is (n, 2) twice")
    overlap = np.clip(
        np.minimum(one[:, 1], other[:, 1]) - np.maximum(one[:, 0], other[:, 0]), 0.0, None
    )
    union = (one[:, 1] - one[:, 0]) + (other[:, 1] - other[:, 0]) - overlap
    return np.divide(overlap, union, out=np.zeros(len(one)), where=union > 0)


def matched_iou(predicted: Spans, right: Spans) -> Floats:
    """Pair right spans with predicted ones, best IoU first, each once; IoU of each right span.

    Returns
    -------
    float64, (number of right spans,)
        0 for a right span that found no partner. Its mean is the segment-wise score; compare with
        thresholds for recall.
    """
    result = np.zeros(len(right))
    if not len(predicted) or not len(right):
        return result
    one, other = np.asarray(predicted, np.float64), np.asarray(right, np.float64)
    table = np.stack(
        [temporal_iou(one, np.broadcast_to(span, one.shape)) for span in other], axis=1
    )
    for _ in range(min(table.shape)):
        row, column = np.unravel_index(int(np.argmax(table)), table.shape)
        if table[row, column] <= 0:
            break
        result[column] = table[row, column]
        table[row, :] = -1.0
        table[:, column] = -1.0
    return result


def recall_at_iou(
    ious: ArrayLike, thresholds: Sequence[float] = (0.3, 0.5, 0.7)
) -> dict[float, float]:
    """Return the share of IoUs that reach each threshold (R@1 at IoU m)."""
    values = np.asarray(ious, np.float64)
    if values.size == 0:
        raise SettingsError("recall of no spans: valid is one or more")
    return {threshold: float(np.mean(values >= threshold)) for threshold in thresholds}
