"""The verdict on one attempt: what was read from its answer, by which rule, and the score.

A verdict keeps apart what the policy did (`OK`, `PARSE_FAIL`, ...) from what the infrastructure
did to it (`MEDIA_ERROR`, ...): the second is never a wrong answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from deepsport.errors import RecordFormatError

__all__ = ["FAULTS", "Outcome", "Verdict"]


class Outcome(StrEnum):
    """How an attempt ended, seen by the scorer."""

    OK = "ok"  #: an answer that could be read
    PARSE_FAIL = "parse_fail"  #: an answer nothing could be read from
    REFUSED = "refused"  #: the policy declined to answer
    MALFORMED = "malformed"  #: a turn broke the protocol
    TRUNCATED = "truncated"  #: the token limit cut a turn off
    BUDGET = "budget"  #: no answer within the allowed turns
    MEDIA_ERROR = "media_error"  #: the video could not be read
    API_ERROR = "api_error"  #: the model's server failed
    TIMEOUT = "timeout"
    JUDGE_FAIL = "judge_fail"  #: the judge gave no usable verdict
    INTERNAL = "internal"


FAULTS = frozenset(
    {
        Outcome.MEDIA_ERROR,
        Outcome.API_ERROR,
        Outcome.TIMEOUT,
        Outcome.JUDGE_FAIL,
        Outcome.INTERNAL,
    }
)  #: outcomes that are not the policy's doing


@dataclass(frozen=True, slots=True)
class Verdict:
    """The score of one attempt.

    Attributes
    ----------
    outcome : Outcome
    score : float or None
        In [0, 1]; None when nothing could be scored. An answer that was found although the
        protocol was broken keeps its score beside the outcome `MALFORMED` or `TRUNCATED`: the
        lenient mean counts it, the strict one does not.
    correct : bool or None
        Whether the answer counts as right.
    rule : str
        Name of the rule that read the answer, or that failed to.
    read : object
        What was read: letters, a number, spans or text, as plain JSON values.
    parts : mapping
        Further measures by name, e.g. ``tiou`` or ``abs_error``.
    """

    outcome: Outcome
    score: float | None = None
    correct: bool | None = None
    rule: str = ""
    read: Any = None
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def faulted(self) -> bool:
        """Whether the infrastructure failed; such attempts leave the mean."""
        return self.outcome in FAULTS

    @property
    def strict(self) -> float | None:
        """Score with everything the policy got wrong as 0; None for a fault."""
        if self.faulted:
            return None
        return self.score if self.outcome is Outcome.OK and self.score is not None else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as plain JSON values; empty fields are left out."""
        record = dataclasses.asdict(self)
        record["outcome"] = self.outcome.value
        return {k: v for k, v in record.items() if v is not None and v != "" and v != {}}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Verdict:
        """Read a verdict written by :meth:`to_json`.

        Raises
        ------
        RecordFormatError
            When a field is unknown or of the wrong type.
        """
        try:
            values = dict(record)
            values["outcome"] = Outcome(values["outcome"])
            return cls(**values)
        except (KeyError, TypeError, ValueError) as error:
            raise RecordFormatError(
                f"verdict {record!r}: {type(error).__name__}: {error}"
            ) from error
