"""Agentic reinforcement learning: GRPO over episodes with the frame tool."""

from __future__ import annotations

from deepsport.rl.config import RLSettings

__all__ = ["RLSettings"]
