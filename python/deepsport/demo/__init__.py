"""The whole system once, on simulated matches, with a tiny model, on a processor."""

from __future__ import annotations

from deepsport.demo.budget import BUDGETS, Budget
from deepsport.demo.run import run_demo

__all__ = ["BUDGETS", "Budget", "run_demo"]
