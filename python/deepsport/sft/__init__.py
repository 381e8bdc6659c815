"""Supervised fine-tuning on trajectories."""

from __future__ import annotations

from deepsport.sft.config import SFTSettings

__all__ = ["SFTSettings"]
