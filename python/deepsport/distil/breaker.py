"""Leave an endpoint alone that keeps failing, try it with one request at a time, give up at last."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from deepsport.distil.failures import EndpointError
from deepsport.distil.settings import PaceSettings

__all__ = ["Breaker"]

_LONGEST_PAUSE_SECONDS = 60.0


class Breaker:
    """Circuit breaker of one host, for one event loop.

    Closed: requests pass. After ``breaker_failures`` failures in a row it opens: requests wait. After
    a pause one request is let through; its success closes the breaker, its failure doubles the pause.

    Parameters
    ----------
    host : str
    settings : PaceSettings
    clock, sleep : callables
        For tests.
    """

    def __init__(
        self,
        host: str,
        settings: PaceSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.host = host
        self._settings = settings
        self._clock, self._sleep = clock, sleep
        self._failures = 0
        self._pause = settings.breaker_seconds
        self._open_until: float | None = None
        self._probing = False
        self._good_at = clock()
        self._last_message = ""

    @property
    def is_open(self) -> bool:
        """Whether requests are held back."""
        return self._open_until is not None

    async def passage(self) -> None:
        """Wait until a request may go out.

        Raises
        ------
        EndpointError
            When there has been no success for ``max_outage_seconds``.
        """
        while self._open_until is not None:
            now = self._clock()
            if now - self._good_at > self._settings.max_outage_seconds:
                raise EndpointError(
                    f"{self.host} has not answered for {now - self._good_at:.0f} s, at most "
                    f"{self._settings.max_outage_seconds:.0f} s are waited; last: "
                    f"{self._last_message}. What was finished is kept, run again to go on"
                )
            if now >= self._open_until and not self._probing:
                self._probing = True
                return
            await self._sleep(max(0.05, min(self._open_until - now, 1.0)))

    def succeeded(self) -> None:
        """Close."""
        self._failures = 0
        self._pause = self._settings.breaker_seconds
        self._open_until = None
        self._probing = False
        self._good_at = self._clock()

    def failed(self, message: str) -> None:
        """Count a failure of the endpoint (not a refusal of one request)."""
        self._failures += 1
        self._last_message = message
        if self._probing:
            self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)
        elif self._failures < self._settings.breaker_failures or self.is_open:
            return
        self._probing = False
        self._open_until = self._clock() + self._pause
