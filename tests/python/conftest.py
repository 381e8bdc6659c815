"""Fixtures shared by the tests: made and real clips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

import clips

# A busy machine must not fail a property: no time limit a single example, none to make one.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def made_clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make the clip of a recipe of `clips.RECIPES`, once a session."""
    folder = tmp_path_factory.mktemp("clips")
    return lambda name: clips.make_clip(name, folder)


@pytest.fixture
def real_clip() -> Callable[[str], Path]:
    """Path of a real clip; skips where there are none."""
    return clips.real_clip


@pytest.fixture(autouse=True)
def _no_index_files_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests leave no index files in the home of who runs them."""
    monkeypatch.setenv("DEEPSPORT_INDEX_CACHE", "off")
