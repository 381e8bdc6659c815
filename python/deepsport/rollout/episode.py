"""One task played to its end: a state machine between a policy's replies and the frame tool.

The same object drives evaluation, distillation and reinforcement learning, so that all of them
mean the same by a turn, a budget, a malformed reply and a fault. It never calls a policy itself.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepsport.errors import ToolFailedError, VideoError
from deepsport.protocol import ParsedTurn, Reason
from deepsport.rollout.policy import Reply
from deepsport.task import Task
from deepsport.tool import FrameSource, FrameTool, Observation, ToolSettings
from deepsport.tool.prompt import system_text
from deepsport.trajectory import CallRecord, Fault, Status, Trajectory, Turn

__all__ = ["Episode"]


class Episode:
    """Play one task.

    Parameters
    ----------
    task : Task
    source : FrameSource
    settings : ToolSettings
    policy : str
        Name of the policy, for the record.
    attempt : int

    Attributes
    ----------
    turns : list of Turn
        The conversation so far; ends with a user or tool turn while not `done`.
    images : list of array
        uint8, (height, width, 3): pixels of every ``<image>`` in `turns`, in order.
    done : bool

    Examples
    --------
    >>> from deepsport.rollout import Episode, Reply
    >>> episode = Episode(task, source, ToolSettings())  # doctest: +SKIP
    >>> while not episode.done:  # doctest: +SKIP
    ...     episode.observe(Reply("<think></think><answer>A</answer>"))
    """

    def __init__(
        self,
        task: Task,
        source: FrameSource,
        settings: ToolSettings,
        *,
        policy: str = "",
        attempt: int = 0,
    ) -> None:
        self.task, self.settings, self.policy, self.attempt = task, settings, policy, attempt
        self.turns: list[Turn] = [Turn("system", system_text(settings))]
        self.images: list[NDArray[np.uint8]] = []
        self.status: Status | None = None
        self.answer: str | None = None
        self.reason = ""
        self.fault: Fault | None = None
        self.calls_made = 0
        self.usage: dict[str, float] = {"decode_seconds": 0.0}
        self._malformed = 0
        self._over_budget = False
        self._tool: FrameTool | None = None
        started = time.perf_counter()
        try:
            self._tool = FrameTool(task, source, settings)
            self._show("user", self._tool.first())
        except VideoError as error:
            self._fail(_fault(error))
        self._charge("decode_seconds", time.perf_counter() - started)

    @property
    def done(self) -> bool:
        """Whether the episode has ended."""
        return self.status is not None

    @property
    def calls_left(self) -> int:
        """Tool calls that are still allowed."""
        return self.settings.max_calls - self.calls_made

    def observe(self, reply: Reply) -> bool:
        """Take the policy's reply, act on it, and return whether the episode is done."""
        if self.done:
            raise RuntimeError("observe() after the end of the episode")
        for name, amount in reply.usage.items():
            self._charge(name, amount)
        if reply.fault is not None:
            self._fail(reply.fault)
            return True
        assert self._tool is not None
        parsed = self._tool.read(reply.text)
        if parsed.answer is not None and parsed.ok:
            self._say(reply.text)
            self.answer = parsed.answer
            self.status = Status.ANSWERED
        elif parsed.call is not None and parsed.ok:
            self._call(reply.text, parsed)
        else:
            self._refuse(reply, parsed)
        return self.done

    def trajectory(self) -> Trajectory:
        """Return the record of an episode that is done."""
        if self.status is None:
            raise RuntimeError("trajectory() before the end of the episode")
        return Trajectory(
            task_id=self.task.task_id,
            task_hash=self.task.content_hash,
            policy=self.policy,
            attempt=self.attempt,
            turns=tuple(self.turns),
            status=self.status,
            answer=self.answer,
            fault=self.fault,
            reason=self.reason,
            settings={"tool": self.settings.to_json()},
            usage=dict(self.usage),
        )

    def _call(self, text: str, parsed: ParsedTurn) -> None:
        call = parsed.call
        assert call is not None
        assert self._tool is not None
        if self.calls_left <= 0 or self._tool.frames_left == 0:
            message = "No further tool call is possible: answer now, with <answer>...</answer>."
            over = CallRecord(
                call.name, call.arguments, rejected=message, verdict=str(Reason.CALL_OVER_BUDGET)
            )
            self._say(text, over)
            if self._over_budget:
                self.status = Status.BUDGET
            else:
                self._over_budget = True
                self.turns.append(Turn("tool", message))
            return
        self.calls_made += 1
        started = time.perf_counter()
        try:
            seen = self._tool.call(call, calls_left=self.calls_left)
        except (VideoError, ToolFailedError, TimeoutError) as error:
            self._say(text, CallRecord(call.name, call.arguments))
            self._fail(_fault(error))
            return
        finally:
            self._charge("decode_seconds", time.perf_counter() - started)
        record = CallRecord(
            call.name,
            call.arguments,
            seen.window,
            rejected=seen.rejected,
            repeated=seen.repeated,
            verdict=str(seen.verdict),
        )
        self._say(text, record)
        self._show("tool", seen)

    def _refuse(self, reply: Reply, parsed: ParsedTurn) -> None:
        """End on a malformed turn, or explain it once or as often as is forgiven."""
        self._say(reply.text)
        self.reason = str(parsed.reason)
        self._malformed += 1
        if reply.truncated:
            self.status = Status.TRUNCATED
        elif self._malformed > self.settings.forgive_malformed:
            self.status = Status.MALFORMED
        else:
            self.turns.append(Turn("tool", parsed.message))

    def _say(self, text: str, call: CallRecord | None = None) -> None:
        self.turns.append(Turn("assistant", text, call=call))

    def _show(self, role: Any, seen: Observation) -> None:
        self.turns.append(Turn(role, seen.text, seen.frames))
        self.images.extend(seen.images)

    def _fail(self, fault: Fault) -> None:
        self.fault = fault
        self.status = Status.FAULT

    def _charge(self, name: str, amount: float) -> None:
        self.usage[name] = self.usage.get(name, 0.0) + amount


def _fault(error: Exception) -> Fault:
    kind: Any = "tool" if isinstance(error, ToolFailedError) else "decode"
    return Fault("timeout" if isinstance(error, TimeoutError) else kind, str(error))
