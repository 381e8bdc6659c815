"""The demo: teacher, stages, what is compared, and the whole of it once."""

from __future__ import annotations

import json
from collections import Counter

import pytest

pytest.importorskip("trl", reason="TRL is not installed")
pytest.importorskip("av", reason="PyAV is not installed")

from deepsport.chat import load_checkpoint
from deepsport.demo import BUDGETS, run_demo
from deepsport.demo.measure import ANSWER_AT_ONCE, measurements
from deepsport.demo.stages import evenly
from deepsport.demo.table import table
from deepsport.distil import keep
from deepsport.errors import SettingsError
from deepsport.protocol import parse_turn, render_answer
from deepsport.rollout import Episode, play
from deepsport.rollout.transformers_policy import Sampling, TransformersPolicy
from deepsport.testbed.captions import caption_trajectories
from deepsport.testbed.teacher import TeacherRates, scripted_teacher
from deepsport.tool import FrameSource
from deepsport.trajectory import Status
from tiny_world import TOOL, world

pytestmark = pytest.mark.train


def games(rates, attempts=8):
    small = world()
    jobs = [(task, attempt) for task in small.tasks for attempt in range(attempts)]
    return list(play(jobs, scripted_teacher(0, rates), FrameSource(small.media), TOOL))


def saw_the_event(trajectory):
    task = next(t for t in world().tasks if t.task_id == trajectory.task_id)
    event = task.evidence[0]
    times = [frame.pts_seconds for frame in trajectory.frames_shown]
    return any(event.start_seconds <= second < event.stop_seconds for second in times)


def test_a_faultless_teacher_finds_the_event_and_is_always_right():
    played = games(TeacherRates(miss=0, jitter=0, wide=0, malformed=0), attempts=1)
    assert all(saw_the_event(trajectory) for trajectory in played)
    kept, funnel = keep(played, world().tasks)
    assert len(kept) == len(played)
    assert not funnel.reasons


def test_a_teacher_that_misses_is_right_by_luck_only():
    played = games(TeacherRates(miss=1, jitter=0, wide=0, malformed=0))
    assert not any(saw_the_event(trajectory) for trajectory in played)
    kept, funnel = keep(played, world().tasks)
    assert 0.1 < len(kept) / len(played) < 0.5
    assert set(funnel.reasons) <= {"wrong_answer", "duplicate"}


def test_malformed_turns_are_counted_by_their_reason():
    played = games(TeacherRates(miss=0, jitter=0, wide=0, malformed=1))
    assert Counter(trajectory.status for trajectory in played) == {Status.MALFORMED: len(played)}
    _, funnel = keep(played, world().tasks)
    assert funnel.reasons == {"ended_malformed": len(played)}


def test_the_teacher_repeats_itself_for_the_same_seed():
    rates = TeacherRates()
    assert [t.turns for t in games(rates, 1)] == [t.turns for t in games(rates, 1)]


def test_captions_say_what_the_annotation_says():
    small = world()
    tasks, trajectories = caption_trajectories(small.matches, TOOL, seed=0, samples=2)
    assert len(tasks) == len(trajectories) == 6
    for match, trajectory in zip(small.matches * 1, trajectories[::2], strict=True):
        event = match.clips[0].event
        for line in trajectory.replies[0].splitlines():
            index, words = line.split(" ", 1)
            if int(index) < event.start_frame:
                assert words == "before"
            elif int(index) >= event.stop_frame:
                assert words == "after"
            else:
                flag = "yes" if event.flag else "no"
                assert words == f"{event.player} {event.figures} flag {flag}"


def test_a_forced_prefix_makes_every_reply_an_answer():
    small, checkpoint = world(), load_checkpoint(world().model)
    policy = TransformersPolicy(
        "control",
        checkpoint.model,
        checkpoint.renderer,
        Sampling(seed=0, max_reply_tokens=4),
        forced_prefix=ANSWER_AT_ONCE,
    )
    episode = Episode(small.tasks[0], FrameSource(small.media), TOOL)
    (reply,) = policy.reply([episode])
    assert reply.text.startswith(ANSWER_AT_ONCE)
    assert len(policy.transcript(episode).completion_ids) > 4
    assert parse_turn(ANSWER_AT_ONCE + "A" + render_answer("A")[-9:]).answer == "A"


def test_a_reply_that_hits_the_limit_is_truncated():
    small, checkpoint = world(), load_checkpoint(world().model)
    policy = TransformersPolicy(
        "short", checkpoint.model, checkpoint.renderer, Sampling(seed=0, max_reply_tokens=1)
    )
    (trajectory,) = play([(small.tasks[0], 0)], policy, FrameSource(small.media), TOOL)
    assert trajectory.status in (Status.TRUNCATED, Status.MALFORMED)
    tiny = Sampling(seed=0, max_context_tokens=10)
    policy = TransformersPolicy("full", checkpoint.model, checkpoint.renderer, tiny)
    (trajectory,) = play([(small.tasks[0], 0)], policy, FrameSource(small.media), TOOL)
    assert trajectory.status is Status.TRUNCATED


def test_the_other_architecture_plays_too():
    small = world("qwen3_vl")
    checkpoint = load_checkpoint(small.model)
    policy = TransformersPolicy(
        "three", checkpoint.model, checkpoint.renderer, Sampling(seed=0, max_reply_tokens=4)
    )
    tasks = [(task, 0) for task in small.tasks[:2]]
    assert len(list(play(tasks, policy, FrameSource(small.media), TOOL))) == 2


def test_questions_are_taken_evenly():
    chosen = evenly(world().tasks, 2)
    assert Counter(task.family for task in chosen) == dict.fromkeys(
        ("who", "flag", "figures", "when"), 2
    )


def test_an_unknown_budget_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="smoke, short, long"):
        run_demo(tmp_path, "tiny")


def test_the_controls_are_of_the_reinforced_model():
    names = {one.name: one for one in measurements(greedy=True)}
    assert list(names)[:3] == ["base", "sft", "rl"]
    assert names["rl no-tool"].control == "no-tool"
    assert all(one.temperature == 1.0 for name, one in names.items() if "greedy" not in name)


@pytest.mark.slow
def test_the_whole_demo_runs_and_runs_again_for_nothing(tmp_path):
    summary = run_demo(tmp_path, "smoke", processes=1)
    assert set(summary["gains"]) == {"sft - base", "rl - sft"}
    assert "accuracy" in table(summary)
    assert (tmp_path / "report.html").stat().st_size > 10_000
    stages = json.loads((tmp_path / "demo.json").read_text())["stages"]
    again = run_demo(tmp_path, "smoke", processes=1)
    assert again == summary
    assert json.loads((tmp_path / "demo.json").read_text())["stages"] == stages
    with pytest.raises(SettingsError, match="another budget or seed"):
        run_demo(tmp_path, "smoke", 1)
    assert BUDGETS["smoke"].test_tasks == 4
