"""Watch a trainer of transformers: progress, learning curve, and an orderly end on Ctrl-C.

The first Ctrl-C lets the step finish and saves a checkpoint, the second one stops at once.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from transformers import PrinterCallback, TrainerCallback

from deepsport.curve import Curve
from deepsport.progress import Progress
from deepsport.tuning.trackers import Tracker, open_trackers

__all__ = ["Watch", "watched"]

Record = Callable[[Mapping[str, float]], dict[str, Any]]


class Watch(TrainerCallback):
    """Callback of a trainer.

    Parameters
    ----------
    what : str
        Name of the stage, for the progress bar.
    curve_path : Path
    record : callable
        From the trainer's log of a step to the record of the curve.
    note : callable
        From that record to the words beside the progress bar.
    updates : int
        Updates of the trainer that make one step of the curve.
    trackers : sequence of str
        Where else the curve goes, see `deepsport.tuning.trackers`.
    config : mapping, optional
        Settings, for the trackers.
    """

    def __init__(
        self,
        what: str,
        curve_path: Path,
        record: Record,
        note: Callable[[dict[str, Any]], str],
        *,
        updates: int = 1,
        trackers: Sequence[str] = (),
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.what, self.curve_path, self.record, self.note = what, curve_path, record, note
        self.updates = updates
        self._tracker_names, self._config = tuple(trackers), dict(config or {})
        self._trackers: list[Tracker] = []
        self.interrupted = False
        self._curve: Curve | None = None
        self._bar: Progress | None = None
        self._step_started = 0.0

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Open the curve and the bar where the checkpoint left off."""
        self._step_started = time.perf_counter()
        if state.is_world_process_zero:
            done = state.global_step // self.updates
            self._curve = Curve(self.curve_path, from_step=done)
            self._trackers = open_trackers(
                self._tracker_names, self.curve_path.parent, from_step=done, config=self._config
            )
            total = state.max_steps // self.updates
            self._bar = Progress(self.what, total=total, done=done)
            self._bar.__enter__()

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop in order when asked to, at the end of a step and not of one of its updates."""
        if self.interrupted and state.global_step % self.updates == 0:
            control.should_save = True
            control.should_training_stop = True

    def on_log(
        self,
        _args: Any,
        state: Any,
        _control: Any,
        logs: Mapping[str, float | None] | None = None,
        **_: Any,
    ) -> None:
        """Write the record of a step."""
        if self._curve is None or logs is None or "loss" not in logs:
            return
        # TRL logs None for what no rollout of the step has, as the reward when all were masked
        known = {name: float(value) for name, value in logs.items() if value is not None}
        record = self.record(known)
        now, step = time.perf_counter(), state.global_step // self.updates
        record["seconds"] = round(now - self._step_started, 4)
        self._step_started = now
        self._curve.append(step, record)
        for tracker in self._trackers:
            tracker.write(step, record)
        if self._bar is not None:
            self._bar.advance(step - self._bar.done, note=self.note(record))

    def close(self) -> None:
        """Take the bar down, close the trackers."""
        for tracker in self._trackers:
            tracker.close()
        self._trackers = []
        if self._bar is not None:
            self._bar.__exit__()
            self._bar = None


@contextmanager
def watched(trainer: Any, watch: Watch) -> Iterator[None]:
    """Attach a watch to a trainer while it trains; raise KeyboardInterrupt after an orderly end."""
    trainer.add_callback(watch)
    trainer.remove_callback(PrinterCallback)
    main = threading.current_thread() is threading.main_thread()

    def first_time(_number: int, _frame: FrameType | None) -> None:
        watch.interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, first_time) if main else None
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGINT, before)
        watch.close()
    if watch.interrupted:
        raise KeyboardInterrupt
