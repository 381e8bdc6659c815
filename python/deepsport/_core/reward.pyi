from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

def score(
    rows: list[tuple[Any, ...]],
    form: int,
    require_think: bool,
    actions: Sequence[tuple[str, Sequence[tuple[str, int, int, int, bool]], str]],
    unit: int,
    max_bytes: int,
    min_span: int,
    repeat_slack: int,
    full_range_shown: bool,
    frames_per_call: int,
    threads: int,
) -> dict[str, NDArray[Any]]: ...
def compare(
    measure: int, answers: Sequence[str | bytes], references: Sequence[str | bytes], threads: int
) -> NDArray[np.float64]: ...
def read_letters(answer: str | bytes, several: bool, options: Sequence[str]) -> tuple[int, int]: ...
def read_numbers(text: str | bytes, signs: bool, thousands: bool, clock: bool) -> list[float]: ...
def read_spans(text: str | bytes) -> list[tuple[float, float]] | None: ...
def span_iou(one: Sequence[tuple[float, float]], other: Sequence[tuple[float, float]]) -> float: ...
def advantages(
    rewards: NDArray[np.float64],
    group: NDArray[np.int64],
    masked: NDArray[np.bool_],
    group_count: int,
    scheme: int,
    epsilon: float,
) -> NDArray[np.float64]: ...
