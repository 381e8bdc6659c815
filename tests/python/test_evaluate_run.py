"""Runs persist first, go on after a kill, and never charge a fault to the policy."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import clips
from deepsport.cli.main import main
from deepsport.errors import SettingsError
from deepsport.evaluate import Run, evaluate
from deepsport.evaluate.attempt import Attempt, read_attempts
from deepsport.evaluate.control import shuffle_options
from deepsport.evaluate.rescore import compare_runs, rescore
from deepsport.evaluate.scripted import scripted_policy
from deepsport.rollout import Reply, ScriptedPolicy
from deepsport.task import Kind, Media, Span, Task, Truth, read_tasks, write_tasks
from deepsport.tool import FrameSource, ToolSettings
from deepsport.trajectory import Fault

SHOTS = ("Clear", "Drop", "Net shot", "Smash")
SMALL = ToolSettings(max_width=64, max_height=64)


@pytest.fixture(scope="session")
def media(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    clips.make_clip("h264-b-pyramid", folder)
    (folder / "broken.mp4").write_bytes(b"no video at all")
    return folder


def make_tasks(name, count=8):
    return [
        Task(
            f"q{i}",
            Kind.CHOICE,
            f"Which shot is it, number {i}?",
            Truth(labels=("ABCD"[i % 4],)),
            (Media(name),),
            options=SHOTS,
            evidence=(Span(1.0, 1.5),),
            group=f"match{i // 2}",
            sport="badminton" if i % 2 else "tennis",
        )
        for i in range(count)
    ]


@pytest.fixture
def tasks(media):
    return make_tasks(clips.make_clip("h264-b-pyramid", media).name)


def test_the_policy_that_knows_scores_100_and_hits_every_event(media, tasks, tmp_path):
    summary = evaluate(tasks, scripted_policy("truth"), tmp_path, FrameSource(media), SMALL)
    assert summary.scores["overall"]["strict"]["mean"] == 1.0
    assert summary.scores["overall"]["coverage"] == 1.0
    assert summary.scores["looking"]["hit_rate"]["mean"] == 1.0
    assert summary.scores["looking"]["table"]["hit"] == {"right": 8, "wrong": 0}
    assert set(summary.scores["slices"]["sport"]) == {"badminton", "tennis"}
    assert "100.0" in str(summary)


def test_a_second_call_plays_nothing_again(media, tasks, tmp_path):
    first = evaluate(tasks, scripted_policy("random"), tmp_path, FrameSource(media), SMALL)
    again = evaluate(tasks, scripted_policy("random"), tmp_path, FrameSource(media), SMALL)
    assert (first.played, again.played, again.skipped) == (8, 0, 8)
    assert again.scores == first.scores


def test_each_sample_of_a_question_is_its_own_attempt(media, tasks, tmp_path):
    policy = scripted_policy("random")
    summary = evaluate(tasks, policy, tmp_path, FrameSource(media), SMALL, attempts=3)
    assert summary.scores["attempts"] == 24
    assert summary.scores["overall"]["strict"]["count"] == 8
    assert set(summary.scores["at_k"]) == {"pass@1", "pass@2", "pass@3"}


class FlakyPolicy(ScriptedPolicy):
    """A server that dies after some replies; `down` switches it."""

    def __init__(self, inner, down_after):
        self.inner, self.left, self.name = inner, down_after, inner.name

    def reply(self, episodes):
        out = []
        for episode in episodes:
            self.left -= 1
            if self.left < 0:
                out.append(Reply("", fault=Fault("network", "connection refused")))
            else:
                out.extend(self.inner.reply([episode]))
        return out


def test_a_server_that_dies_costs_coverage_not_accuracy_and_is_made_up_for(media, tasks, tmp_path):
    source = FrameSource(media)
    whole = evaluate(tasks, scripted_policy("truth"), tmp_path / "whole", source, SMALL)
    flaky = FlakyPolicy(scripted_policy("truth"), down_after=7)
    part = evaluate(tasks, flaky, tmp_path / "part", source, SMALL, batch_size=2)
    assert part.faults > 0
    assert part.scores["overall"]["coverage"] < 1.0
    assert part.scores["overall"]["strict"]["mean"] == 1.0
    again = evaluate(tasks, scripted_policy("truth"), tmp_path / "part", source, SMALL)
    assert again.played == part.faults
    assert again.scores["overall"] == whole.scores["overall"]


def test_a_broken_video_is_a_media_error_and_the_others_go_on(media, tasks, tmp_path):
    tasks = [*tasks, *[t for t in make_tasks("broken.mp4", 9) if t.task_id == "q8"]]
    summary = evaluate(tasks, scripted_policy("truth"), tmp_path, FrameSource(media), SMALL)
    assert summary.scores["outcomes"] == {"ok": 8, "media_error": 1}
    assert summary.scores["overall"]["strict"]["mean"] == 1.0


def test_a_changed_question_is_asked_again(media, tasks, tmp_path):
    evaluate(tasks, scripted_policy("first"), tmp_path, FrameSource(media), SMALL)
    import dataclasses

    tasks[0] = dataclasses.replace(tasks[0], question="Another question?")
    again = evaluate(tasks, scripted_policy("first"), tmp_path, FrameSource(media), SMALL)
    assert again.played == 1
    assert again.scores["attempts"] == 8


def test_a_folder_of_another_policy_is_refused_with_the_difference(media, tasks, tmp_path):
    evaluate(tasks, scripted_policy("first"), tmp_path, FrameSource(media), SMALL)
    with pytest.raises(SettingsError, match='policy: "scripted:first" and "scripted:random"'):
        evaluate(tasks, scripted_policy("random"), tmp_path, FrameSource(media), SMALL)
    with pytest.raises(SettingsError, match=r"tool\.max_calls: 5 and 2"):
        other = ToolSettings(max_width=64, max_height=64, max_calls=2)
        evaluate(tasks, scripted_policy("first"), tmp_path, FrameSource(media), other)


def test_tasks_with_one_id_and_no_tasks_are_refused(media, tasks, tmp_path):
    source = FrameSource(media)
    with pytest.raises(SettingsError, match="'q0'"):
        evaluate([tasks[0], tasks[0]], scripted_policy("first"), tmp_path, source)
    with pytest.raises(SettingsError, match="no task"):
        evaluate([], scripted_policy("first"), tmp_path, source)


@pytest.mark.parametrize(
    ("control", "frames", "calls"),
    [
        ("no-tool", 8, 0),
        ("no-frames", 0, 0),
        ("one-frame", 1, 0),
        ("uniform-12", 12, 0),
        ("shuffled-frames", 16, 1),
        ("shuffled-options", 16, 1),
    ],
)
def test_controls_take_away_what_they_say(media, tasks, tmp_path, control, frames, calls):
    policy = scripted_policy("truth")
    summary = evaluate(tasks, policy, tmp_path, FrameSource(media), SMALL, control=control)
    assert summary.scores["looking"]["frames"] == frames
    assert summary.scores["looking"]["calls"] == calls
    assert summary.scores["overall"]["strict"]["mean"] == 1.0


def test_an_unknown_control_is_refused(media, tasks, tmp_path):
    with pytest.raises(SettingsError, match="valid are no-tool"):
        evaluate(tasks, scripted_policy("first"), tmp_path, FrameSource(media), control="blind")


def test_shuffled_options_keep_the_right_text_right(tasks):
    orders = set()
    for task in tasks:
        other = shuffle_options(task, seed=1)
        assert sorted(other.options) == sorted(task.options)
        right = task.options[task.letters.index(task.truth.labels[0])]
        assert other.options[other.letters.index(other.truth.labels[0])] == right
        assert shuffle_options(task, seed=1) == other
        orders.add(other.options)
    assert len(orders) > 1


def test_an_attempt_survives_json(media, tasks, tmp_path):
    evaluate(tasks, scripted_policy("truth"), tmp_path, FrameSource(media), SMALL)
    for attempt in read_attempts(tmp_path / "attempts.jsonl"):
        assert Attempt.from_json(json.loads(json.dumps(attempt.to_json()))) == attempt
        assert attempt.video.frame_count > 0
        assert len(attempt.windows_seconds) == len(attempt.trajectory.windows) == 1


def test_a_rescored_run_has_the_scores_of_the_run(media, tasks, tmp_path):
    summary = evaluate(tasks, scripted_policy("random"), tmp_path, FrameSource(media), SMALL)
    changed, scores = rescore(tmp_path)
    assert changed == 0
    assert scores == summary.scores


def test_compare_says_what_differs_and_by_how_much(media, tasks, tmp_path):
    source = FrameSource(media)
    evaluate(tasks, scripted_policy("first"), tmp_path / "a", source, SMALL)
    evaluate(tasks, scripted_policy("truth"), tmp_path / "b", source, SMALL, control="uniform-4")
    text = "\n".join(compare_runs(tmp_path / "a", tmp_path / "b"))
    assert "tool.first_frames: 8 and 4" in text
    assert "policy" not in text  # what is compared is expected to differ
    assert "gained 6, lost 0" in text


def test_the_command_evaluates_and_names_wrong_arguments(media, tasks, tmp_path, capsys):
    write_tasks(tmp_path / "tasks.jsonl", tasks)
    common = ["evaluate", "--tasks", str(tmp_path / "tasks.jsonl"), "--media-root", str(media)]
    out = str(tmp_path / "run")
    assert main([*common, "--policy", "truth", "--out", out, "--limit", "3"]) == 0
    assert "100.0" in capsys.readouterr().out
    assert len(list(read_tasks(tmp_path / "run" / "tasks.jsonl"))) == 3
    assert main(["evaluate", "rescore", out]) == 0
    assert main([*common, "--out", out]) == 1
    assert "exactly one of --model PATH" in capsys.readouterr().err
    assert main([*common, "--model", "x", "--samples", "4", "--out", out]) == 1
    assert "would play the same 4 times" in capsys.readouterr().err
    assert main([*common, "--policy", "nobody", "--out", str(tmp_path / "x")]) == 1
    assert "valid are first, random, look, truth" in capsys.readouterr().err
    assert main([*common, "--policy", "first", "--split", "test", "--out", out]) == 1
    assert "found are none" in capsys.readouterr().err


def test_controls_are_played_after_the_run_each_into_a_folder_of_its_own(
    media, tasks, tmp_path, capsys
):
    write_tasks(tmp_path / "tasks.jsonl", tasks)
    common = ["evaluate", "--tasks", str(tmp_path / "tasks.jsonl"), "--media-root", str(media)]
    out = ["--policy", "look", "--out", str(tmp_path / "run")]
    budget = ["--first-frames", "3", "--frames-per-call", "2"]
    assert main([*common, *out, *budget, "--controls", "no-frames,equal-frames"]) == 0
    frames = {}
    for name in ("run", "run-no-frames", "run-uniform-5"):  # 3 first frames and 2 of a call
        run = Run(tmp_path / name)
        frames[run.info.control] = run.scores()["looking"]["frames"]
    assert frames == {"": 5.0, "no-frames": 0.0, "uniform-5": 5.0}
    capsys.readouterr()
    assert main([*common, *out, "--controls", "no-frame"]) == 1
    assert "control 'no-frame' is unknown" in capsys.readouterr().err
    assert main([*common, *out, "--control", "no-tool", "--controls", "no-frames"]) == 1
    assert "instead of the run" in capsys.readouterr().err


SLOW_RUN = """
import sys, time
from deepsport.evaluate import evaluate
from deepsport.evaluate.scripted import scripted_policy
from deepsport.task import read_tasks
from deepsport.tool import FrameSource, ToolSettings
policy = scripted_policy("random")
quick = policy.reply
def slow(episodes):
    time.sleep(0.08)
    return quick(episodes)
policy.reply = slow
evaluate(list(read_tasks(sys.argv[1])), policy, sys.argv[3], FrameSource(sys.argv[2]),
         ToolSettings(max_width=64, max_height=64), attempts=3, batch_size=2)
"""


def test_a_run_killed_three_times_ends_with_the_scores_of_an_undisturbed_one(
    media, tasks, tmp_path
):
    write_tasks(tmp_path / "tasks.jsonl", tasks)
    calm = evaluate(
        tasks, scripted_policy("random"), tmp_path / "calm", FrameSource(media), SMALL, attempts=3
    )
    out = tmp_path / "killed"
    command = [sys.executable, "-c", SLOW_RUN, str(tmp_path / "tasks.jsonl"), str(media), str(out)]
    file = out / "attempts.jsonl"
    for kill in range(3):
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        before = _lines(file)
        deadline = time.monotonic() + 60
        while _lines(file) < before + 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        with file.open("ab") as damaged:  # as if the kill had come in the middle of a write
            damaged.write(b'{"schema": "deepsport.att')
        assert _lines(file) >= 3 * (kill + 1)
    subprocess.run(command, check=True, capture_output=True)
    killed = Run(out).scores()
    for key in ("overall", "slices", "outcomes", "rules", "at_k", "attempts"):
        assert killed[key] == calm.scores[key]
    assert len(list(read_attempts(file))) == 24  # nothing was played twice


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_finebadminton_is_evaluated_with_three_scripted_policies(tmp_path):
    from material import clips as material_clips

    folder = material_clips("finebadminton")
    means = {}
    for name in ("truth", "first", "random"):
        args = ["evaluate", "--finebadminton", str(folder), "--policy", name]
        assert (
            main([*args, "--max-calls", "0", "--first-frames", "2", "--out", str(tmp_path / name)])
            == 0
        )
        scores = Run(tmp_path / name).scores()
        assert scores["attempts"] == 17
        assert scores["overall"]["coverage"] == 1.0
        means[name] = scores["overall"]["strict"]["mean"]
        assert scores["overall"]["chance"] == 0.25
        assert scores["overall"]["beats_chance"] is (name == "truth")
    assert means["truth"] == 1.0
