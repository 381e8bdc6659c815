"""Rollout engines: the same tokens from each, tools that overlap, faults that stay faults."""

from __future__ import annotations

import dataclasses
import sys
import threading
import types

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("av", reason="PyAV is not installed")

from deepsport.chat import load_checkpoint
from deepsport.errors import EndpointError, SettingsError
from deepsport.rl.rollouts import play_together
from deepsport.rollout.engine import Sampled, Sampling
from deepsport.rollout.token_policy import TokenPolicy
from deepsport.rollout.transformers_engine import TransformersEngine
from deepsport.rollout.vllm_engine import VllmEngine, collapse_frames, sampling_parameters
from deepsport.rollout.vllm_server import VllmServerEngine
from deepsport.tool import FrameSource
from deepsport.trajectory import Status, Turn
from tiny_world import TOOL, world
from token_server import TokenServer, serving

pytestmark = pytest.mark.train

GREEDY = Sampling(temperature=0.0, max_reply_tokens=12)
LOOK = '<think></think><tool_call>{"action":"choose_frames","frame_range":[100,140]}</tool_call>'
ANSWER = "<think></think><answer>A</answer>"


@pytest.fixture(scope="module")
def checkpoint():
    return load_checkpoint(world().model)


class Script:
    """An engine that looks once and answers then."""

    def __init__(self, renderer, *, concurrent):
        self.renderer, self.concurrent = renderer, concurrent

    def generate(self, transcripts):
        return [
            Sampled(self.renderer.reply_ids(ANSWER if any(t.trainable) else LOOK))
            for t in transcripts
        ]


def one_task_a_video():
    chosen = {task.media[0].path: task for task in world().tasks}
    return list(chosen.values())[:2]


class Meeting(FrameSource):
    """A source in which the windows of two videos must be asked for at the same time."""

    def __init__(self, root, barrier):
        super().__init__(root)
        self.barrier = barrier

    def frames(self, path, indices, size):
        if len(indices) == TOOL.frames_per_call:
            self.barrier.wait(timeout=60)
        return super().frames(path, indices, size)


@pytest.mark.parametrize("concurrent", [False, True])
def test_tools_of_a_turn_run_at_the_same_time(checkpoint, concurrent):
    policy = TokenPolicy(
        "script", Script(checkpoint.renderer, concurrent=concurrent), checkpoint.renderer
    )
    source = Meeting(world().media, threading.Barrier(2))
    games = play_together(one_task_a_video(), policy, source, TOOL, tool_threads=2)
    assert [game.trajectory.status for game in games] == [Status.ANSWERED] * 2
    assert not source.barrier.broken


def test_an_episode_decodes_while_another_one_generates(checkpoint):
    decoded = threading.Event()
    first, second = one_task_a_video()

    class Source(FrameSource):
        def frames(self, path, indices, size):
            shown = super().frames(path, indices, size)
            if len(indices) == TOOL.frames_per_call and path == second.media[0].path:
                decoded.set()
            return shown

    class Slow(Script):
        def generate(self, transcripts):
            [transcript] = transcripts
            if transcript.frames[0].key[0] == first.media[0].path:
                assert decoded.wait(timeout=60), "the other episode waited for this one"
            return super().generate(transcripts)

    policy = TokenPolicy("slow", Slow(checkpoint.renderer, concurrent=True), checkpoint.renderer)
    games = play_together([first, second], policy, Source(world().media), TOOL)
    assert [game.trajectory.status for game in games] == [Status.ANSWERED] * 2


@pytest.mark.parametrize("concurrent", [False, True])
def test_a_group_decodes_each_frame_once(checkpoint, concurrent):
    policy = TokenPolicy(
        "script", Script(checkpoint.renderer, concurrent=concurrent), checkpoint.renderer
    )
    source = FrameSource(world().media)
    task, seconds = world().tasks[0], {}
    games = play_together([task] * 6, policy, source, TOOL, seconds=seconds)
    shown = {frame.index for game in games for frame in game.trajectory.frames_shown}
    assert source.misses == len(shown)
    assert [game.trajectory.attempt for game in games] == list(range(6))
    assert set(seconds) == {"generate_seconds", "tool_seconds"}
    assert seconds["tool_seconds"] > 0


def test_runs_of_frame_tokens_are_collapsed():
    assert collapse_frames([7, 7, 1, 7, 2, 2, 7, 7, 7], 7) == [7, 1, 7, 2, 2, 7]
    assert collapse_frames([], 7) == []


def test_vllm_that_reads_another_conversation_is_refused(checkpoint, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", types.SimpleNamespace(SamplingParams=lambda **o: o))
    renderer = checkpoint.renderer
    [game] = play_together(
        world().tasks[:1],
        TokenPolicy("s", Script(renderer, concurrent=False), renderer),
        FrameSource(world().media),
        TOOL,
    )
    transcript = renderer.begin([], [])
    transcript.ids, transcript.frames = game.prompt_ids, game.frames[: TOOL.first_frames]

    class Llm:
        """Expands each frame token that it finds, as vLLM does, by a given number."""

        def __init__(self, length):
            self.length = length

        def generate(self, prompts, *, sampling_params, use_tqdm):
            [prompt] = prompts
            assert len(prompt["multi_modal_data"]["image"]) == TOOL.first_frames
            assert set(sampling_params["logit_bias"]) == set(renderer.suppressed_ids)
            ids = [
                token
                for asked in prompt["prompt_token_ids"]
                for token in [asked] * (self.length if asked == renderer.image_id else 1)
            ]
            reply = types.SimpleNamespace(
                token_ids=[5, 6],
                logprobs=[{5: types.SimpleNamespace(logprob=-0.5)}, {6: types.SimpleNamespace(logprob=-1.5)}],
            )  # fmt: skip
            return [types.SimpleNamespace(prompt_token_ids=ids, outputs=[reply])]

    [length] = set(renderer.encoder.token_counts(transcript.frames))
    assert VllmEngine(Llm(length), renderer).generate([transcript]) == [
        Sampled([5, 6], [-0.5, -1.5])
    ]
    with pytest.raises(SettingsError, match="same preprocessor_config"):
        VllmEngine(Llm(2 * length), renderer).generate([transcript])


def test_a_server_gives_the_tokens_of_the_model_behind_it(checkpoint):
    tasks = [task for task in world().tasks[:2] for _ in range(2)]
    local = TokenPolicy(
        "local",
        TransformersEngine(checkpoint.model, checkpoint.renderer, GREEDY),
        checkpoint.renderer,
    )
    source = FrameSource(world().media)
    wanted = play_together(tasks, local, source, TOOL)
    server = TokenServer(checkpoint)
    with serving(server) as url:
        engine = VllmServerEngine(url + "/v1", checkpoint.renderer, GREEDY)
        remote = TokenPolicy("remote", engine, checkpoint.renderer)
        games = play_together(tasks, remote, source, TOOL)
    for game, want in zip(games, wanted, strict=True):
        assert game.completion_ids == want.completion_ids
        own = [p for p, mine in zip(game.log_probs, game.completion_mask, strict=True) if mine]
        assert all(-20 < p <= 0 for p in own)
    frames = {frame.key for game in games for frame in game.frames}
    assert server.rendered == len(frames)
    assert server.most_at_once > 1


def test_a_server_that_fails_is_a_fault_and_not_an_answer(checkpoint):
    server = TokenServer(checkpoint)
    with serving(server) as url:
        engine = VllmServerEngine(url, checkpoint.renderer, GREEDY, retries=0)
        policy = TokenPolicy("remote", engine, checkpoint.renderer)
        server.fail_with = 500
        [game] = play_together(world().tasks[:1], policy, FrameSource(world().media), TOOL)
        assert game.faulted
        assert game.trajectory.fault.kind == "network"
        assert "HTTP 500" in game.trajectory.fault.message
        assert not any(game.completion_mask)
        server.fail_with = 404
        [game] = play_together(world().tasks[:1], policy, FrameSource(world().media), TOOL)
        assert "--enable-scale-out" in game.trajectory.fault.message
    with pytest.raises(EndpointError, match="does not answer"):
        VllmServerEngine(url, checkpoint.renderer, GREEDY, retries=0)
    with pytest.raises(SettingsError, match="valid is an address"):
        VllmServerEngine("localhost:8000", checkpoint.renderer)


def test_an_answer_that_ends_early_is_asked_for_again_and_then_a_fault(checkpoint, monkeypatch):
    monkeypatch.setattr("deepsport.rollout.vllm_server.time.sleep", lambda _seconds: None)
    server = TokenServer(checkpoint)
    with serving(server) as url:
        for retries, cut, faulted in ((1, 1, False), (1, 2, True)):
            engine = VllmServerEngine(url, checkpoint.renderer, GREEDY, retries=retries)
            transcript = checkpoint.renderer.begin([Turn("user", "Who?")], [])
            server.cut_answers = cut
            [sampled] = engine.generate([transcript])
            assert (sampled.fault is not None) == faulted
        assert sampled.fault.kind == "network"
        assert "IncompleteRead" in sampled.fault.message


def test_the_checkpoints_own_ways_to_draw_change_nothing(checkpoint):
    """The loss knows of temperature only; Qwen2.5-VL's released checkpoints repeat less."""
    transcript = checkpoint.renderer.begin([Turn("user", "Who? Who? Who? Who?")], [])
    sampling = Sampling(temperature=1.0, max_reply_tokens=24)
    config = checkpoint.model.generation_config
    own = ("repetition_penalty", "min_p", "typical_p", "top_k")
    before = {name: getattr(config, name) for name in own}

    def drawn():
        torch.manual_seed(0)
        engine = TransformersEngine(checkpoint.model, checkpoint.renderer, sampling)
        greedy = TransformersEngine(checkpoint.model, checkpoint.renderer, GREEDY)
        seeded = engine.generate([transcript], seeds=[3])
        return engine.generate([transcript]), greedy.generate([transcript]), seeded

    plain = drawn()
    try:
        config.repetition_penalty, config.min_p = 1.5, 0.5
        config.typical_p, config.top_k = 0.5, 1
        assert drawn() == plain
    finally:
        for name, value in before.items():
            setattr(config, name, value)
    said = sampling_parameters(sampling, checkpoint.renderer)
    assert (said["repetition_penalty"], said["min_p"], said["top_k"]) == (1.0, 0.0, 0)


def test_ranks_do_not_wait_for_each_others_replies(checkpoint, monkeypatch):
    seen = {}
    generate = checkpoint.model.generate
    monkeypatch.setattr(
        checkpoint.model, "generate", lambda **options: seen.update(options) or generate(**options)
    )
    transcript = checkpoint.renderer.begin([Turn("user", "Who?")], [])
    TransformersEngine(checkpoint.model, checkpoint.renderer, GREEDY).generate([transcript])
    assert seen["synced_gpus"] is False


def test_a_server_forgets_frames_that_old_weights_have_read(checkpoint):
    server = TokenServer(checkpoint)
    with serving(server) as url:
        engine = VllmServerEngine(url, checkpoint.renderer, GREEDY, retries=0)
        engine.forget_encoded_frames()
        assert server.forgotten == 1
        server.fail_with = 404
        with pytest.raises(EndpointError, match="VLLM_SERVER_DEV_MODE=1"):
            engine.forget_encoded_frames()


def test_a_server_that_resizes_frames_otherwise_is_refused(checkpoint):
    class Other(TokenServer):
        def _render(self, record):
            answer = super()._render(record)
            answer["features"]["mm_placeholders"]["image"][0]["length"] += 1
            return answer

    with serving(Other(checkpoint)) as url:
        engine = VllmServerEngine(url, checkpoint.renderer, GREEDY)
        policy = TokenPolicy("remote", engine, checkpoint.renderer)
        with pytest.raises(SettingsError, match="same preprocessor_config"):
            play_together(world().tasks[:1], policy, FrameSource(world().media), TOOL)


def test_an_engine_without_vllm_is_refused_with_what_to_do(tmp_path):
    pytest.importorskip("trl", reason="TRL is not installed")
    from deepsport.errors import MissingExtraError
    from deepsport.rl import RLSettings
    from deepsport.rl.train import make_trainer

    small = world()
    settings = RLSettings(steps=1, prompts_per_step=2, group_size=2, tool=TOOL, engine="vllm")
    with pytest.raises(MissingExtraError, match=r"docs/engines\.md"):
        make_trainer(small.tasks, small.model, small.media, tmp_path, settings)
    with pytest.raises(SettingsError, match="valid are transformers, vllm, vllm-server"):
        dataclasses.replace(settings, engine="sglang")
