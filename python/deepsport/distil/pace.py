"""How many requests are in flight and how fast they follow each other.

Concurrency is found, not configured: doubled every round until the endpoint first objects, then
raised by one a round, halved on 429 and timeout (additive increase, multiplicative decrease). Rates
per minute are kept by spacing (the generic cell rate algorithm of ITU-T I.371), so no 60 seconds
hold more than the limit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from deepsport.distil.failures import FailureKind
from deepsport.distil.settings import PaceSettings

__all__ = ["Pace", "Spacing", "Ticket"]

_BURST_SECONDS = 1.0
_SLICE_SECONDS = 0.5  # longest sleep without a look whether the line was closed


class Spacing:
    """Space events so that any 60 seconds hold at most `per_minute` of their weight.

    Small limits are spaced evenly; from 60 a minute on, a second's worth may come at once.
    """

    def __init__(self, per_minute: float) -> None:
        self._burst = _BURST_SECONDS if per_minute >= 60 else 0.0
        self._seconds_each = (
            (60 + self._burst) / (per_minute - 1) if self._burst else 60 / per_minute
        )
        self._free_at = float("-inf")

    def wait_seconds(self, now: float) -> float:
        """Return how long to wait before the next event."""
        return max(0.0, self._free_at - self._burst - now)

    def charge(self, weight: float, now: float) -> None:
        """Count an event; a negative weight gives back what was charged too much."""
        self._free_at = max(self._free_at, now) + weight * self._seconds_each


@dataclass(slots=True)
class Ticket:
    """Leave to send one request."""

    sent_at: float
    tokens: int


class Pace:
    """Give out leave to send requests; one per endpoint, for one event loop.

    Parameters
    ----------
    settings : PaceSettings
    clock, sleep : callables
        For tests.

    Attributes
    ----------
    limit : float
        Requests that may be in flight now.
    in_flight : int
    closed : bool
        Set by :meth:`close`.
    """

    def __init__(
        self,
        settings: PaceSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._clock, self._sleep = clock, sleep
        self.limit = float(min(settings.start_concurrency, settings.max_concurrency))
        self.in_flight = 0
        self.closed = False
        self._doubling = True
        self._halved_at = float("-inf")
        self._quiet_until = float("-inf")
        rpm, tpm = settings.requests_per_minute, settings.tokens_per_minute
        self._requests = Spacing(rpm) if rpm else None
        self._tokens = Spacing(tpm) if tpm else None
        self._turnstile = asyncio.Lock()  # first come, first served
        self._freed = asyncio.Event()

    async def enter(self, tokens: int) -> Ticket:
        """Wait for leave to send a request of about `tokens` tokens."""
        async with self._turnstile:
            while True:
                if self.in_flight >= int(self.limit) and not self.closed:
                    self._freed.clear()
                    await self._freed.wait()
                    continue
                now = self._clock()
                wait = self._quiet_until - now
                for spacing in (self._requests, self._tokens):
                    if spacing is not None:
                        wait = max(wait, spacing.wait_seconds(now))
                if wait <= 0 or self.closed:
                    break
                await self._sleep(min(wait, _SLICE_SECONDS))
            if self._requests is not None:
                self._requests.charge(1, now)
            if self._tokens is not None:
                self._tokens.charge(tokens, now)
            self.in_flight += 1
            return Ticket(now, tokens)

    def leave(self, ticket: Ticket, tokens: int | None = None) -> None:
        """Give the leave back; `tokens` is what the request really took, if known."""
        self.in_flight -= 1
        if tokens is not None and self._tokens is not None:
            self._tokens.charge(tokens - ticket.tokens, self._clock())
        self._freed.set()

    def close(self) -> None:
        """Hold nobody back any more: the line has been told to stop, and will send nothing."""
        self.closed = True
        self._freed.set()

    def succeeded(self) -> None:
        """Raise the limit a little."""
        step = 1.0 if self._doubling else 1.0 / self.limit
        self.limit = min(self.limit + step, float(self._settings.max_concurrency))

    def failed(self, ticket: Ticket, kind: FailureKind, retry_after: float = 0.0) -> None:
        """Halve the limit on 429 and timeout; be quiet for as long as the endpoint asks.

        Failures of requests sent before the last halving say nothing new.
        """
        now = self._clock()
        if retry_after > 0:
            self._quiet_until = max(self._quiet_until, now + retry_after)
        if kind in (FailureKind.THROTTLED, FailureKind.TIMEOUT):
            self._doubling = False
            if ticket.sent_at > self._halved_at:
                self.limit = max(1.0, self.limit / 2)
                self._halved_at = now
