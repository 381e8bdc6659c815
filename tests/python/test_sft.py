"""Supervised training: the loss falls, micro batches and resuming change nothing."""

from __future__ import annotations

import dataclasses
import json

import pytest

pytest.importorskip("trl", reason="TRL is not installed")
pytest.importorskip("av", reason="PyAV is not installed")

from deepsport.chat import load_checkpoint, load_renderer
from deepsport.curve import Curve, read_curve
from deepsport.dataset.examples import ExampleFrames
from deepsport.errors import RecordFormatError, SettingsError
from deepsport.sft import SFTSettings
from deepsport.sft.preview import fitting, preview
from deepsport.sft.train import train_sft
from deepsport.tuning import TuningSettings, last_checkpoint
from deepsport.tuning.result import save_result
from tiny_world import TOOL, world

pytestmark = pytest.mark.train

SETTINGS = SFTSettings(
    steps=4, batch_size=4, learning_rate=2e-2, warmup_steps=1, workers=0, save_steps=2
)


def train(out, settings=SETTINGS, **options):
    small = world()
    return train_sft(small.examples, small.model, small.media, out, settings, **options)


def losses(out):
    return [record["loss"] for record in read_curve(out / "curve.jsonl")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("sft") / "run"
    train(out)
    return out


def test_the_loss_falls_and_the_result_can_be_loaded(trained):
    curve = losses(trained)
    assert len(curve) == 4
    assert curve[-1] < curve[0] - 0.3
    checkpoint = load_checkpoint(trained / "model")
    assert (
        checkpoint.tokenizer.chat_template == load_renderer(world().model).tokenizer.chat_template
    )
    tool = json.loads((trained / "model" / "tool_settings.json").read_text())
    assert tool["frames_per_call"] == 5


def test_micro_batches_do_not_change_the_curve(trained, tmp_path):
    train(tmp_path, dataclasses.replace(SETTINGS, micro_batch_size=2))
    assert losses(tmp_path) == pytest.approx(losses(trained), abs=2e-3)


def test_workers_do_not_change_the_curve(trained, tmp_path):
    train(tmp_path, dataclasses.replace(SETTINGS, workers=1, steps=2))
    assert losses(tmp_path)[0] == pytest.approx(losses(trained)[0], abs=1e-5)


def test_interrupted_training_resumes_where_it_was(trained, tmp_path, monkeypatch):
    from deepsport.tuning.watch import Watch

    plain = Watch.on_step_end

    def interrupt(self, args, state, control, **rest):
        self.interrupted = self.interrupted or state.global_step == 2
        plain(self, args, state, control, **rest)

    monkeypatch.setattr(Watch, "on_step_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    assert last_checkpoint(tmp_path / "checkpoints").name == "checkpoint-2"
    assert not (tmp_path / "model").exists()
    monkeypatch.setattr(Watch, "on_step_end", plain)
    train(tmp_path)
    assert losses(tmp_path) == pytest.approx(losses(trained), abs=1e-5)


def test_a_finished_run_is_returned_and_other_settings_are_refused(trained):
    before = (trained / "model" / "model.safetensors").stat().st_mtime_ns
    assert train(trained) == trained / "model"
    assert (trained / "model" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(SettingsError, match="learning_rate"):
        train(trained, dataclasses.replace(SETTINGS, learning_rate=1e-3))


@pytest.mark.parametrize(
    "tuning",
    [
        TuningSettings(),
        pytest.param(
            TuningSettings(bf16=True, gradient_checkpointing=True, freeze_vision=True),
            marks=pytest.mark.slow,
        ),
        pytest.param(TuningSettings(lora_rank=4), marks=pytest.mark.slow),
    ],
    ids=["whole", "frugal", "lora"],
)
@pytest.mark.parametrize("architecture", ["qwen2_5_vl", "qwen3_vl"])
def test_a_step_moves_the_weights_of_each_architecture(tmp_path, architecture, tuning):
    import torch

    small = world(architecture)
    settings = dataclasses.replace(SETTINGS, steps=2, micro_batch_size=1, tuning=tuning)
    train_sft(small.examples, small.model, small.media, tmp_path, settings)
    before, after = (
        dict(load_checkpoint(path).model.named_parameters())
        for path in (small.model, tmp_path / "model")
    )
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("language_model" in name for name in changed)
    assert any("visual" in name for name in changed) == (tuning == TuningSettings())


def test_lora_trains_and_is_merged_into_the_result(tmp_path):
    import torch

    tuning = TuningSettings(lora_rank=4, freeze_vision=True)
    train(tmp_path, dataclasses.replace(SETTINGS, steps=2, tuning=tuning))
    before, after = (
        dict(load_checkpoint(path).model.named_parameters())
        for path in (world().model, tmp_path / "model")
    )
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("language_model" in name and "_proj" in name for name in changed)


@pytest.mark.parametrize("first", [True, False])
def test_weights_that_are_divided_are_gathered_from_every_process_and_saved_whole(tmp_path, first):
    import types

    import torch

    checkpoint = load_checkpoint(world().model)
    whole = {name: value.clone() for name, value in checkpoint.model.state_dict().items()}
    for parameter in checkpoint.model.parameters():
        parameter.data = torch.empty(0)  # what ZeRO-3 leaves of a part that others hold
    asked = []

    def get_state_dict(model):
        asked.append(model)
        return whole

    trainer = types.SimpleNamespace(
        is_deepspeed_enabled=True,
        deepspeed="the wrapped one",
        model=checkpoint.model,
        is_world_process_zero=lambda: first,
        accelerator=types.SimpleNamespace(
            get_state_dict=get_state_dict, unwrap_model=lambda model: model
        ),
    )
    tuning = TuningSettings(zero_stage=3)
    save_result(trainer, tuning, checkpoint.renderer, world().model, tmp_path / "model", TOOL)
    assert asked == ["the wrapped one"]
    assert (tmp_path / "model").exists() == first
    if first:
        saved = load_checkpoint(tmp_path / "model").model.state_dict()
        assert all(torch.equal(saved[name], value) for name, value in whole.items())


def test_examples_that_are_too_long_are_left_out_not_cut():
    small = world()
    renderer, frames = load_renderer(small.model), ExampleFrames(small.media)
    fit, lengths = fitting(small.examples, renderer, frames, 10_000)
    assert fit == small.examples
    assert len(lengths) == len(fit)
    assert min(lengths) > 20
    with pytest.raises(SettingsError, match="valid is at least"):
        fitting(small.examples, renderer, frames, 20)


def test_the_preview_shows_lengths_and_the_mask():
    small = world()
    text = preview(small.examples, small.model, small.media, max_tokens=10_000)
    assert "12 examples" in text
    assert text.count("[[<think>") == 2
    assert f"[[{small.examples[0].trajectory.replies[0]}<|im_end|>]]" in text


def test_no_example_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match="no example"):
        train_sft([], world().model, world().media, tmp_path, SETTINGS)


def test_a_curve_is_cut_back_to_its_checkpoint(tmp_path):
    path = tmp_path / "curve.jsonl"
    curve = Curve(path)
    for step in (1, 2, 3):
        curve.append(step, {"loss": float(step), "none": float("nan")})
    with path.open("a") as file:
        file.write('{"half')
    assert [record["step"] for record in read_curve(path)] == [1, 2, 3]
    Curve(path, from_step=2).append(3, {"loss": 9.0})
    assert [record["loss"] for record in read_curve(path)] == [1.0, 2.0, 9.0]
    path.write_text("[]\n")
    with pytest.raises(RecordFormatError, match="line 1"):
        list(read_curve(path))


@pytest.mark.slow
def test_two_processes_and_zero_2_give_the_same_curve(tmp_path):
    pytest.importorskip("deepspeed", reason="DeepSpeed is not installed")
    import os
    import subprocess
    import sys

    from deepsport.task import write_tasks
    from deepsport.trajectory import TrajectoryStore

    small = world()
    write_tasks(tmp_path / "tasks.jsonl", small.tasks)
    with TrajectoryStore(tmp_path / "kept.jsonl") as store:
        for trajectory in small.trajectories:
            store.append(trajectory)
    for zero in ("0", "2"):
        command = [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
            "-m", "deepsport", "sft", "--model", str(small.model), "--split", "",
            "--tasks", str(tmp_path / "tasks.jsonl"), "--media-root", str(small.media),
            "--trajectories", str(tmp_path / "kept.jsonl"), "--out", str(tmp_path / zero),
            "--steps", "3", "--batch-size", "2", "--learning-rate", "1e-3", "--workers", "0",
            "--warmup-steps", "1", "--zero", zero,
        ]  # fmt: skip
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, env=environment, capture_output=True, timeout=500)
    assert losses(tmp_path / "2") == pytest.approx(losses(tmp_path / "0"), abs=1e-5)
    assert load_checkpoint(tmp_path / "2" / "model")
