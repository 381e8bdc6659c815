from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Actions = Sequence[tuple[str, Sequence[tuple[str, int, int, int, bool]], str]]

def parse_turn(
    text: str | bytes, form: int, require_think: bool, actions: _Actions, max_bytes: int, unit: int
) -> tuple[int, str | None, str | None, dict[str, Any] | None, str | None, str]: ...
def parse_batch(
    texts: Sequence[str | bytes],
    form: int,
    require_think: bool,
    actions: _Actions,
    max_bytes: int,
    unit: int,
    threads: int,
) -> tuple[
    NDArray[np.int32], NDArray[np.int8], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]
]: ...
def final_answer(text: str | bytes) -> str | None: ...
def check_window(
    start: int,
    end: int,
    frame_count: int,
    earlier: Sequence[tuple[int, int]],
    min_span: int,
    repeat_slack: int,
    full_range_shown: bool,
) -> tuple[int, int, int, bool, str]: ...
def window_indices(start: int, end: int, num: int) -> list[int]: ...
def uniform_indices(frame_count: int, num: int) -> list[int]: ...
def reason_names() -> dict[int, str]: ...
