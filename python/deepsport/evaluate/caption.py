"""Compare free text with references: ROUGE-L, CIDEr-D, BLEU. No model, no network.

ROUGE-L and CIDEr-D are written here after their papers and tested against reference
implementations; BLEU and chrF come from sacrebleu.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from deepsport.errors import MissingExtraError

__all__ = ["CiderD", "corpus_bleu", "rouge_l", "tokens"]

_TOKEN = re.compile(r"[a-z0-9]+|[^\W_]", re.IGNORECASE)


def tokens(text: str) -> list[str]:
    """Split into lower-case runs of ASCII letters and digits; other letters stand alone.

    Chinese text so becomes single characters, as is usual for ROUGE on it.

    Examples
    --------
    >>> tokens("A net-shot, 2 m wide")
    ['a', 'net', 'shot', '2', 'm', 'wide']
    """
    return _TOKEN.findall(text.lower())


def rouge_l(found: str, references: Sequence[str]) -> float:
    """Return the best ROUGE-L F1 over the references, in [0, 1] (Lin 2004, with beta 1).

    Examples
    --------
    >>> round(rouge_l("a fast smash", ["a smash"]), 3)
    0.8
    """
    own = tokens(found)
    best = 0.0
    for reference in references:
        theirs = tokens(reference)
        common = _common_length(own, theirs)
        if common:
            best = max(best, 2.0 * common / (len(own) + len(theirs)))
    return best


def _common_length(a: Sequence[str], b: Sequence[str]) -> int:
    """Return the length of the longest common subsequence, with bit-parallel rows (Hyyro 2004)."""
    if not a or not b:
        return 0
    masks: dict[str, int] = {}
    for position, token in enumerate(a):
        masks[token] = masks.get(token, 0) | 1 << position
    full = (1 << len(a)) - 1
    row = full
    for token in b:
        match = row & masks.get(token, 0)
        row = (row + match) | (row - match)
    return len(a) - (row & full).bit_count()


class CiderD:
    """CIDEr-D (Vedantam et al. 2015, section 4) with document frequencies fixed at the start.

    Document frequencies come from the references of the whole split, never from the answers, so a
    score does not depend on which other attempts were scored with it.

    Parameters
    ----------
    references : sequence of sequence of str
        References of every question of the split, one entry a question.

    Notes
    -----
    Safe to share.
    """

    LONGEST = 4  #: n-grams of 1 to 4 tokens
    SIGMA = 6.0  #: width of the length penalty, as in the paper's code

    def __init__(self, references: Sequence[Sequence[str]]) -> None:
        self.documents = len(references)
        self._frequency: Counter[tuple[str, ...]] = Counter()
        for group in references:
            seen: set[tuple[str, ...]] = set()
            for reference in group:
                seen.update(_ngrams(tokens(reference), self.LONGEST))
            self._frequency.update(seen)

    def score(self, found: str, references: Sequence[str]) -> float:
        """Return CIDEr-D of one answer, from 0 to 10."""
        own_tokens = tokens(found)
        own, own_norm = self._vector(own_tokens)
        total = 0.0
        for reference in references:
            their_tokens = tokens(reference)
            theirs, their_norm = self._vector(their_tokens)
            gap = len(own_tokens) - len(their_tokens)
            penalty = math.exp(-(gap**2) / (2.0 * self.SIGMA**2))
            for order in range(self.LONGEST):
                if own_norm[order] and their_norm[order]:
                    shared = sum(
                        min(weight, theirs[order].get(gram, 0.0)) * theirs[order].get(gram, 0.0)
                        for gram, weight in own[order].items()
                    )
                    total += penalty * shared / (own_norm[order] * their_norm[order])
        return 10.0 * total / (self.LONGEST * len(references)) if references else 0.0

    def _vector(
        self, words: Sequence[str]
    ) -> tuple[list[dict[tuple[str, ...], float]], list[float]]:
        weights: list[dict[tuple[str, ...], float]] = [{} for _ in range(self.LONGEST)]
        log_documents = math.log(max(1.0, float(self.documents)))
        for gram, count in _ngrams(words, self.LONGEST).items():
            idf = log_documents - math.log(max(1.0, float(self._frequency.get(gram, 0))))
            weights[len(gram) - 1][gram] = count * idf
        return weights, [math.sqrt(sum(w * w for w in order.values())) for order in weights]


def _ngrams(words: Sequence[str], longest: int) -> Counter[tuple[str, ...]]:
    grams: Counter[tuple[str, ...]] = Counter()
    for order in range(1, longest + 1):
        grams.update(tuple(words[i : i + order]) for i in range(len(words) - order + 1))
    return grams


def corpus_bleu(found: Sequence[str], references: Sequence[Sequence[str]]) -> Mapping[str, float]:
    """Return ``bleu`` (BLEU-4) and ``chrf`` of a corpus, 0 to 100, by sacrebleu.

    Raises
    ------
    MissingExtraError
        When sacrebleu is not installed.
    """
    try:
        from sacrebleu import BLEU, CHRF
    except ImportError as error:
        raise MissingExtraError("deepsport[evaluate] is needed for BLEU (sacrebleu)") from error
    most = max((len(group) for group in references), default=0)
    streams: Any = [
        [group[i] if i < len(group) else None for group in references] for i in range(most)
    ]
    if not found or not streams:
        return {}
    return {
        "bleu": float(BLEU(effective_order=False).corpus_score(list(found), streams).score),
        "chrf": float(CHRF().corpus_score(list(found), streams).score),
    }
