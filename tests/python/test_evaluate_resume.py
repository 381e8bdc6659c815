"""A run that was stopped and gone on with is the run that was not, also when answers are sampled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from deepsport.evaluate import Run, evaluate
from deepsport.rollout import Episode, Policy, Reply
from deepsport.rollout.draws import RowSampler, turn_seed
from deepsport.rollout.endpoint_policy import ChatEndpoint, EndpointPolicy
from deepsport.task import write_tasks
from deepsport.tool import FrameSource
from fake_teacher import ANSWER, LOOK, Asked, FakeTeacher, Say

torch = pytest.importorskip("torch")

SAME = ("overall", "slices", "outcomes", "rules", "at_k", "voting", "looking", "attempts")


@dataclass
class Stopped:
    """A policy that is stopped, as by Ctrl-C, when it has been asked some times."""

    policy: Policy
    after: int

    @property
    def name(self) -> str:
        return self.policy.name

    def reply(self, episodes: list[Episode]) -> list[Reply]:
        if self.after == 0:
            raise KeyboardInterrupt
        self.after -= 1
        return self.policy.reply(episodes)


def said(folder):
    """What each attempt said, whole."""
    return {key: attempt.trajectory.replies for key, attempt in Run(folder).latest().items()}


def stop_and_go_on(make, tasks, folder, source, settings, attempts):
    """Stop a run three times, each time with a batch of another size, then let it end."""
    for batch_size in (2, 5, 3):
        with pytest.raises(KeyboardInterrupt):
            evaluate(
                tasks, Stopped(make(), 2), folder, source, settings,
                attempts=attempts, batch_size=batch_size,
            )  # fmt: skip
    return evaluate(
        tasks, make(), folder, source, settings, attempts=attempts, batch_size=4
    )  # fmt: skip


@pytest.fixture(scope="module")
def tiny():
    pytest.importorskip("transformers")
    from tiny_world import world

    return world()


def local(tiny, *, temperature=1.0, seed=7):
    from deepsport.chat.checkpoint import load_checkpoint
    from deepsport.rollout.transformers_policy import Sampling, TransformersPolicy
    from tiny_world import TOOL

    checkpoint = load_checkpoint(tiny.model, form=TOOL.form)
    sampling = Sampling(temperature=temperature, max_reply_tokens=80, seed=seed)
    # an untrained model would say nothing of the right form: let it choose, by its own
    # probabilities, where to look and what to answer
    looks = [LOOK % (start, start + 40) for start in (0, 40, 80, 120)]
    return TransformersPolicy(
        "tiny", checkpoint.model, checkpoint.renderer, sampling,
        completions=lambda episode: looks + [ANSWER % word for word in ("A", "B", "C", "2")],
    )  # fmt: skip


def test_a_sampled_run_stopped_three_times_says_what_an_undisturbed_one_says(tiny, tmp_path):
    from tiny_world import TOOL

    tasks, source = tiny.tasks[:5], FrameSource(tiny.media)
    calm = evaluate(
        tasks, local(tiny), tmp_path / "calm", source, TOOL, attempts=6, batch_size=8
    )  # fmt: skip
    ended = stop_and_go_on(lambda: local(tiny), tasks, tmp_path / "stopped", source, TOOL, 6)
    assert said(tmp_path / "stopped") == said(tmp_path / "calm")
    assert len(set(said(tmp_path / "calm").values())) > 10  # it did sample,
    assert {len(replies) for replies in said(tmp_path / "calm").values()} >= {1, 2}  # and look
    for key in SAME:
        assert ended.scores[key] == calm.scores[key]


def test_another_seed_draws_other_answers(tiny, tmp_path):
    from tiny_world import TOOL

    source = FrameSource(tiny.media)
    for seed in (7, 8):
        evaluate(tiny.tasks[:3], local(tiny, seed=seed), tmp_path / str(seed), source, TOOL)
    assert said(tmp_path / "7") != said(tmp_path / "8")


def by_seed(asked: Asked) -> Say:
    """Answer, or look first, as the seed of the request says: a server that honours seeds."""
    rng = np.random.default_rng(asked.body["seed"])
    if asked.turn == 0 and rng.random() < 0.5:
        return Say(LOOK % (10, 30))
    return Say(ANSWER % rng.choice(["A", "B"]))


def test_a_server_that_honours_seeds_gives_a_stopped_run_the_same_answers(tiny, tmp_path):
    from tiny_world import TOOL

    tasks, source = tiny.tasks[:4], FrameSource(tiny.media)
    with FakeTeacher(by_seed) as server:

        def make():
            endpoint = ChatEndpoint(server.url, "some-model", retries=0, timeout_seconds=20)
            return EndpointPolicy(endpoint=endpoint, temperature=1.0, seed=3)

        calm = evaluate(tasks, make(), tmp_path / "calm", source, TOOL, attempts=6)
        ended = stop_and_go_on(make, tasks, tmp_path / "stopped", source, TOOL, 6)
        seeds = Counter(asked.body["seed"] for asked in server.asked[: len(tasks) * 6])
    assert said(tmp_path / "stopped") == said(tmp_path / "calm")
    assert max(seeds.values()) == 1  # no two attempts share their draws
    for key in SAME:
        assert ended.scores[key] == calm.scores[key]


def test_the_seed_of_a_turn_is_that_of_seed_task_attempt_and_turn(tiny):
    from tiny_world import TOOL

    source = FrameSource(tiny.media)
    found = set()
    for seed in (0, 1):
        for task in tiny.tasks[:3]:
            for attempt in range(3):
                episode = Episode(task, source, TOOL, attempt=attempt)
                found.add(turn_seed(seed, episode))
                episode.observe(Reply(LOOK % (10, 30)))
                found.add(turn_seed(seed, episode))
    assert len(found) == 2 * 3 * 3 * 2
    assert all(0 <= seed < 2**31 for seed in found)


def draw(logits, seeds, **options):
    sampler = RowSampler(seeds, **{"temperature": 1.0, **options})
    return sampler(None, logits).argmax(dim=-1).tolist()


def test_rows_are_drawn_from_the_softmax_at_the_temperature():
    logits = torch.tensor([[0.0, 1.0, 2.0, -torch.inf]]).repeat(20_000, 1)
    for temperature in (0.5, 1.0, 2.0):
        counts = np.bincount(draw(logits, range(20_000), temperature=temperature), minlength=4)
        expected = torch.softmax(logits[0] / temperature, 0).numpy()
        # 4.5 standard deviations of a count
        slack = 4.5 * np.sqrt(20_000 * expected * (1 - expected)) + 1e-9
        assert np.all(np.abs(counts - 20_000 * expected) <= slack)


def test_top_p_keeps_the_fewest_tokens_that_reach_it():
    logits = torch.log(torch.tensor([[0.1, 0.5, 0.15, 0.25]])).repeat(5000, 1)
    assert set(draw(logits, range(5000), top_p=0.7)) == {1, 3}
    assert set(draw(logits, range(5000), top_p=0.4)) == {1}


def test_a_row_draws_the_same_wherever_it_stands_in_the_batch():
    rng = np.random.default_rng(0)
    logits = torch.tensor(rng.normal(size=(6, 50)))
    order = rng.permutation(6)
    alone = [draw(logits[i : i + 1], [i])[0] for i in range(6)]
    assert draw(logits, range(6)) == alone
    assert draw(logits[order], order.tolist()) == [alone[i] for i in order]


KILLED = """
import sys
sys.path.insert(0, sys.argv[4])
import torch
from test_evaluate_resume import local
from deepsport.evaluate import evaluate
from deepsport.task import read_tasks
from deepsport.tool import FrameSource
from tiny_world import TOOL
from types import SimpleNamespace
torch.set_num_threads(1)
evaluate(list(read_tasks(sys.argv[1])), local(SimpleNamespace(model=sys.argv[5])), sys.argv[3],
         FrameSource(sys.argv[2]), TOOL, attempts=2, batch_size=2)
"""


@pytest.mark.slow
def test_a_sampled_run_killed_three_times_ends_with_the_scores_of_an_undisturbed_one(
    tiny, tmp_path
):
    from tiny_world import TOOL

    write_tasks(tmp_path / "tasks.jsonl", tiny.tasks)
    calm = evaluate(
        tiny.tasks, local(tiny), tmp_path / "calm", FrameSource(tiny.media), TOOL, attempts=2
    )
    out = tmp_path / "killed"
    command = [
        sys.executable, "-c", KILLED, tmp_path / "tasks.jsonl", tiny.media, out,
        Path(__file__).parent, tiny.model,
    ]  # fmt: skip
    file = out / "attempts.jsonl"

    def lines():
        return file.read_bytes().count(b"\n") if file.exists() else 0

    for _ in range(3):
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        before, deadline = lines(), time.monotonic() + 300
        while lines() < before + 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert 9 <= lines() < 2 * len(tiny.tasks)
    subprocess.run(command, check=True, capture_output=True)
    assert said(out) == said(tmp_path / "calm")
    for key in SAME:
        assert Run(out).scores()[key] == calm.scores[key]
