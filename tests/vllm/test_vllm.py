"""vLLM against transformers, with a tiny model and frames in prompts and tool turns.

Runs on the CPU in an environment of its own: ``nox -s vllm``. Weights are not sent, which vLLM's
build for the CPU cannot take.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed; nox -s vllm")

import torch

from deepsport.chat import load_checkpoint
from deepsport.rl.rollouts import play_together
from deepsport.rollout.engine import Sampled, Sampling
from deepsport.rollout.token_policy import TokenPolicy
from deepsport.rollout.transformers_engine import TransformersEngine
from deepsport.rollout.vllm_engine import VllmEngine, collapse_frames
from deepsport.rollout.vllm_server import VllmServerEngine
from deepsport.testbed.tiny import TinySize, make_tiny_checkpoint
from deepsport.tool import FrameSource
from tiny_world import TOOL, world

# vLLM and what it imports warn of their own deprecations
pytestmark = [pytest.mark.timeout(3000), pytest.mark.filterwarnings("ignore")]

GREEDY = Sampling(temperature=0.0, max_reply_tokens=16)
#: vLLM's attention on the CPU takes heads of these sizes only
SIZE = TinySize(hidden=128, layers=2, heads=4, key_value_heads=2, vision_hidden=128)
OPTIONS = {
    "max_model_len": 1024, "max_num_seqs": 4, "enforce_eager": True, "dtype": "float32",
    "limit_mm_per_prompt": {"image": 24, "video": 0}, "logprobs_mode": "processed_logprobs",
    "max_num_batched_tokens": 4096,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    texts = [turn.text for game in world().trajectories for turn in game.turns]
    make_tiny_checkpoint(path, texts, size=SIZE, seed=1)
    return path


@pytest.fixture(scope="module")
def checkpoint(folder):
    return load_checkpoint(folder)


@pytest.fixture(scope="module")
def llm(folder):
    from vllm import LLM

    return LLM(model=str(folder), **OPTIONS)


class Teacher:
    """Looks once, as the teacher did; then the engine under test goes on."""

    concurrent = False

    def __init__(self, renderer, engine):
        self.renderer, self.engine = renderer, engine

    def generate(self, transcripts):
        if not any(any(t.trainable) for t in transcripts):
            call = '{"action":"choose_frames","frame_range":[100,140]}'
            ids = self.renderer.reply_ids(f"<think></think><tool_call>{call}</tool_call>")
            return [Sampled(ids, [0.0] * len(ids)) for _ in transcripts]
        return self.engine.generate(transcripts)


def played(checkpoint, engine):
    policy = TokenPolicy("test", Teacher(checkpoint.renderer, engine), checkpoint.renderer)
    return play_together(world().tasks[:3], policy, FrameSource(world().media), TOOL)


@pytest.fixture(scope="module")
def wanted(checkpoint):
    return played(checkpoint, TransformersEngine(checkpoint.model, checkpoint.renderer, GREEDY))


def same(games, wanted, checkpoint):
    """Check tokens, and log-probabilities against those of a forward pass."""
    from deepsport.chat import Transcript, collate

    for game, want in zip(games, wanted, strict=True):
        assert len(game.frames) == TOOL.first_frames + TOOL.frames_per_call
        assert game.completion_ids == want.completion_ids
        ids = game.prompt_ids + game.completion_ids
        batch = collate(
            [Transcript(ids, [False] * len(ids), game.frames)], checkpoint.renderer, side="right"
        )
        with torch.no_grad():
            logits = checkpoint.model(**batch).logits[0]
        logits[:, checkpoint.renderer.suppressed_ids] -= 100.0
        scores = logits.log_softmax(-1)
        compared = 0
        first = next(
            i for i, p in enumerate(game.log_probs) if game.completion_mask[i] and p != 0.0
        )
        for place in range(first, len(game.completion_ids)):
            if game.completion_mask[place]:
                at = len(game.prompt_ids) + place
                expected = float(scores[at - 1, ids[at]])
                assert game.log_probs[place] == pytest.approx(expected, abs=1e-3)
                compared += 1
        assert compared > 3


def test_vllm_in_process_plays_as_transformers_does(llm, checkpoint, wanted):
    same(played(checkpoint, VllmEngine(llm, checkpoint.renderer, GREEDY)), wanted, checkpoint)


def test_vllm_expands_ids_that_are_expanded_already(llm, checkpoint, wanted):
    """The defect that collapsing is for; when it is gone, this test says so."""
    from PIL import Image
    from vllm import SamplingParams

    game = wanted[0]
    frames = game.frames[: TOOL.first_frames]
    images = {"image": [Image.fromarray(frame.pixels) for frame in frames]}
    read = []
    for ids in (game.prompt_ids, collapse_frames(game.prompt_ids, checkpoint.renderer.image_id)):
        prompt = {"prompt_token_ids": list(ids), "multi_modal_data": images}
        [out] = llm.generate([prompt], SamplingParams(max_tokens=1), use_tqdm=False)
        read.append(list(out.prompt_token_ids))
    assert read[1] == game.prompt_ids
    assert len(read[0]) > len(game.prompt_ids)


def test_a_vllm_server_plays_as_transformers_does(folder, checkpoint, wanted, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(Path(sys.executable).parent / "vllm"), "serve", str(folder), "--port", str(port),
        "--host", "127.0.0.1", "--max-model-len", "1024", "--max-num-seqs", "4", "--enforce-eager",
        "--dtype", "float32", "--logprobs-mode", "processed_logprobs", "--enable-scale-out",
        "--limit-mm-per-prompt", '{"image": 24, "video": 0}',
    ]  # fmt: skip
    log = tmp_path / "server.log"
    with log.open("w") as file:
        server = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=os.environ)
    try:
        _wait(f"http://127.0.0.1:{port}/health", server, log)
        engine = VllmServerEngine(f"http://127.0.0.1:{port}", checkpoint.renderer, GREEDY)
        same(played(checkpoint, engine), wanted, checkpoint)
    finally:
        server.terminate()
        server.wait(60)


def _wait(url, server, log):
    for _ in range(600):
        if server.poll() is not None:
            pytest.fail(f"the server ended: {log.read_text()[-3000:]}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(2)
    pytest.fail(f"the server did not come up: {log.read_text()[-3000:]}")
