"""What training shows of itself: the numbers of a step, kept rollouts as a report, trackers."""

from __future__ import annotations

import json
import shutil
import types

import numpy as np
import pytest

pytest.importorskip("trl", reason="TRL is not installed")
pytest.importorskip("av", reason="PyAV is not installed")

from deepsport.chat import load_checkpoint
from deepsport.cli.main import main
from deepsport.curve import read_curve
from deepsport.errors import MissingExtraError, RecordFormatError, SettingsError
from deepsport.evaluate.run_folder import Run
from deepsport.evaluate.training_rollouts import is_training_rollouts, make_run
from deepsport.rl import RLSettings
from deepsport.rl.monitor import rollout_statistics
from deepsport.rl.rewards import rewards_of
from deepsport.rl.rollout_log import RolloutLog
from deepsport.rl.rollouts import play_together
from deepsport.rl.train import train_rl
from deepsport.rollout.engine import Sampled
from deepsport.rollout.token_policy import TokenPolicy
from deepsport.tool import FrameSource
from deepsport.trajectory import read_trajectories
from deepsport.tuning.trackers import open_trackers
from tiny_world import TOOL, world

pytestmark = pytest.mark.train

TURNS = {
    "wide": ["<tool_call>[100,140]", "A"],
    "narrow": ["<tool_call>[200,212]", "B"],
    "none": ["A"],
}


class Script:
    """An engine that plays scripts in turn: look wide, look narrowly, do not look."""

    concurrent = False

    def __init__(self, renderer):
        self.renderer, self.begun = renderer, {}

    def generate(self, transcripts):
        return [Sampled(self.renderer.reply_ids(self._text(t))) for t in transcripts]

    def _text(self, transcript):
        script, turn = self.begun.get(id(transcript), (None, 0))
        if script is None:
            script = list(TURNS.values())[len(self.begun) % len(TURNS)]
        self.begun[id(transcript)] = script, turn + 1
        said = script[turn]
        if said.startswith("<tool_call>"):
            call = json.dumps({"action": "choose_frames", "frame_range": json.loads(said[11:])})
            return f"<think></think><tool_call>{call}</tool_call>"
        return f"<think></think><answer>{said}</answer>"


@pytest.fixture(scope="module")
def games():
    renderer = load_checkpoint(world().model).renderer
    policy = TokenPolicy("script", Script(renderer), renderer)
    return play_together([world().tasks[0]] * 6, policy, FrameSource(world().media), TOOL)


def test_the_numbers_of_a_step_are_those_of_the_rollouts(games):
    numbers = rollout_statistics(games)
    [count] = {game.frame_count for game in games}
    assert numbers["calls"] == numbers["called"] == pytest.approx(4 / 6)
    widths = [stop - start for game in games for start, stop in game.trajectory.windows]
    assert sorted(set(widths)) == sorted({widths[0], widths[1]})
    assert numbers["window_frames_p50"] == pytest.approx(np.median(widths))
    assert numbers["window_frames_p90"] == pytest.approx(np.percentile(widths, 90))
    middles = [sum(w) / 2 / count for game in games for w in game.trajectory.windows]
    assert numbers["window_middle_p10"] == pytest.approx(np.percentile(middles, 10))
    assert numbers["reply_tokens"] == pytest.approx(
        sum(sum(game.completion_mask) for game in games) / 6
    )
    assert numbers["context_tokens"] > numbers["reply_tokens"]
    assert rollout_statistics([])["window_frames_p50"] == 0.0


@pytest.fixture
def kept(games, tmp_path):
    parts = rewards_of(games, "deepsport-v1", TOOL)
    log = RolloutLog(tmp_path / "run" / "rollouts", every=2, most=3, media_root=str(world().media))
    assert [log.look(step, games, parts) for step in (0, 1, 2)] == [3, 0, 3]
    return tmp_path / "run" / "rollouts"


def test_kept_rollouts_say_step_and_reward_and_are_forgotten_when_played_again(kept, games):
    trajectories = list(read_trajectories(kept / "rollouts.jsonl"))
    training = [t.settings["training"] for t in trajectories]
    assert [t["step"] for t in training] == [0, 0, 0, 2, 2, 2]
    parts = rewards_of(games, "deepsport-v1", TOOL)
    assert training[4]["reward"] == pytest.approx(float(parts.total[1]))
    assert training[4]["parts"]["accuracy"] == pytest.approx(float(parts.accuracy[1]))
    assert [t.attempt for t in trajectories] == list(range(6))
    again = RolloutLog(kept, every=1, most=2)
    again.look(1, games, parts)  # a run that was resumed from step 1
    steps = [t.settings["training"]["step"] for t in read_trajectories(kept / "rollouts.jsonl")]
    assert steps == [0, 0, 0, 1, 1]


def test_the_report_shows_kept_rollouts_with_their_frames_without_the_videos(kept, tmp_path):
    assert is_training_rollouts(kept)
    run = Run(make_run(kept))
    assert len(list(run.attempts())) == 6
    assert all(attempt.video is not None for attempt in run.attempts())
    looked = [a.windows_seconds for a in run.attempts() if a.trajectory.windows]
    assert looked[0][0] == pytest.approx((10.0, 14.1), abs=0.2)  # ten frames a second
    out = tmp_path / "page.html"
    gone = tmp_path / "no-videos"
    gone.mkdir()
    assert main(["report", str(kept), "--media-root", str(gone), "--out", str(out)]) == 0
    page = out.read_text()
    shown = {f.index for t in read_trajectories(kept / "rollouts.jsonl") for f in t.frames_shown}
    assert page.count("data:image/jpeg;base64,") == len(shown)
    assert '"training":[2,' in page
    shutil.rmtree(kept / "frames")
    main(["report", str(kept), "--media-root", str(gone), "--out", str(out)])
    assert "data:image/jpeg" not in out.read_text()
    (kept / "rollouts.jsonl").write_text("")
    with pytest.raises(RecordFormatError, match="no rollout yet"):
        make_run(kept)


def test_a_step_is_written_to_the_curve_and_to_tensorboard(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    small = world()
    settings = RLSettings(
        steps=2, prompts_per_step=2, group_size=2, warmup_steps=0, max_reply_tokens=4, tool=TOOL,
        show_every=1, show_rollouts=2, beta=0.01, mask_truncated=False,
    )  # fmt: skip
    train_rl(small.tasks, small.model, small.media, tmp_path, settings, trackers=["tensorboard"])
    curve = list(read_curve(tmp_path / "curve.jsonl"))
    wanted = {
        "reward", "reward_accuracy", "reward_format", "reward_tool", "calls", "window_hit",
        "window_frames_p10", "window_middle_p90", "masked", "entropy", "kl", "reply_tokens",
        "generate_seconds", "tool_seconds", "score_seconds", "train_seconds", "rollout_seconds",
        "frames_per_second", "frames_decoded", "seconds",
    }  # fmt: skip
    assert wanted <= set(curve[0])
    for record in curve:
        parts = record["rollout_seconds"] + record["score_seconds"] + record["train_seconds"]
        assert parts == pytest.approx(record["seconds"], rel=0.2, abs=0.2)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert wanted <= set(events.Tags()["scalars"])
    for number, event in enumerate(events.Scalars("entropy")):
        assert event.step == number + 1
        assert event.value == pytest.approx(curve[number]["entropy"])
    steps = {
        t.settings["training"]["step"]
        for t in read_trajectories(tmp_path / "rollouts" / "rollouts.jsonl")
    }
    assert steps == {0, 1}


def test_trackers_with_wandbs_functions_get_numbers_and_steps(tmp_path, monkeypatch):
    said = []
    board = types.SimpleNamespace(
        init=lambda **options: said.append(("init", options["project"], options["name"])),
        log=lambda record, step: said.append((step, record)),
        finish=lambda: said.append("finish"),
    )
    monkeypatch.setitem(__import__("sys").modules, "trackio", board)
    monkeypatch.setenv("TRACKIO_PROJECT", "rallies")
    [tracker] = open_trackers(["trackio"], tmp_path / "rl", from_step=0, config={})
    tracker.write(3, {"step": 3, "loss": 0.5, "note": "words", "nothing": None, "flag": True})
    tracker.close()
    assert said == [("init", "rallies", "rl"), (3, {"step": 3.0, "loss": 0.5}), "finish"]


def test_trackers_that_are_not_there_are_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(MissingExtraError, match="pip install wandb"):
        open_trackers(["wandb"], tmp_path, from_step=0, config={})
    with pytest.raises(SettingsError, match="valid are tensorboard"):
        open_trackers(["paper"], tmp_path, from_step=0, config={})
