"""A dry run as text: stages by what they need, against what a GPU has."""

from __future__ import annotations

from collections.abc import Sequence

from deepsport.tuning.memory import GIB, Stage, trained_parameters
from deepsport.tuning.settings import TuningSettings
from deepsport.tuning.shape import ModelShape

__all__ = ["describe_memory", "describe_model"]


def describe_model(shape: ModelShape, tuning: TuningSettings) -> str:
    """Return a line on the model and what of it is trained."""
    trained = trained_parameters(shape, tuning)
    return (
        f"model     {shape.name}: {shape.parameters / 1e9:.2f} billion parameters "
        f"({shape.vision_parameters / 1e9:.2f} vision), {trained / 1e9:.2f} billion trained"
    )


def describe_memory(stages: Sequence[Stage], gpu_memory_gib: float) -> tuple[str, bool]:
    """Return a table of GiB a GPU, and whether every stage fits."""
    lines, fits = [], True
    for stage in stages:
        total = stage.total / GIB
        room = gpu_memory_gib - total
        verdict = "fits"
        if stage.problem or room < 0:
            verdict = f"does NOT fit, {stage.problem or f'{-room:.1f} GiB too much'}"
            fits = False
        lines.append(f"{stage.name:<10}{total:7.1f} of {gpu_memory_gib:g} GiB  {verdict}")
        parts = [
            f"{name} {size / GIB:.1f}" for name, size in stage.parts.items() if size > 0.05 * GIB
        ]
        lines.append(" " * 10 + ", ".join(parts))
        if verdict != "fits" and stage.advice:
            lines.append(" " * 10 + f"valid would be: {stage.advice}")
    return "\n".join(lines), fits
