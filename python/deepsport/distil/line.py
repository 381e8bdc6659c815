"""The line to a teacher: remembered replies, pace, budget, retries, all written in the journal."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from deepsport.distil.breaker import Breaker
from deepsport.distil.failures import (
    BudgetSpentError,
    EndpointError,
    FailureKind,
    RequestFailedError,
    StopRunError,
)
from deepsport.distil.journal import Totals
from deepsport.distil.ledger import Ledger
from deepsport.distil.pace import Pace
from deepsport.distil.request import Completion, Request
from deepsport.distil.settings import PaceSettings
from deepsport.distil.teacher import Teacher

__all__ = ["Line", "RequestLog"]

# the endpoint may have done the work, and charged for it, though the reply did not arrive
_MAY_BE_BILLED = frozenset({FailureKind.TIMEOUT, FailureKind.NETWORK, FailureKind.BROKEN_REPLY})
_BUDGET_POLL_SECONDS = 0.1
_SLICE_SECONDS = 0.5
_OUTAGE = frozenset({FailureKind.TIMEOUT, FailureKind.NETWORK, FailureKind.SERVER})


class RequestLog(Protocol):
    """Where a line writes: a `Journal`, or one worker's part of a `SharedJournal`."""

    def reply(self, key: str) -> Completion | None:
        """Return the reply that was given to a request before, or None."""

    def sent(self, key: str, purpose: str, attempt: int, reserved: float) -> int:
        """Record that a request is about to be sent, and return its number."""

    def replied(
        self, number: int, key: str, completion: Completion, cost: float, seconds: float
    ) -> None:
        """Record a reply and what it cost."""

    def failed(
        self, number: int, kind: str, status: int, detail: str, *, seconds: float, billed: bool
    ) -> None:
        """Record that a request brought no reply."""

    def failures(self, key: str) -> int:
        """Return how often a request failed in earlier runs."""

    def totals(self) -> Totals:
        """Return the sums over all requests."""


class Line:
    """A teacher that is asked politely and only once; for one event loop.

    Parameters
    ----------
    teacher : Teacher
        Sends one request.
    journal : RequestLog
    ledger : Ledger
    pace : Pace
    breaker : Breaker
    settings : PaceSettings
    sleep, jitter : callables
        For tests; `jitter` gives 0..1.

    Attributes
    ----------
    stop : StopRunError or None
        Why no request is sent any more: see :meth:`close`.
    """

    def __init__(
        self,
        teacher: Teacher,
        journal: RequestLog,
        ledger: Ledger,
        pace: Pace,
        breaker: Breaker,
        settings: PaceSettings,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.teacher, self.journal, self.ledger = teacher, journal, ledger
        self.pace, self.breaker, self._settings = pace, breaker, settings
        self._sleep, self._jitter = sleep, jitter
        self.stop: StopRunError | None = None
        self._ever_replied = journal.totals()["replied"] > 0

    async def complete(self, request: Request) -> Completion:
        """Return the remembered reply, or ask until there is one.

        Raises
        ------
        RequestFailedError
            When the request was refused, or failed ``max_tries`` times.
        EndpointError
            When no request can succeed.
        BudgetSpentError
        """
        key = request.key
        known = self.journal.reply(key)
        if known is not None:
            return known
        prompt_tokens = request.estimate_prompt_tokens()
        tries, failures = 0, self.journal.failures(key)
        while True:
            await self.breaker.passage()
            if self.stop is not None:
                raise self.stop
            try:
                return await self._once(request, key, prompt_tokens)
            except RequestFailedError as failure:
                if failure.kind is FailureKind.FORBIDDEN and not self._ever_replied:
                    stop = EndpointError(f"{self.breaker.host} refuses every request: {failure}")
                    self.close(stop)
                    raise stop from None
                failures += 1
                # an outage is not this request's doing, until it has failed far too often
                tries += not self.breaker.is_open or failures > 3 * self._settings.max_tries
                if not failure.kind.again or tries >= self._settings.max_tries:
                    raise
                await self._rest(self._pause(tries, failure.retry_after))

    def close(self, reason: StopRunError) -> None:
        """Send nothing more; what is in flight is finished and written down."""
        self.stop = self.stop or reason
        self.pace.close()

    async def _rest(self, seconds: float) -> None:
        while seconds > 0 and self.stop is None:
            await self._sleep(min(seconds, _SLICE_SECONDS))
            seconds -= _SLICE_SECONDS

    def _pause(self, number: int, retry_after: float) -> float:
        """Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"), or Retry-After."""
        most = min(self._settings.max_backoff_seconds, self._settings.backoff_seconds * 2**number)
        return max(retry_after, self._jitter() * most)

    async def _once(self, request: Request, key: str, prompt_tokens: int) -> Completion:
        ticket = await self.pace.enter(prompt_tokens + self._usual_reply_tokens())
        used: int | None = None
        try:
            if self.stop is not None:
                raise self.stop
            reserved = await self._reserve(prompt_tokens)
            number = self.journal.sent(key, request.purpose, request.attempt, reserved)
            started = time.monotonic()
            try:
                reply = await self.teacher.complete(request)
            except RequestFailedError as failure:
                billed = failure.kind in _MAY_BE_BILLED
                self.ledger.give_up(reserved, billed=billed)
                self.journal.failed(
                    number,
                    failure.kind.value,
                    failure.status,
                    str(failure),
                    seconds=time.monotonic() - started,
                    billed=billed,
                )
                self.pace.failed(ticket, failure.kind, failure.retry_after)
                if failure.kind in _OUTAGE:
                    self.breaker.failed(str(failure))
                else:
                    self.breaker.succeeded()  # it answers, if only to refuse
                raise
            cost = self.ledger.settle(reserved, reply.prompt_tokens, reply.completion_tokens)
            self.journal.replied(number, key, reply, cost, time.monotonic() - started)
            used = reply.prompt_tokens + reply.completion_tokens
            self._ever_replied = True
            self.pace.succeeded()
            self.breaker.succeeded()
            return reply
        finally:
            self.pace.leave(ticket, used)

    async def _reserve(self, prompt_tokens: int) -> float:
        """Take from the budget; what requests in flight hold back too much comes free in time."""
        while True:
            try:
                return self.ledger.reserve(prompt_tokens)
            except BudgetSpentError:
                if not self.ledger.may_recover:
                    raise
                await asyncio.sleep(_BUDGET_POLL_SECONDS)

    def _usual_reply_tokens(self) -> int:
        return self.ledger.completion_tokens // max(1, self.ledger.requests)
