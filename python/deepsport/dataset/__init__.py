"""Trajectories and tasks as training examples."""

from __future__ import annotations
