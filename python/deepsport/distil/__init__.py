"""Distillation: a teacher plays tasks through the frame tool, filters keep what is worth learning."""

from __future__ import annotations

from deepsport.distil.keep import Funnel, Opinion, keep
from deepsport.distil.presets import FilterSettings, preset

__all__ = ["FilterSettings", "Funnel", "Opinion", "keep", "preset"]
