"""What can go wrong with a request, and whether asking again can help."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from enum import StrEnum

from deepsport.errors import DeepsportError

__all__ = [
    "BudgetSpentError",
    "EndpointError",
    "FailureKind",
    "InterruptedRunError",
    "JournalError",
    "RequestFailedError",
    "StopRunError",
    "classify_status",
    "retry_after_seconds",
]

_DETAIL_CHARS = 400


class FailureKind(StrEnum):
    """Why a request brought no reply."""

    THROTTLED = "throttled"  #: 429: too fast
    TIMEOUT = "timeout"  #: no whole reply in time
    SERVER = "server"  #: 5xx and their kin
    NETWORK = "network"  #: no connection, or it broke
    BROKEN_REPLY = "broken_reply"  #: 200, but not a whole chat completion
    REFUSED = "refused"  #: 400, 413, 422, ...: this request will never do
    FORBIDDEN = "forbidden"  #: 401, 403, 404, no credit: no request will do

    @property
    def again(self) -> bool:
        """Whether the same request may succeed later."""
        return self not in (FailureKind.REFUSED, FailureKind.FORBIDDEN)


class RequestFailedError(DeepsportError):
    """One request failed.

    Attributes
    ----------
    kind : FailureKind
    status : int
        HTTP status, 0 when there was none.
    retry_after : float
        Seconds the endpoint asked to wait, 0 when it did not say.
    """

    def __init__(
        self, kind: FailureKind, message: str, *, status: int = 0, retry_after: float = 0.0
    ) -> None:
        super().__init__(message[:_DETAIL_CHARS])
        self.kind, self.status, self.retry_after = kind, status, retry_after


class StopRunError(DeepsportError):
    """Base of what ends a run before its end; all that was finished is in the journal."""


class EndpointError(StopRunError):
    """The endpoint cannot be used at all: go on later."""


class BudgetSpentError(StopRunError):
    """The next request could exceed the budget: go on with more."""


class InterruptedRunError(StopRunError):
    """The user asked to stop."""


class JournalError(StopRunError):
    """The journal cannot be written, e.g. because the disk is full."""


def classify_status(status: int, code: str) -> FailureKind:
    """Return the kind of an HTTP error; `code` is the endpoint's own word, if any."""
    if status == 429:
        if code in ("insufficient_quota", "billing_hard_limit_reached"):
            return FailureKind.FORBIDDEN
        return FailureKind.THROTTLED
    if status in (401, 402, 403, 404):
        return FailureKind.FORBIDDEN
    if status == 408:
        return FailureKind.TIMEOUT
    if status >= 500 or status in (409, 425):
        return FailureKind.SERVER
    return FailureKind.REFUSED


def retry_after_seconds(headers: Mapping[str, str], *, now: float | None = None) -> float:
    """Read Retry-After (RFC 9110 section 10.2.3: seconds or a date) or retry-after-ms; else 0."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        value = headers.get("retry-after", "")
        if not value:
            return 0.0
        try:
            return max(0.0, float(value))
        except ValueError:
            date = email.utils.parsedate_to_datetime(value)
            return max(0.0, date.timestamp() - (time.time() if now is None else now))
    except (ValueError, TypeError, OverflowError):
        return 0.0
