"""What a policy saw, said and did on one task, and the files that keep it."""

from __future__ import annotations

from deepsport.trajectory.record import (
    IMAGE_MARK,
    TRAJECTORY_SCHEMA,
    Box,
    CallRecord,
    Fault,
    FrameRef,
    Status,
    Trajectory,
    Turn,
)
from deepsport.trajectory.store import TrajectoryStore, read_trajectories

__all__ = [
    "IMAGE_MARK",
    "TRAJECTORY_SCHEMA",
    "Box",
    "CallRecord",
    "Fault",
    "FrameRef",
    "Status",
    "Trajectory",
    "TrajectoryStore",
    "Turn",
    "read_trajectories",
]
