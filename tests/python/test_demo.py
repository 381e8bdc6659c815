"""The demo: teacher, stages, what is compared, and the whole of it once."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter

import pytest

pytest.importorskip("trl", reason="TRL is not installed")
pytest.importorskip("av", reason="PyAV is not installed")

from deepsport.chat import load_checkpoint
from deepsport.dataset.examples import sft_examples
from deepsport.demo import BUDGETS, run_demo, study
from deepsport.demo.measure import ANSWER_AT_ONCE, measurements
from deepsport.demo.stages import Layout, evenly
from deepsport.demo.table import table
from deepsport.distil import keep
from deepsport.errors import RecordFormatError, SettingsError
from deepsport.protocol import parse_turn, render_answer
from deepsport.rollout import Episode, play
from deepsport.rollout.transformers_policy import Sampling, TransformersPolicy
from deepsport.task import write_tasks
from deepsport.testbed.captions import caption_trajectories
from deepsport.testbed.match import SPORTS
from deepsport.testbed.tasks import DIRECT, make_tasks
from deepsport.testbed.teacher import TeacherRates, scripted_teacher
from deepsport.tool import FrameSource
from deepsport.trajectory import Status, TrajectoryStore
from tiny_world import TOOL, world

pytestmark = pytest.mark.train

FAULTLESS = TeacherRates(late=0, miss=0, jitter=0, wide=0, malformed=0)


def games(rates, attempts=8, tasks=None):
    small = world()
    jobs = [(task, attempt) for task in tasks or small.tasks for attempt in range(attempts)]
    return list(play(jobs, scripted_teacher(0, rates), FrameSource(small.media), TOOL))


def saw_the_event(trajectory):
    task = next(t for t in world().tasks if t.task_id == trajectory.task_id)
    event = task.evidence[0]
    times = [frame.pts_seconds for frame in trajectory.frames_shown]
    return any(event.start_seconds <= second < event.stop_seconds for second in times)


def test_a_faultless_teacher_finds_the_event_and_is_always_right():
    played = games(FAULTLESS, attempts=1)
    assert all(saw_the_event(trajectory) for trajectory in played)
    kept, funnel = keep(played, world().tasks)
    assert len(kept) == len(played)
    assert not funnel.reasons


def test_a_teacher_that_misses_is_right_by_luck_only():
    played = games(dataclasses.replace(FAULTLESS, miss=1, knows=0))
    assert not any(saw_the_event(trajectory) for trajectory in played)
    kept, funnel = keep(played, world().tasks)
    assert 0.1 < len(kept) / len(played) < 0.5
    assert set(funnel.reasons) <= {"wrong_answer", "duplicate"}


def test_a_teacher_that_knows_is_kept_although_it_looked_too_late():
    small = world()
    played = games(dataclasses.replace(FAULTLESS, late=1, knows=1), attempts=1)
    kept, funnel = keep(played, small.tasks)
    assert len(kept) == len(played), funnel.reasons
    first = {m.clips[0].path: m.clips[0].event.start_frame for m in small.matches}
    for trajectory in played:
        (window,) = trajectory.windows
        path = next(t for t in small.tasks if t.task_id == trajectory.task_id).media[0].path
        assert window[0] > first[path] or window[1] == 319  # after the last gap there is none
    # imitation is not to learn answers that nothing in view supports
    examples, _ = sft_examples(small.tasks, kept, split="")
    assert all(e.trained == (True, saw_the_event(e.trajectory)) for e in examples)


def test_what_the_first_frames_show_is_answered_with_and_without_a_look():
    direct = make_tasks(world().matches, (DIRECT,))
    assert [task.options["ABC".index(task.truth.labels[0])] for task in direct] == [*SPORTS]
    played = games(FAULTLESS, tasks=direct)
    assert {len(t.windows) for t in played} == {0, 1}
    kept, funnel = keep(played, direct)
    assert set(funnel.reasons) <= {"duplicate"}
    assert kept


def test_malformed_turns_are_counted_by_their_reason():
    played = games(dataclasses.replace(FAULTLESS, malformed=1))
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
    with pytest.raises(SettingsError, match="smoke, full"):
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
    assert not (tmp_path / "report_files").exists()  # the page is one file
    stages = json.loads((tmp_path / "demo.json").read_text())["stages"]
    again = run_demo(tmp_path, "smoke", processes=1)
    assert again == summary
    assert json.loads((tmp_path / "demo.json").read_text())["stages"] == stages
    with pytest.raises(SettingsError, match="another budget or seed"):
        run_demo(tmp_path, "smoke", 1)
    assert BUDGETS["smoke"].test_tasks == 4


def test_the_study_of_rewards_says_how_each_model_looks(tmp_path, monkeypatch):
    demo, small = Layout(tmp_path / "demo"), world()
    split = {
        m.match_id: name for m, name in zip(small.matches, ("train", "train", "test"), strict=True)
    }
    tasks = [dataclasses.replace(task, split=split[task.group]) for task in small.tasks]
    demo.model("sft").parent.mkdir(parents=True)
    demo.model("sft").symlink_to(small.model)
    demo.media.symlink_to(small.media)
    write_tasks(demo.tasks, tasks)
    with TrajectoryStore(demo.kept) as store:
        for trajectory in small.trajectories:
            store.append(trajectory)
    monkeypatch.setattr(study, "TOOL", TOOL)
    monkeypatch.setattr(study, "SFT_STEPS", 1)
    arguments = {"rewards": ("deepsport-v2",), "steps": 1}
    summary = study.run_study(demo.root, tmp_path / "study", **arguments)
    assert set(summary["models"]) == {"before", "deepsport-v2"}
    assert summary["models"]["before"]["accuracy_hidden"]["count"] == 4
    assert study.run_study(demo.root, tmp_path / "study", **arguments) == summary
    with pytest.raises(RecordFormatError, match="no supervised model"):
        study.run_study(tmp_path, tmp_path / "study")
