"""Trajectories and tasks as training examples."""

from __future__ import annotations

from deepsport.dataset.examples import Example, ExampleFrames, sft_examples

__all__ = ["Example", "ExampleFrames", "sft_examples"]
