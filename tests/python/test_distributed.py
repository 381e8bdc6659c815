"""One rank, two ranks, DDP and every stage of ZeRO: the same curve, with and without a stop.

Minutes of processor time; ``nox -s distributed`` runs them with DeepSpeed installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("trl", reason="TRL is not installed")
pytest.importorskip("av", reason="PyAV is not installed")

from deepsport.chat import load_checkpoint
from deepsport.curve import read_curve
from deepsport.task import write_tasks
from deepsport.trajectory import TrajectoryStore
from tiny_world import TOOL, world

pytestmark = [pytest.mark.train, pytest.mark.slow, pytest.mark.timeout(3600)]

#: what DeepSpeed stage 0 means here is plain DDP
WAYS = {
    "one": (1, {}),
    "ddp": (2, {}),
    "zero1": (2, {"zero_stage": 1}),
    "zero2": (2, {"zero_stage": 2}),
    "zero3": (2, {"zero_stage": 3}),
}


def launch(ranks, *command):
    whole = [
        sys.executable, "-m", "torch.distributed.run", "--standalone",
        "--nproc-per-node", str(ranks), *command,
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DEEPSPORT_INDEX_CACHE": "off"}
    done = subprocess.run(whole, env=environment, capture_output=True, text=True, timeout=1700)
    assert done.returncode == 0, done.stderr[-4000:]


def need_deepspeed(tuning):
    if tuning.get("zero_stage"):
        pytest.importorskip("deepspeed", reason="DeepSpeed is not installed")


def play(out, ranks, tuning, **change):
    small = world()
    tasks = out.parent / "tasks.jsonl"
    write_tasks(tasks, small.tasks)
    settings = {
        "steps": 2, "prompts_per_step": 2, "group_size": 4, "learning_rate": 1e-3,
        "warmup_steps": 0, "tool": TOOL.to_json(), "save_steps": 1, "max_reply_tokens": 48,
        "show_every": 0, "micro_batch_size": 2, "tuning": tuning, **change,
    }  # fmt: skip
    script = str(Path(__file__).parent / "distributed_rl.py")
    launch(
        ranks,
        script,
        str(small.model),
        str(tasks),
        str(small.media),
        str(out),
        json.dumps(settings),
    )
    return list(read_curve(out / "curve.jsonl"))


def imitate(out, ranks, tuning, **change):
    small = world()
    tasks, kept = out.parent / "tasks.jsonl", out.parent / "kept.jsonl"
    write_tasks(tasks, small.tasks)
    kept.unlink(missing_ok=True)
    with TrajectoryStore(kept) as store:
        for trajectory in small.trajectories:
            store.append(trajectory)
    options = {
        "steps": 3, "batch-size": 4 // ranks, "micro-batch-size": 1, "learning-rate": 1e-3,
        "workers": 0, "warmup-steps": 1, "save-steps": 2, **change,
    }  # fmt: skip
    command = [
        str(Path(__file__).parent / "divided_small.py"), "sft", "--model", str(small.model), "--split", "", "--tasks", str(tasks),
        "--media-root", str(small.media), "--trajectories", str(kept), "--out", str(out),
    ]  # fmt: skip
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    if tuning.get("zero_stage"):
        command += ["--zero", str(tuning["zero_stage"])]
    if tuning.get("bf16"):
        command += ["--bf16"]
    launch(ranks, *command)
    return list(read_curve(out / "curve.jsonl"))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Curves of two ranks under DDP, which the others are compared with."""
    folder = tmp_path_factory.mktemp("ddp")
    curves = {"rl": play(folder / "rl", 2, {}), "sft": imitate(folder / "sft", 2, {})}
    return curves | {"folder": folder}


def column(curve, name):
    return [record[name] for record in curve]


def compare_weights(path, wanted):
    weights = load_checkpoint(path / "model").model.state_dict()
    for name, want in load_checkpoint(wanted / "model").model.state_dict().items():
        # the first Adam steps are the sign of the gradient: entries near zero may flip
        assert torch.isclose(weights[name], want, atol=2e-4).float().mean() > 0.95, name


@pytest.mark.parametrize("way", [name for name in WAYS if name != "ddp"])
def test_reinforcement_gives_the_same_curve_and_weights(base, tmp_path, way):
    ranks, tuning = WAYS[way]
    need_deepspeed(tuning)
    curve = play(tmp_path / "rl", ranks, tuning)
    for name in ("reward", "reward_accuracy", "calls", "window_frames", "loss", "entropy"):
        assert column(curve, name) == pytest.approx(column(base["rl"], name), abs=2e-4), name
    assert any(abs(record["loss"]) > 1e-4 or record["grad_norm"] > 1e-4 for record in curve)
    compare_weights(tmp_path / "rl", base["folder"] / "rl")


@pytest.mark.parametrize("way", [name for name in WAYS if name != "ddp"])
def test_imitation_gives_the_same_curve_and_weights(base, tmp_path, way):
    ranks, tuning = WAYS[way]
    need_deepspeed(tuning)
    curve = imitate(tmp_path / "sft", ranks, tuning)
    assert column(curve, "loss") == pytest.approx(column(base["sft"], "loss"), abs=1e-4)
    compare_weights(tmp_path / "sft", base["folder"] / "sft")


@pytest.mark.parametrize("zero", [0, 3])
def test_ranks_whose_games_have_different_numbers_of_turns_go_on(tmp_path, zero):
    tuning = {"zero_stage": zero}
    need_deepspeed(tuning)
    curve = play(tmp_path / "rl", 2, tuning, unequal_turns=True, max_reply_tokens=4)
    assert column(curve, "calls") == [0.5, 0.5]


@pytest.mark.parametrize("zero", [0, 2, 3])
def test_bf16_stays_near_float32(base, tmp_path, zero):
    tuning = {"bf16": True, "zero_stage": zero}
    need_deepspeed(tuning)
    curve = imitate(tmp_path / "sft", 2, tuning)
    assert column(curve, "loss") == pytest.approx(column(base["sft"], "loss"), abs=0.1)


def test_reinforcement_stopped_under_zero_2_resumes_to_the_same(base, tmp_path):
    need_deepspeed({"zero_stage": 2})
    play(tmp_path / "rl", 2, {"zero_stage": 2}, interrupt_after=1)
    shutil.rmtree(tmp_path / "rl" / "model")  # the stop was meant to be one in the middle
    curve = play(tmp_path / "rl", 2, {"zero_stage": 2})
    assert column(curve, "step") == [1, 2]
    for name in ("reward", "loss", "entropy"):
        assert column(curve, name) == pytest.approx(column(base["rl"], name), abs=2e-4), name
