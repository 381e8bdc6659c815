"""Our episode as an agent loop of verl: its classes, a scripted server, our tokens and rewards."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import types

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("av", reason="PyAV is not installed")
agent_loop = pytest.importorskip(
    "verl.experimental.agent_loop.agent_loop", reason="verl is not installed", exc_type=ImportError
)
hydra = pytest.importorskip("hydra", reason="hydra is not installed")
omegaconf = pytest.importorskip("omegaconf", reason="omegaconf is not installed")

from deepsport.chat import load_checkpoint
from deepsport.chat.processor import frames_processor
from deepsport.reward import RolloutText, score_rollouts
from deepsport.rollout.vllm_engine import collapse_frames
from deepsport.task import Media
from tiny_world import TOOL, world

pytestmark = pytest.mark.train

LOOK = '<think></think><tool_call>{"action":"choose_frames","frame_range":[100,140]}</tool_call>'


class Server:
    """Stands in for verl's client of its inference servers."""

    def __init__(self, renderer, answer):
        self.renderer, self.answer, self.asked = renderer, answer, []

    async def generate(self, request_id, *, prompt_ids, sampling_params, image_data):
        self.asked.append((request_id, prompt_ids, sampling_params, len(image_data)))
        text = self.answer if len(self.asked) % 2 == 0 else LOOK
        ids = self.renderer.reply_ids(text)[: sampling_params["max_tokens"]]
        return types.SimpleNamespace(token_ids=ids, log_probs=[-0.25] * len(ids))


def run(task, answer, reward="deepsport-v1", **change):
    checkpoint = load_checkpoint(world().model)
    rollout = {"name": "vllm", "prompt_length": 400, "response_length": 400} | change
    config = omegaconf.OmegaConf.create({"actor_rollout_ref": {"rollout": rollout}, "data": {}})
    server = Server(checkpoint.renderer, answer)
    made = {
        "_target_": "deepsport.integrations.verl_agent_loop.EpisodeAgentLoop",
        "media_root": str(world().media), "reward": reward, "tool": TOOL.to_json(),
    }  # fmt: skip
    row = {"extra_info": {"task": json.dumps(task.to_json())}}

    async def play():
        # as AgentLoopWorker makes one, from the configuration file and in its event loop
        loop = hydra.utils.instantiate(
            config=omegaconf.OmegaConf.create(made),
            trainer_config=agent_loop.DictConfigWrap(config=config),
            server_manager=server,
            tokenizer=checkpoint.tokenizer,
            processor=frames_processor(checkpoint.renderer),
            dataset_cls=None,
            data_config=agent_loop.DictConfigWrap(config.data),
        )
        return await loop.run({"temperature": 1.0}, **row)

    output = asyncio.run(play())
    return checkpoint.renderer, server, output


def test_an_episode_of_verl_has_our_tokens_masks_frames_and_reward():
    task = world().tasks[0]
    right = f"<think></think><answer>{task.truth.labels[0]}</answer>"
    renderer, server, output = run(task, right)
    said = [i for i, mine in zip(output.response_ids, output.response_mask, strict=True) if mine]
    assert renderer.tokenizer.decode(said) == f"{LOOK}<|im_end|>{right}<|im_end|>"
    assert len(output.multi_modal_data["images"]) == TOOL.first_frames + TOOL.frames_per_call
    assert output.reward_score == pytest.approx(1.5)  # right, and looked: the paper's v1
    assert output.num_turns == 4
    [first, second] = server.asked
    assert first[0] == second[0]
    assert second[1][: len(first[1])] == first[1]
    assert second[3] == len(output.multi_modal_data["images"])
    assert first[2]["stop_token_ids"] == [renderer.end_id]
    assert len(output.response_logprobs) == len(output.response_ids)


def test_a_wrong_answer_and_a_fault_are_not_the_same():
    task = world().tasks[0]
    _, _, wrong = run(task, "<think></think><answer>Z</answer>")
    assert wrong.reward_score < 0.1
    assert any(wrong.response_mask)
    broken = dataclasses.replace(task, media=(Media("none.mp4"),))
    _, server, fault = run(broken, "")
    assert not server.asked
    assert not any(fault.response_mask)
    assert fault.extra_fields["masked"]


def test_a_response_that_is_full_ends_the_episode():
    _, _, output = run(world().tasks[0], "", response_length=60, prompt_length=60)
    assert len(output.response_ids) <= 60


def test_a_response_holds_whole_frames_as_many_as_there_are_images():
    task = world().tasks[0]
    answer = f"<think></think><answer>{task.truth.labels[0]}</answer>"
    renderer, _, whole = run(task, answer)
    size, shown = len(whole.response_ids), []
    for length in range(20, size + 2):
        _, _, output = run(task, answer, response_length=length)
        assert len(output.response_ids) <= length
        ids = collapse_frames([*output.prompt_ids, *output.response_ids], renderer.image_id)
        assert ids.count(renderer.image_id) == len(output.multi_modal_data["images"])
        shown.append(len(output.multi_modal_data["images"]))
        # an answer without its end-of-turn token is an answer
        assert output.extra_fields["masked"] == (length < size - 1)
    assert shown == sorted(shown)
    assert set(shown) == {TOOL.first_frames, TOOL.first_frames + TOOL.frames_per_call}


@pytest.mark.parametrize("solved", [True, False, None])
def test_a_reward_conditioned_on_the_first_frames_gets_the_class_of_the_task(solved):
    task = world().tasks[0]
    if solved is not None:
        task = dataclasses.replace(task, provenance={"first_frames": {"solved": solved}})
    right = f"<think></think><answer>{task.truth.labels[0]}</answer>"
    _, _, output = run(task, right, reward="deepsport-v2")
    item = RolloutText(
        (LOOK, right), task.kind, task.truth, task.options, windows=((100, 140),),
        solved_at_first=solved,
    )  # fmt: skip
    wanted = score_rollouts([item], "deepsport-v2").total[0]
    assert output.reward_score == pytest.approx(wanted)


def test_rows_for_verl_hold_the_whole_task(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    from deepsport.integrations.verl_agent_loop import write_rows
    from deepsport.task import Task

    tasks = world().tasks[:3]
    assert write_rows(tasks, tmp_path / "rows.parquet") == 3
    rows = parquet.read_table(tmp_path / "rows.parquet").to_pylist()
    assert [Task.from_json(json.loads(r["extra_info"]["task"])) for r in rows] == tasks
    assert {row["agent_name"] for row in rows} == {"deepsport"}
