"""A checkpoint folder is evaluated from the command line, with and without frames."""

from __future__ import annotations

import json

import pytest

from deepsport.cli.main import main
from deepsport.evaluate import Run
from deepsport.evaluate.local import weights_hash
from deepsport.report import build
from deepsport.tool import ToolSettings
from material import clips

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("transformers", reason="transformers is not installed")
    from deepsport.testbed.tiny import make_tiny_checkpoint

    folder = tmp_path_factory.mktemp("tiny")
    words = ["<think>look</think><answer>A</answer>", "Which shot? A. Smash B. Clear 0 1 2 3"]
    make_tiny_checkpoint(folder, words, seed=1)
    settings = ToolSettings(max_width=56, max_height=56, style="compact", first_frames=2)
    (folder / "tool_settings.json").write_text(json.dumps(settings.to_json()))
    return folder


def test_a_checkpoint_and_its_text_only_control_are_at_chance_on_finebadminton_and_the_page_says_so(
    checkpoint, tmp_path
):
    folder = clips("finebadminton")
    common = ["evaluate", "--finebadminton", str(folder), "--model", str(checkpoint),
              "--max-reply-tokens", "4", "--limit", "6"]  # fmt: skip
    seeing, blind = tmp_path / "seeing", tmp_path / "blind"
    assert main([*common, "--out", str(seeing)]) == 0
    assert main([*common, "--out", str(blind), "--control", "no-frames"]) == 0
    scores = Run(seeing).scores()
    assert scores["looking"]["frames"] == 2  # of the settings saved beside the model
    assert Run(blind).scores()["looking"]["frames"] == 0
    assert scores["overall"]["beats_chance"] is False
    assert Run(seeing).info.fingerprint["model"] == weights_hash(checkpoint)
    report = build([seeing, blind], tmp_path / "page.html")
    assert "At chance" in report.path.read_text()


def test_the_fingerprint_knows_one_checkpoint_from_another(checkpoint, tmp_path):
    from deepsport.testbed.tiny import make_tiny_checkpoint

    make_tiny_checkpoint(tmp_path, ["<think>look</think><answer>A</answer>"], seed=2)
    assert weights_hash(tmp_path) != weights_hash(checkpoint)


def test_what_is_no_checkpoint_is_refused(tmp_path, capsys):
    folder = clips("finebadminton")
    args = ["evaluate", "--finebadminton", str(folder), "--model", str(tmp_path), "--out", "x"]
    assert main(args) == 1
    assert "config.json" in capsys.readouterr().err
