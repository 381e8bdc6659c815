"""Dry runs: shapes of released models, memory by formula, recipes."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from deepsport.cli.main import main
from deepsport.errors import SettingsError
from deepsport.recipes import Hardware, apply_recipe, read_recipe, recipe_names
from deepsport.rl import RLSettings
from deepsport.rl.dry_run import count_tokens, dry_run
from deepsport.tool import ToolSettings
from deepsport.tuning import TuningSettings
from deepsport.tuning.memory import (
    GIB,
    Stage,
    activations,
    state_advice,
    states,
    trained_parameters,
    training_stage,
)
from deepsport.tuning.shape import ModelShape, load_shape

pytestmark = pytest.mark.train

SMALL = ModelShape(
    name="small", parameters=1_000_000, vision_parameters=100_000, lora_width=1_000, layers=10,
    hidden=100, intermediate=300, heads=10, key_value_heads=2, head_dim=10, vocabulary=1000,
    vision_layers=4, vision_hidden=50, vision_intermediate=200, patch=14, merge=2, temporal_patch=2,
    min_pixels=56 * 56, max_pixels=28 * 28 * 1280,
)  # fmt: skip


@pytest.fixture(scope="module")
def seven():
    return load_shape("Qwen/Qwen2.5-VL-7B-Instruct")


def test_released_shapes_have_the_published_number_of_parameters(seven):
    # as the model cards on the hub state them, to the digits they give
    assert seven.parameters == pytest.approx(8.29e9, rel=0.001)
    assert load_shape("Qwen/Qwen3-VL-8B-Instruct").parameters == pytest.approx(8.77e9, rel=0.001)


def test_a_frame_of_the_paper_takes_the_tokens_of_the_paper(seven):
    # 640x360 becomes 644x364: 23 x 13 merged patches of 28 pixels
    assert seven.frame_tokens(640, 360) == 23 * 13
    assert seven.cache_bytes == 2 * 28 * 4 * 128 * 2


def test_a_checkpoint_folder_has_the_numbers_of_its_model():
    pytest.importorskip("av", reason="PyAV is not installed")
    peft = pytest.importorskip("peft", reason="peft is not installed")
    from deepsport.chat import load_checkpoint
    from deepsport.tuning import apply_tuning
    from tiny_world import world

    shape = load_shape(world().model)
    checkpoint = load_checkpoint(world().model)
    assert shape.parameters == sum(p.numel() for p in checkpoint.model.parameters())
    encoder = checkpoint.renderer.encoder
    size = encoder.image_processor.size
    assert (shape.min_pixels, shape.max_pixels) == (size["shortest_edge"], size["longest_edge"])
    tuned = apply_tuning(checkpoint.model, TuningSettings(lora_rank=3))
    assert isinstance(tuned, peft.PeftModel)
    trained = sum(p.numel() for p in tuned.parameters() if p.requires_grad)
    assert trained_parameters(shape, TuningSettings(lora_rank=3)) == trained


@pytest.mark.parametrize(
    ("tuning", "weights", "gradients", "optimizer"),
    [
        ({}, 4e6, 4e6, 8e6),
        ({"freeze_vision": True}, 4e6, 3.6e6, 7.2e6),
        ({"bf16": True, "zero_stage": 1}, 2e6, 2e6, 12e6 / 4),
        ({"bf16": True, "zero_stage": 2}, 2e6, 2e6 / 4, 12e6 / 4),
        ({"bf16": True, "zero_stage": 3}, 2e6 / 4, 2e6 / 4, 12e6 / 4),
        ({"bf16": True, "fsdp": True}, 4e6 / 4, 4e6 / 4, 8e6 / 4),
        ({"bf16": True, "lora_rank": 8}, 2e6 + 4 * 8e3, 4 * 8e3, 8 * 8e3),
    ],
    ids=str,
)
def test_states_are_divided_as_zero_says(tuning, weights, gradients, optimizer):
    held = states(SMALL, TuningSettings(**tuning), 4)
    assert held["weights"] == pytest.approx(weights)
    assert held["gradients"] == pytest.approx(gradients)
    assert held["optimizer"] == pytest.approx(optimizer)


def test_activations_are_about_those_that_pytorch_keeps():
    import torch
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    text = {
        "vocab_size": 64, "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4,
        "num_attention_heads": 8, "num_key_value_heads": 2, "max_position_embeddings": 512,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
    }  # fmt: skip
    vision = {"depth": 1, "hidden_size": 32, "num_heads": 2, "out_hidden_size": 128}
    model = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(text_config=text, vision_config=vision)
    )
    shape = dataclasses.replace(
        SMALL, layers=4, hidden=128, intermediate=512, heads=8, key_value_heads=2, head_dim=16
    )
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    ids = torch.randint(0, 64, (2, 200))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = model.model(input_ids=ids).last_hidden_state
    formula = activations(shape, TuningSettings(), sequences=2, tokens=200, frames_tokens=0)
    assert out.requires_grad
    assert 0.75 < formula["activations"] / sum(kept.values()) < 1.35


def test_what_saves_memory_saves_memory(seven):
    plain = TuningSettings(bf16=True, zero_stage=2)

    def train(**change):
        tuning = dataclasses.replace(plain, **change)
        options = {"gpus": 8, "sequences": 1, "tokens": 16_000, "frames_tokens": 8_000}
        return training_stage(seven, tuning, **options).total

    whole = train()
    for change in (
        {"gradient_checkpointing": True},
        {"freeze_vision": True},
        {"zero_stage": 3},
        {"zero_stage": 0, "lora_rank": 16},
    ):
        assert train(**change) < whole, change


def test_tokens_of_a_rollout_are_added_up_by_hand():
    tool = ToolSettings(first_frames=2, frames_per_call=3, max_calls=2, max_width=56, max_height=56)
    settings = RLSettings(tool=tool, max_reply_tokens=10, max_context_tokens=100_000)
    words = count_tokens(SMALL, settings, count=lambda text: len(text.split()))
    frame = 2 * 2  # 56 pixels are two merged patches a side
    assert words.frame == frame
    assert words.call == 10 + 64 + 3 * (frame + 8)
    assert words.longest == words.prompt + 2 * words.call + 10
    assert words.calls_that_fit == 2
    assert words.frames == (2 + 2 * 3) * frame
    short = dataclasses.replace(settings, max_context_tokens=words.prompt + words.call)
    assert count_tokens(SMALL, short, count=lambda text: len(text.split())).calls_that_fit == 1


def test_a_run_that_does_not_fit_says_what_would(seven, monkeypatch):
    monkeypatch.setattr("deepsport.rl.dry_run.load_shape", lambda _: seven)
    tuning = TuningSettings(
        bf16=True, zero_stage=2, gradient_checkpointing=True, freeze_vision=True
    )
    settings = RLSettings(micro_batch_size=1, engine="vllm", vllm_memory=0.45, tuning=tuning)
    fits = dry_run("seven", settings, Hardware(8, 80.0))
    assert fits.fits, fits.text
    small = dry_run("seven", settings, Hardware(1, 24.0))
    assert not small.fits
    assert "valid would be: --zero 3 over several GPUs; --lora 64; more GPUs" in small.text
    starved = dry_run("seven", dataclasses.replace(settings, vllm_memory=0.2), Hardware(8, 80.0))
    assert not starved.fits
    assert "hold no rollout" in starved.text
    cramped = dry_run(
        "seven", dataclasses.replace(settings, max_context_tokens=2000), Hardware(8, 80.0)
    )
    assert not cramped.fits
    assert "a reply does NOT fit behind the prompt" in cramped.text
    with pytest.raises(SettingsError, match="do not divide among 7 GPUs"):
        dry_run("seven", settings, Hardware(7, 80.0))


def test_a_stage_counts_its_parts_and_cuda():
    assert Stage("x", {"a": 1.0 * GIB, "b": 2.0 * GIB}).total == pytest.approx(
        3.18 * GIB + 1.5 * GIB
    )


def test_every_recipe_fits_the_machine_it_is_for(capsys, monkeypatch):
    shapes = {}

    def once(model):
        if model not in shapes:
            shapes[model] = load_shape(model)
        return shapes[model]

    monkeypatch.setattr("deepsport.rl.dry_run.load_shape", once)
    monkeypatch.setattr("deepsport.sft.dry_run.load_shape", once)
    assert len(recipe_names()) == 4
    for name in recipe_names():
        for command in ("sft", "rl"):
            assert main([command, "--recipe", name, "--dry-run"]) == 0, name
    said = capsys.readouterr().out
    assert "does NOT fit" not in said
    # the paper's settings, where it gives them
    for name in recipe_names():
        options = read_recipe(name).options["rl"]
        assert (options["prompts"], options["group"], options["steps"]) == (32, 8, 300)
    assert main(["rl", "--recipe", recipe_names()[0], "--gpu-memory", "24", "--dry-run"]) == 1
    assert "valid would be" in capsys.readouterr().out


def parsed(*words):
    parser = argparse.ArgumentParser()
    parser.add_argument("--zero", type=int, choices=(0, 2), default=0)
    parser.add_argument("--out", type=Path)
    return parser, parser.parse_args(words), words


def test_the_command_line_wins_over_a_recipe_even_with_a_default(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[rl]\nzero = 2\nout = "here"\n')
    recipe = read_recipe(path)
    parser, args, words = parsed()
    apply_recipe(parser, recipe, "rl", args, words)
    assert (args.zero, args.out) == (2, Path("here"))
    parser, args, words = parsed("--zero=0")
    apply_recipe(parser, recipe, "rl", args, words)
    assert (args.zero, args.out) == (0, Path("here"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[rl]\nzeros = 2\n", "no option --zeros"),
        ("[rl]\nzero = 1\n", "valid are"),
        ("[sft]\nzero = 2\n", "nothing for rl"),
        ("[play]\n", "valid are hardware, sft and rl"),
        ("[hardware]\ngpu = 1\n", "hardware"),
        ("[rl\n", "recipe"),
    ],
)
def test_a_recipe_that_cannot_be_meant_is_refused(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    parser, args, words = parsed()
    with pytest.raises(SettingsError, match=message):
        apply_recipe(parser, read_recipe(path), "rl", args, words)


def test_models_and_recipes_that_are_not_there_are_refused(capsys):
    with pytest.raises(SettingsError, match="valid are qwen"):
        read_recipe("gpt")
    with pytest.raises(SettingsError, match=r"a folder with config\.json"):
        load_shape("Qwen/Qwen9")
    assert main(["rl", "--model", "Qwen/Qwen9", "--dry-run"]) == 1
    assert main(["rl", "--tasks", "t.jsonl"]) == 1
    assert "--model, --out missing" in capsys.readouterr().err


def test_fsdp_without_a_gpu_is_refused_and_not_with_zero():
    import torch

    from deepsport.tuning import trainer_arguments

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(SettingsError, match="accelerate would train with DDP"):
        trainer_arguments(TuningSettings(fsdp=True))
    with pytest.raises(SettingsError, match="cannot be had together"):
        TuningSettings(fsdp=True, zero_stage=2)


@pytest.mark.parametrize("means", [{"zero_stage": 3}, {"fsdp": True}])
def test_lora_with_divided_weights_is_refused(means):
    with pytest.raises(SettingsError, match="valid are zero_stage 0 to 2, or lora_rank 0"):
        TuningSettings(lora_rank=8, **means)
    assert "--lora" not in state_advice(TuningSettings(**means))
    assert "--zero 2" in state_advice(TuningSettings(lora_rank=8))
    assert "--zero" not in state_advice(TuningSettings(lora_rank=8, zero_stage=2))


def test_fsdp_is_refused_where_the_trained_model_plays_itself():
    with pytest.raises(SettingsError, match="valid with fsdp are the engines vllm"):
        RLSettings(tuning=TuningSettings(fsdp=True))
    assert RLSettings(tuning=TuningSettings(fsdp=True), engine="vllm-server").tuning.fsdp
