"""What an agent may spend: frames a call, and calls and frames a session."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, fields

from deepsport.errors import LimitExceededError, SettingsError

__all__ = ["Budget", "Ledger"]


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits on what is shown.

    Attributes
    ----------
    frames_per_call : int
        More are refused, with the number that is allowed.
    calls_per_session : int
        Calls that show frames; `video_info` is free.
    frames_per_session : int
    max_side : int
        Pixels of the longer side of a frame shown; larger ones are scaled down, aspect kept.
    idle_seconds : float
        A session not heard of for so long begins anew.

    Raises
    ------
    SettingsError
        When a limit is not positive.
    """

    frames_per_call: int = 16
    calls_per_session: int = 200
    frames_per_session: int = 1000
    max_side: int = 640
    idle_seconds: float = 1800.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise SettingsError(
                    f"{field.name} is {getattr(self, field.name)}, valid is more than 0"
                )


@dataclass(slots=True)
class _Account:
    calls: int = 0
    frames: int = 0
    heard: float = 0.0


class Ledger:
    """Count what each session has spent. Safe to share between threads.

    Parameters
    ----------
    budget : Budget
    sessions : int
        Sessions remembered; of more, the one heard of least recently begins anew.
    clock : callable
        Returns seconds that only grow.
    """

    def __init__(
        self, budget: Budget, *, sessions: int = 4096, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.budget = budget
        self._sessions = sessions
        self._clock = clock
        self._accounts: OrderedDict[Hashable, _Account] = OrderedDict()
        self._lock = threading.Lock()

    def charge(self, session: Hashable, frames: int) -> None:
        """Take one call of so many frames from the session's budget.

        Raises
        ------
        LimitExceededError
            When that is more than the call or the session has; nothing is taken then.
        """
        budget = self.budget
        if frames > budget.frames_per_call:
            raise LimitExceededError(
                f"{frames} frames asked for in one call, valid are 1..{budget.frames_per_call}"
            )
        with self._lock:
            account = self._account(session)
            if account.calls >= budget.calls_per_session:
                raise LimitExceededError(
                    f"all {budget.calls_per_session} calls of this session are used up; "
                    "answer from the frames already seen"
                )
            left = budget.frames_per_session - account.frames
            if frames > left:
                raise LimitExceededError(
                    f"{frames} frames asked for, {left} of {budget.frames_per_session} are left in "
                    "this session; ask for fewer, or answer from the frames already seen"
                )
            account.calls += 1
            account.frames += frames

    def refund(self, session: Hashable, frames: int) -> None:
        """Give back a call that could not be served."""
        with self._lock:
            account = self._account(session)
            account.calls = max(0, account.calls - 1)
            account.frames = max(0, account.frames - frames)

    def left(self, session: Hashable) -> tuple[int, int]:
        """Return the (calls, frames) that the session has left."""
        with self._lock:
            account = self._account(session)
            return (
                self.budget.calls_per_session - account.calls,
                self.budget.frames_per_session - account.frames,
            )

    def _account(self, session: Hashable) -> _Account:
        now = self._clock()
        account = self._accounts.get(session)
        if account is None or now - account.heard > self.budget.idle_seconds:
            account = self._accounts[session] = _Account()
        account.heard = now
        self._accounts.move_to_end(session)
        while len(self._accounts) > self._sessions:
            self._accounts.popitem(last=False)
        return account
