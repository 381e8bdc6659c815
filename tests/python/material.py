"""Where tests find the real clips and annotation files that the project does not carry."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).parents[3] / "shared"


def _folder(variable: str, name: str, inside: str) -> Path:
    folder = Path(os.environ.get(variable) or _BESIDE / name) / inside
    if not folder.exists():
        pytest.skip(f"{folder} is not here: set {variable}")
    return folder


def clips(inside: str) -> Path:
    """Return a folder of real clips, or skip the test and say which variable would help."""
    return _folder("DEEPSPORT_CLIPS", "clips", inside)


def annotations(inside: str) -> Path:
    """Return a folder of annotation files as their authors publish them, or skip."""
    return _folder("DEEPSPORT_ANNOTATIONS", "annotations", inside)
