"""Reinforcement learning: what is sampled is what is trained, faults move nothing, TRL's seams."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import types
from typing import get_args

import numpy as np
import pytest

pytest.importorskip("trl", reason="TRL is not installed")
pytest.importorskip("av", reason="PyAV is not installed")

import torch
from trl.trainer.utils import split_pixel_values_by_grid, unsplit_pixel_values_by_grid

from deepsport.chat import load_checkpoint
from deepsport.curve import read_curve
from deepsport.errors import SettingsError, TruncatedVideoError
from deepsport.rl import RLSettings
from deepsport.rl.config import Loss
from deepsport.rl.engines import engine_arguments
from deepsport.rl.monitor import Alarms, rollout_statistics
from deepsport.rl.prompts import PromptSchedule, PromptSettings
from deepsport.rl.rewards import rewards_of
from deepsport.rl.rollouts import play_together
from deepsport.rl.train import make_trainer, train_rl
from deepsport.rollout.engine import Sampled
from deepsport.rollout.transformers_policy import Sampling, TransformersPolicy
from deepsport.sft import SFTSettings
from deepsport.sft.train import train_sft
from deepsport.task import Media
from deepsport.tool import FrameSource
from deepsport.trajectory import Status
from deepsport.tuning import TuningSettings
from tiny_world import TOOL, world

pytestmark = pytest.mark.train

SETTINGS = RLSettings(
    steps=2, prompts_per_step=2, group_size=4, learning_rate=1e-3, warmup_steps=0,
    max_reply_tokens=48, tool=TOOL, save_steps=1, temperature=0.5,
)  # fmt: skip


@pytest.fixture(scope="module")
def players(tmp_path_factory):
    """Make models that have learnt the form of the game, so that they really call the tool."""

    @functools.cache
    def learnt(architecture):
        return taught(architecture, tmp_path_factory.mktemp(architecture))

    return learnt


@pytest.fixture(scope="module")
def player(players):
    return players("qwen2_5_vl")


def taught(architecture, out):
    small = world(architecture)
    settings = SFTSettings(
        steps=80, batch_size=4, learning_rate=1e-2, warmup_steps=5, workers=0, save_steps=80
    )
    return train_sft(small.examples[:4], small.model, small.media, out, settings)


@pytest.fixture
def trainer(players, tmp_path):
    def make(settings=SETTINGS, tasks=None, architecture="qwen2_5_vl", model=None):
        small = world(architecture)
        model = model or players(architecture)
        return make_trainer(tasks or small.tasks, model, small.media, tmp_path, settings)

    return make


def rows(trainer, tasks):
    size = SETTINGS.group_size
    prompts = [[{"role": "user", "content": task.task_id}] for task in tasks]
    return [{"prompt": prompt} for prompt in prompts for _ in range(size)]


def played_inputs(trainer, tasks):
    torch.manual_seed(0)
    trainer.model.train()
    return trainer._generate_and_score_completions(rows(trainer, tasks))


def test_the_player_looks_and_answers(player):
    small, checkpoint = world(), load_checkpoint(player)
    policy = TransformersPolicy(
        "player", checkpoint.model, checkpoint.renderer, Sampling(0.0, max_reply_tokens=48)
    )
    games = play_together(small.tasks, policy, FrameSource(small.media), TOOL)
    statistics = rollout_statistics(games)
    assert statistics["called"] > 0.5
    assert statistics["frames"] > 8


@pytest.mark.parametrize(
    "architecture", ["qwen2_5_vl", pytest.param("qwen3_vl", marks=pytest.mark.slow)]
)
def test_sampled_tokens_have_the_probability_in_the_loss_that_they_were_sampled_with(
    trainer, architecture
):
    small, made = world(architecture), trainer(architecture=architecture)
    recorded = []
    generate = made.model.generate

    def recording(**options):
        out = generate(**options, return_dict_in_generate=True, output_logits=True)
        length = options["input_ids"].shape[1]
        logits = (torch.stack(out.logits, 1) / SETTINGS.temperature).log_softmax(-1)
        new = out.sequences[:, length:]
        chosen = logits.gather(-1, new.unsqueeze(-1)).squeeze(-1)
        recorded.append((new, chosen))
        return out.sequences

    made.model.generate = recording
    inputs = played_inputs(made, small.tasks[:2])
    made.model.generate = generate
    with torch.no_grad():
        trained, _, _ = made._get_per_token_logps_and_entropies(
            made.model,
            torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1),
            torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], 1),
            inputs["completion_ids"].size(1),
            pixel_values=inputs["pixel_values"],
            image_grid_thw=inputs["image_grid_thw"],
            num_images=inputs["num_images"],
            mm_token_type_ids=inputs["mm_token_type_ids"],
        )
    turns = dict.fromkeys(range(8), 0)
    active = list(range(8))
    compared = 0
    for new, chosen in recorded:
        for place, row in enumerate(active):
            mask = (inputs["tool_mask"] * inputs["completion_mask"])[row].bool()
            own = inputs["completion_ids"][row][mask].tolist()
            begin = turns[row]
            reply = new[place].tolist()
            end = made.renderer.end_id
            reply = reply[: reply.index(end) + 1] if end in reply else reply
            assert own[begin : begin + len(reply)] == reply
            difference = (
                trained[row][mask][begin : begin + len(reply)] - chosen[place][: len(reply)]
            )
            assert difference.abs().max() < 1e-3
            turns[row] += len(reply)
            compared += 1
        active = [row for row in active if turns[row] < _own_tokens(inputs, row)]
    assert compared > 8  # some rollouts had a second turn, after frames came back
    assert not active


def _own_tokens(inputs, row):
    return int((inputs["tool_mask"] * inputs["completion_mask"])[row].sum())


def test_frames_that_come_back_are_counted_and_not_trained(trainer):
    made = trainer()
    inputs = played_inputs(made, world().tasks[:2])
    frames = [len(played.frames) for played in made.played]
    assert inputs["num_images"] == frames
    assert max(frames) == 13
    pads = inputs["completion_ids"] == made.renderer.image_id
    assert pads.any()
    assert not (inputs["tool_mask"].bool() & pads).any()
    shown = sum(frames)
    assert inputs["image_grid_thw"].shape == (shown, 3)


def test_a_fault_moves_nothing(trainer):
    small, made = world(), trainer()
    broken = dataclasses.replace(small.tasks[0], task_id="broken", media=(Media("none.mp4"),))
    made.deepsport_tasks = {**made.deepsport_tasks, "broken": broken}
    inputs = played_inputs(made, [small.tasks[0], broken])
    assert [p.trajectory.status for p in made.played[4:]] == [Status.FAULT] * 4
    assert inputs["tool_mask"][4:].sum() == _padding(inputs, 4)
    assert not (inputs["tool_mask"] * inputs["completion_mask"])[4:].any()
    assert not inputs["advantages"][4:].any()


def _padding(inputs, start):
    return (1 - inputs["completion_mask"][start:]).sum()


def test_a_fault_while_looking_is_masked_whole(trainer, monkeypatch):
    made = trainer()

    class Failing(FrameSource):
        def frames(self, path, indices, size):
            if len(indices) == TOOL.frames_per_call:
                raise TruncatedVideoError("cut off")
            return super().frames(path, indices, size)

    made.source = Failing(world().media)
    inputs = played_inputs(made, world().tasks[:2])
    faulted = [p.faulted for p in made.played]
    assert any(faulted)
    left = (inputs["tool_mask"] * inputs["completion_mask"]).sum(1)
    assert all(int(count) == 0 for count, fault in zip(left, faulted, strict=True) if fault)


@pytest.mark.parametrize("missing", [1, 2])
def test_training_goes_on_where_videos_do_not_open(player, tmp_path, missing):
    small = world()
    gone = [
        dataclasses.replace(task, media=(Media("none.mp4"),)) if place < missing else task
        for place, task in enumerate(small.tasks[:2])
    ]
    settings = dataclasses.replace(SETTINGS, steps=1, micro_batch_size=1, show_every=1)
    train_rl(gone, player, small.media, tmp_path, settings)
    [record] = read_curve(tmp_path / "curve.jsonl")
    assert record["faults"] == missing / 2
    before = load_checkpoint(player).model.state_dict()
    after = load_checkpoint(tmp_path / "model").model.state_dict()
    same = all(torch.equal(value, before[name]) for name, value in after.items())
    assert same or missing < 2


def test_rollouts_that_were_shown_nothing_train_in_micro_batches_of_their_own(player, tmp_path):
    small = world()
    tool = dataclasses.replace(TOOL, first_frames=0)
    settings = dataclasses.replace(
        SETTINGS, steps=1, micro_batch_size=1, tool=tool, mask_truncated=False
    )
    train_rl(small.tasks, player, small.media, tmp_path, settings)
    [record] = read_curve(tmp_path / "curve.jsonl")
    assert record["faults"] == 0


def test_a_black_frame_behind_a_rollout_changes_none_of_its_tokens(player):
    checkpoint = load_checkpoint(player)
    policy = TransformersPolicy(
        "player", checkpoint.model, checkpoint.renderer, Sampling(0.0, max_reply_tokens=48)
    )
    tool = dataclasses.replace(TOOL, first_frames=0, max_calls=0)
    [game] = play_together(world().tasks[:1], policy, FrameSource(world().media), tool)
    assert not game.trajectory.frames_shown
    assert len(game.frames) == 1
    assert rollout_statistics([game])["frames"] == 0
    own = sum(game.completion_mask)
    assert game.completion_mask == [1] * own + [0] * (len(game.completion_mask) - own)
    assert checkpoint.renderer.image_id not in game.completion_ids[:own]
    assert checkpoint.renderer.image_id in game.completion_ids[own:]


def gradient(made, inputs):
    made.model.zero_grad()
    made.current_gradient_accumulation_steps = 1
    made._compute_loss(made.model, inputs).backward()
    parts = [p.grad.flatten() for p in made.model.parameters() if p.grad is not None]
    return torch.cat(parts)


def test_a_masked_rollout_does_not_change_the_gradient(trainer):
    made = trainer()
    inputs = played_inputs(made, world().tasks[:2])
    inputs["advantages"] = torch.tensor([1.0, -1.0, 0.5, -0.5, 1.0, -1.0, 0.5, -0.5])
    inputs["tool_mask"][3] = 0
    inputs["num_items_in_batch"] = (inputs["tool_mask"] * inputs["completion_mask"]).sum()
    before = gradient(made, inputs)
    inputs["advantages"][3] = 1000.0
    assert torch.equal(gradient(made, inputs), before)
    inputs["advantages"][2] = 3.0
    assert not torch.equal(gradient(made, inputs), before)


def without_row(inputs, row):
    """Return what `_compute_loss` takes, without one rollout."""
    kept = torch.arange(len(inputs["advantages"])) != row
    split = split_pixel_values_by_grid(inputs)
    fewer = {}
    for name, value in split.items():
        if isinstance(value, torch.Tensor):
            fewer[name] = value[kept] if value.ndim else value
        elif isinstance(value, list):
            fewer[name] = [one for one, keep in zip(value, kept, strict=True) if keep]
    fewer.pop("rollout_scale", None)
    return unsplit_pixel_values_by_grid(fewer)


@pytest.mark.parametrize(
    ("loss", "sequence_level", "beta"),
    [(loss, loss == "luspo", 0.0) for loss in get_args(Loss)]
    + [("grpo", True, 0.0), ("grpo", False, 0.04)],
)
def test_a_step_with_a_masked_rollout_is_a_step_without_it(trainer, loss, sequence_level, beta):
    made = trainer(
        dataclasses.replace(SETTINGS, loss=loss, sequence_level=sequence_level, beta=beta)
    )
    totals, masked = np.array([1.0, 0.0, 9.0, 0.5, 1.0, 0.0, 0.0, 0.0]), np.arange(8) == 2

    def parts(_played):
        made._scored = types.SimpleNamespace(masked=masked, total=totals)
        return made._scored

    made._parts = parts
    inputs = played_inputs(made, world().tasks[:2])
    if beta:  # a model that has not moved does not diverge
        inputs["ref_per_token_logps"] = inputs["ref_per_token_logps"] - 0.5
    found, wanted = gradient(made, inputs), gradient(made, without_row(inputs, 2))
    assert wanted.norm() > 0
    assert (found - wanted).norm() < 1e-4 * wanted.norm()


def test_a_masked_rollout_does_not_count_in_its_group(trainer, monkeypatch):
    made = trainer()
    totals = [1.0, 0.0, 9.0, 0.5, 1.0, 0.0, 0.0, 0.0]

    def parts(played):
        masked = np.arange(len(totals)) == 2
        made._scored = types.SimpleNamespace(masked=masked, total=np.array(totals))
        return made._scored

    monkeypatch.setattr(made, "_parts", parts)
    inputs = played_inputs(made, world().tasks[:2])
    left = np.array([1.0, 0.0, 0.5])
    wanted = (left - left.mean()) / (left.std(ddof=1) + 1e-4)
    found = inputs["advantages"][[0, 1, 3]].numpy()
    assert found == pytest.approx(wanted, abs=1e-4)
    assert inputs["advantages"][2] == 0.0


def test_the_reward_is_the_presets(player):
    small, checkpoint = world(), load_checkpoint(player)
    policy = TransformersPolicy(
        "player", checkpoint.model, checkpoint.renderer, Sampling(0.0, max_reply_tokens=48)
    )
    games = play_together(small.tasks, policy, FrameSource(small.media), TOOL)
    parts = rewards_of(games, "deepsport-v1", TOOL)
    for game, total, accuracy in zip(games, parts.total, parts.accuracy, strict=True):
        if game.trajectory.status is not Status.ANSWERED:
            expected = -0.05
        elif not game.trajectory.windows:
            expected = accuracy
        else:
            expected = 1.5 * accuracy if accuracy >= 0.5 else accuracy + 0.03
        assert total == pytest.approx(expected)


def test_a_reward_conditioned_on_the_first_frames_gets_the_class_of_the_task(trainer, player):
    small = world()
    classes = (True, False, True, False)
    tasks = [
        dataclasses.replace(task, provenance={"first_frames": {"solved": solved}})
        for task, solved in zip(small.tasks[:4], classes, strict=True)
    ]
    made = trainer(dataclasses.replace(SETTINGS, reward="deepsport-v2"), tasks)
    checkpoint = load_checkpoint(player)
    policy = TransformersPolicy(
        "player", checkpoint.model, checkpoint.renderer, Sampling(0.0, max_reply_tokens=48)
    )
    games = play_together(tasks, policy, FrameSource(small.media), TOOL)
    found = made._parts(games)
    known = {task.task_id: solved for task, solved in zip(tasks, classes, strict=True)}
    expected = rewards_of(games, "deepsport-v2", TOOL, known)
    assert made._solved == known
    np.testing.assert_array_equal(found.total, expected.total)
    assert not np.array_equal(found.tool, rewards_of(games, "deepsport-v2", TOOL).tool)


@pytest.mark.parametrize("minibatches", [1, 2])
def test_training_writes_a_curve_and_resumes_to_the_same(
    player, tmp_path, monkeypatch, minibatches
):
    small = world()
    settings = dataclasses.replace(SETTINGS, steps=2, minibatches=minibatches)
    train_rl(small.tasks, player, small.media, tmp_path / "whole", settings)
    curve = list(read_curve(tmp_path / "whole" / "curve.jsonl"))
    assert [record["step"] for record in curve] == [1, 2]
    for name in ("reward", "reward_accuracy", "calls", "window_hit", "entropy", "seconds"):
        assert all(record[name] is not None for record in curve), name

    from deepsport.tuning.watch import Watch

    plain = Watch.on_step_end

    def interrupt(self, args, state, control, **rest):
        self.interrupted = True
        plain(self, args, state, control, **rest)

    with monkeypatch.context() as patched:
        patched.setattr(Watch, "on_step_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train_rl(small.tasks, player, small.media, tmp_path / "cut", settings)
    [kept] = (tmp_path / "cut" / "checkpoints").glob("checkpoint-*")
    assert kept.name == f"checkpoint-{minibatches}"  # the step was played and learnt to its end
    train_rl(small.tasks, player, small.media, tmp_path / "cut", settings)
    again = list(read_curve(tmp_path / "cut" / "curve.jsonl"))
    for name in ("reward", "calls", "loss", "entropy"):
        assert [r[name] for r in again] == pytest.approx([r[name] for r in curve], abs=1e-5), name


def test_micro_batches_do_not_change_the_step(player, tmp_path):
    small = world()
    weights = []
    for name, micro in (("one", 8), ("four", 2)):
        settings = dataclasses.replace(SETTINGS, steps=1, micro_batch_size=micro)
        made = train_rl(small.tasks, player, small.media, tmp_path / name, settings)
        weights.append(load_checkpoint(made).model.state_dict())
    loss = [next(read_curve(tmp_path / name / "curve.jsonl"))["reward"] for name in ("one", "four")]
    assert loss[0] == loss[1]
    for name, value in weights[0].items():
        # the first Adam step is the sign of the gradient: entries near zero may flip
        close = torch.isclose(value, weights[1][name], atol=2e-4).float().mean()
        assert close > 0.99, name


class LooksOrNot:
    """Of four rollouts of a question two look first, and they answer differently."""

    concurrent = False

    def __init__(self, renderer):
        self.renderer = renderer

    def generate(self, transcripts):
        return [
            Sampled(self.renderer.reply_ids(self._text(place, transcript)))
            for place, transcript in enumerate(transcripts)
        ]

    def _text(self, place, transcript):
        if place % 2 or any(transcript.trainable):
            return f"<think></think><answer>{'ABCD'[place % 4]}</answer>"
        call = {"action": "choose_frames", "frame_range": [100, 140]}
        return f"<think></think><tool_call>{json.dumps(call)}</tool_call>"


@pytest.mark.parametrize("architecture", ["qwen2_5_vl", "qwen3_vl"])
def test_a_step_moves_the_weights_of_each_architecture(trainer, architecture):
    small = world(architecture)
    settings = dataclasses.replace(SETTINGS, steps=1, micro_batch_size=2)
    made = trainer(settings, architecture=architecture, model=small.model)
    made.engine = LooksOrNot(made.renderer)
    before = {name: value.clone() for name, value in made.model.named_parameters()}
    made.train()
    moved = {name for name, p in made.model.named_parameters() if not torch.equal(p, before[name])}
    assert any("language_model" in name for name in moved)
    assert any("visual" in name for name in moved)


def variant(*marks, **change):
    return pytest.param(
        change, marks=marks, id="-".join(f"{name}={value}" for name, value in change.items())
    )


FRUGAL = {"bf16": True, "gradient_checkpointing": True, "freeze_vision": True}


@pytest.mark.parametrize(
    "change",
    [
        variant(pytest.mark.slow, loss="grpo", sequence_level=True),
        variant(pytest.mark.slow, loss="dr_grpo", scale_rewards="none"),
        variant(pytest.mark.slow, loss="bnpo"),
        variant(pytest.mark.slow, loss="cispo"),
        variant(pytest.mark.slow, loss="sapo"),
        variant(pytest.mark.slow, loss="luspo"),
        variant(pytest.mark.slow, loss="vespo"),
        variant(pytest.mark.slow, advantages="moving"),
        variant(pytest.mark.slow, minibatches=2, updates_per_rollout=2),
        variant(pytest.mark.slow, beta=0.04),
        variant(pytest.mark.slow, drop_uniform_groups=True),
        variant(pytest.mark.slow, reward="deepsport-v2"),
        variant(micro_batch_size=1, tuning={"lora_rank": 4}),
        variant(micro_batch_size=1, tuning=FRUGAL),
    ],
)
@pytest.mark.parametrize(
    "architecture", ["qwen2_5_vl", pytest.param("qwen3_vl", marks=pytest.mark.slow)]
)
def test_every_variant_takes_a_step(players, tmp_path, architecture, change):
    small, player = world(architecture), players(architecture)
    if "tuning" in change:
        change = change | {"tuning": TuningSettings(**change["tuning"])}
    settings = dataclasses.replace(SETTINGS, steps=1, **change)
    assert (train_rl(small.tasks, player, small.media, tmp_path, settings) / "config.json").exists()
    assert len(list(read_curve(tmp_path / "curve.jsonl"))) == 1


def test_questions_are_chosen_by_what_they_earned_and_again_after_a_resume(player, tmp_path):
    small = world()
    settings = dataclasses.replace(SETTINGS, prompts=PromptSettings(select="variance"))
    train_rl(small.tasks, player, small.media, tmp_path, settings)
    lines = (tmp_path / "prompts.jsonl").read_text().splitlines()
    played = [json.loads(line) for line in lines]
    assert [record["step"] for record in played] == [0, 1]
    for record in played:
        assert len(record["rewards"]) == 2
        assert all(len(earned) == 4 for earned in record["rewards"].values())
    schedule = PromptSchedule(small.tasks, settings.prompts, prompts_per_step=2, steps=2)
    assert set(schedule.choose(0)) == set(played[0]["rewards"])
    schedule.learn(played[0]["rewards"])
    assert set(schedule.choose(1)) == set(played[1]["rewards"])


def test_a_rollout_cut_off_by_the_token_limit_carries_no_gradient(trainer):
    for mask_truncated in (True, False):
        made = trainer(
            dataclasses.replace(SETTINGS, max_reply_tokens=3, mask_truncated=mask_truncated)
        )
        inputs = played_inputs(made, world().tasks[:2])
        assert {p.trajectory.status for p in made.played} == {Status.TRUNCATED}
        left = (inputs["tool_mask"] * inputs["completion_mask"]).sum()
        assert (left == 0) == mask_truncated
        assert not inputs["advantages"].any()


def test_too_few_tasks_and_uneven_batches_are_refused(player, tmp_path):
    small = world()
    with pytest.raises(SettingsError, match="valid is at least as many"):
        train_rl(small.tasks[:1], player, small.media, tmp_path / "few", SETTINGS)
    uneven = dataclasses.replace(SETTINGS, micro_batch_size=3)
    with pytest.raises(SettingsError, match="do not divide"):
        train_rl(small.tasks, player, small.media, tmp_path / "uneven", uneven)


def test_a_step_is_divided_among_the_processes_that_were_started(player, tmp_path, monkeypatch):
    small = world()
    monkeypatch.setenv("WORLD_SIZE", "3")  # 8 rollouts
    with pytest.raises(
        SettingsError, match=r"do not divide among 3 processes.*valid is a multiple of 3 "
    ):
        make_trainer(small.tasks, player, small.media, tmp_path, SETTINGS)


def test_settings_that_cannot_work_are_refused():
    for change, valid in (
        ({"group_size": 1}, "valid are at least 2"),
        ({"temperature": 0.0}, "temperature is 0.0, valid is above 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0, valid is above 0"),
        ({"reward": "deepsport-v3"}, "reward is 'deepsport-v3', valid are .*deepsport-v1"),
        ({"loss": "ppo"}, "loss is 'ppo', valid are grpo"),
        ({"schedule": "step"}, "schedule is 'step', valid are constant_with_warmup"),
        ({"scale_rewards": "all"}, "scale_rewards is 'all', valid are group"),
        ({"micro_batch_size": 0}, "micro_batch_size is 0, valid is 1 or more"),
        ({"show_every": -1}, "show_every is -1, valid is 0 or more"),
        ({"vllm_memory": 1.0}, "vllm_memory is 1.0, valid is between 0 and 1"),
    ):
        with pytest.raises(SettingsError, match=valid):
            dataclasses.replace(SETTINGS, **change)


def test_a_reward_that_does_not_exist_is_refused_by_a_dry_run(capsys):
    from deepsport.cli.main import main

    assert main(["rl", "--model", "Qwen2.5-VL-7B-Instruct", "--reward", "typo", "--dry-run"]) == 1
    assert "reward is 'typo', valid are deepsport-v1" in capsys.readouterr().err


def test_collapse_and_wide_windows_are_noticed_once():
    alarms = Alarms(widest=60, patience=2)
    said = []
    for step, (called, width) in enumerate([(0.9, 20), (0.9, 20), (0.0, 60), (0.0, 60), (0.0, 60)]):
        seen = {"called": called, "window_frames": width, "window_share": width / 300}
        said += alarms.look(step, seen)
    assert sorted(text.split(":")[0] for text in said) == ["tool collapse", "wide windows"]


def test_windows_of_most_of_the_video_are_noticed_where_any_width_is_allowed():
    alarms = Alarms(widest=None, patience=2)
    said = []
    for step, share in enumerate([0.4, 0.4, 0.9, 0.9, 0.9]):
        seen = {"called": 0.9, "window_frames": share * 300, "window_share": share}
        said += alarms.look(step, seen)
    assert [text.split(":")[0] for text in said] == ["wide windows"]


def test_a_call_that_was_refused_is_a_call(player):
    small, checkpoint = world(), load_checkpoint(player)
    policy = TransformersPolicy(
        "player", checkpoint.model, checkpoint.renderer, Sampling(0.0, max_reply_tokens=48)
    )
    [game] = play_together(small.tasks[:1], policy, FrameSource(small.media), TOOL)
    seen = rollout_statistics([game])
    [(begin, end)] = game.trajectory.windows
    assert seen["window_share"] == pytest.approx((end - begin) / game.frame_count)
    refused = [
        dataclasses.replace(turn, call=turn.call and dataclasses.replace(turn.call, window=None))
        for turn in game.trajectory.turns
    ]
    trajectory = dataclasses.replace(game.trajectory, turns=tuple(refused))
    seen = rollout_statistics([dataclasses.replace(game, trajectory=trajectory)])
    assert (seen["called"], seen["window_share"]) == (1.0, 0.0)


def test_every_loss_of_trl_can_be_chosen_and_no_other():
    import re

    from trl import GRPOTrainer

    from deepsport.cli.rl import LOSSES

    source = inspect.getsource(GRPOTrainer._compute_loss)
    known = re.findall(r"loss_type (?:==|in) ([^:]*):", source)
    offered = set(re.findall(r'"([a-z_]+)"', " ".join(known)))
    assert set(LOSSES) == offered


@pytest.mark.parametrize("engine", ["vllm", "vllm-server"])
def test_what_vllm_sampled_is_corrected_token_by_token_and_never_dropped(engine, monkeypatch):
    import trl
    from trl import import_utils

    monkeypatch.setattr(import_utils, "is_vllm_available", lambda: True)
    asked = engine_arguments(dataclasses.replace(SETTINGS, engine=engine))
    assert asked["vllm_importance_sampling_mode"] == "token_truncate"
    known = {field.name: field.default for field in dataclasses.fields(trl.GRPOConfig)}
    assert set(asked) <= set(known)
    assert known["vllm_importance_sampling_correction"] is True
    assert known["vllm_importance_sampling_clip_max"] == 3.0


def test_the_private_seams_of_trl_are_as_pinned():
    import trl
    from trl import GRPOTrainer

    assert trl.__version__ == "1.16.0"
    assert list(inspect.signature(GRPOTrainer._generate).parameters) == ["self", "prompts"]
    source = inspect.getsource(GRPOTrainer._generate_and_score_completions)
    for relied_on in (
        ") = self._generate(prompts)",
        "if self.tools and any(imgs for imgs in tool_images) and self._is_vlm:",
        "self.processing_class.image_processor(images=flat_images",
        "if extra_fields:",
        "loss_mask = completion_mask if tool_mask is None else completion_mask * tool_mask",
    ):
        assert relied_on in source, relied_on
    assert 'in ["sequence_truncate", "token_truncate"]:' in source
    source = inspect.getsource(GRPOTrainer._compute_loss)
    for divided in (  # by rollouts; by tokens
        "((per_token_loss * mask).sum(-1) / mask.sum(-1).clamp(min=1.0)).mean()",
        "/ (per_token_loss.size(0) * self.max_completion_length)",
        "loss = (per_token_loss * mask).sum(-1).mean()",
        'normalizer = inputs["num_items_in_batch"].clamp(min=1.0) / self.accelerator.num_processes',
    ):
        assert divided in source, divided
