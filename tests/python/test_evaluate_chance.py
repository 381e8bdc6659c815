"""What a blind guess scores: the line below which a score says nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsport.evaluate.rows import best_constants
from deepsport.task import Kind, Media, Task, Truth


def numbers(values, tolerance, family="when"):
    return [
        Task(f"{family}{i}", Kind.NUMBER, "When?", Truth(value=v, tolerance=tolerance), (Media("v"),), family=family)
        for i, v in enumerate(values)
    ]  # fmt: skip


def test_the_best_constant_of_counts_is_the_most_frequent_one():
    found = best_constants(numbers([1, 2, 2, 3, 2, 1], 0))
    assert set(found.values()) == {0.5}


@given(
    st.lists(st.integers(0, 60), min_size=2, max_size=40),
    st.integers(0, 10),
)
def test_no_constant_on_a_fine_grid_is_better(values, tolerance):
    best = set(best_constants(numbers([float(v) for v in values], float(tolerance))).values())
    grid = np.arange(-11, 72, 0.5)
    shares = (np.abs(grid[:, None] - np.array(values)) <= tolerance).mean(axis=1)
    assert best.pop() == pytest.approx(shares.max())


def test_families_are_guessed_apart_and_a_family_of_one_is_not_guessed():
    found = best_constants(numbers([1, 1], 0, "a") + numbers([1, 2], 0, "b") + numbers([7], 0, "c"))
    assert found == {"a0": 1.0, "a1": 1.0, "b0": 0.5, "b1": 0.5}
