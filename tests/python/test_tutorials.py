"""The tutorials of the documentation, run as a reader would."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"


@pytest.fixture
def folder(tmp_path, made_clip):
    (tmp_path / "rally.mp4").write_bytes(made_clip("h264-b-pyramid").read_bytes())
    return tmp_path


def run(name, *arguments):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(TUTORIALS / f"{name}.py"), *map(str, arguments)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_tutorial_is_run_here():
    text = Path(__file__).read_text()
    missing = [path.stem for path in TUTORIALS.glob("*.py") if f'"{path.stem}"' not in text]
    assert not missing


def test_frames_in_five_lines(folder):
    out = run("frames_in_five_lines", folder / "rally.mp4")
    # 25 frames in the first second: frame floor(25 k / 8)
    assert "(8, 90, 160, 3) uint8 [0, 3, 6, 9, 12, 15, 18, 21]" in out


def test_give_your_model_the_tool(folder):
    pytest.importorskip("PIL", reason="Pillow is not installed")
    out = run("give_your_model_the_tool", folder)
    assert "4 frames seen; (199, 60) calls and frames left" in out


def test_add_a_tool(folder):
    out = run("add_a_tool", folder)
    assert "answered find_change (2, 20) ok" in out
    assert "The picture changes most before frame" in out


def test_write_a_reward():
    assert "deepsport-v1 [1.5, 0.03, 1.0, 0.0]" in run("write_a_reward")


def test_evaluate_your_model(folder):
    for module in ("scipy", "rapidfuzz"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    assert "75" in run("evaluate_your_model", folder)  # three of four are B


def test_embed_in_cpp(folder):
    prefix = os.environ.get("DEEPSPORT_PREFIX")
    if prefix is None:
        pytest.skip("DEEPSPORT_PREFIX names no install tree; `nox -s embed` makes one")
    assert "50 frames, 4 of them decoded" in run("embed_in_cpp", prefix, folder / "rally.mp4")
