"""Every tool in every stage: asked, evaluated, reported, imitated, reinforced; nothing knows only one."""

from __future__ import annotations

import dataclasses
import json

import pytest

for module in ("av", "scipy", "rapidfuzz", "jinja2", "PIL"):
    pytest.importorskip(module, reason=f"{module} is not installed")

from deepsport.cli.main import main
from deepsport.dataset.examples import sft_examples
from deepsport.evaluate import Run, evaluate
from deepsport.evaluate.ask import ask, describe_turn
from deepsport.protocol import render_action, render_answer, render_turn
from deepsport.report import build
from deepsport.rollout import ScriptedPolicy
from deepsport.task import Kind, Media, Task, Truth, write_tasks
from deepsport.tool import Detection, FrameDetections, FrameSource, ToolSettings, tool_actions
from deepsport.trajectory import Status

CLIP = "clip.mp4"
TASK = Task(
    "q1", Kind.CHOICE, "Who?", Truth(labels=("A",)), (Media(CLIP),), options=("red", "blue")
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory, made_clip):
    folder = tmp_path_factory.mktemp("everywhere")
    (folder / CLIP).write_bytes(made_clip("h264-b-pyramid").read_bytes())
    found = (Detection("player", 0.9, 10, 10, 90, 80),)
    records = [FrameDetections(CLIP, i, 160, 90, found) for i in range(25)]
    lines = [json.dumps(record.to_json()) for record in records]
    (folder / "found.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def settings(root, **changes):
    return ToolSettings(
        tools=("choose_frames", "zoom", "detect"),
        tool_options={"detect": {"file": str(root / "found.jsonl"), "draw": True}},
        first_frames=2, frames_per_call=3, **changes,
    )  # fmt: skip


def curious(tool_settings):
    """A policy that calls every tool once and then answers."""
    calls = [
        ("detect", {"frame_range": [2, 9]}),
        ("zoom", {"frame": 5, "region": [100, 100, 500, 500]}),
        ("choose_frames", {"frame_range": [3, 12]}),
    ]
    actions = {action.name: action for action in tool_actions(tool_settings)}

    def script(episode):
        said = sum(turn.role == "assistant" for turn in episode.turns)
        if said == len(calls):
            return render_turn("I see.", render_answer("A"))
        name, arguments = calls[said]
        return render_turn("Look.", render_action(actions[name], arguments))

    return ScriptedPolicy("curious", script)


def test_asking_tells_what_each_tool_said(root):
    tool = settings(root)
    lines = []
    trajectory = ask(
        TASK, curious(tool), FrameSource(root), tool, lambda turn: lines.extend(describe_turn(turn))
    )
    assert trajectory.status is Status.ANSWERED
    text = "\n".join(lines)
    assert "calls    detect with frame_range [2, 9]" in text
    assert "told     frame 3: player 0.90 [62, 111, 562, 889]" in text
    assert "shown    1 frames: 5 (0.20 s) zoomed" in text
    assert "looks    at frames 3 to 11" in text


def test_a_run_with_all_tools_is_scored_and_its_page_shows_what_they_showed(root, tmp_path):
    tool = settings(root)
    summary = evaluate([TASK], curious(tool), tmp_path / "run", FrameSource(root), tool, name="all")
    assert not summary.faults
    attempt = next(iter(Run(tmp_path / "run").latest().values()))
    assert attempt.verdict.correct
    assert attempt.trajectory.windows == ((2, 9), (5, 6), (3, 12))
    assert len(attempt.windows_seconds) == 3
    report = build([tmp_path / "run"], tmp_path / "page.html")
    page = report.path.read_text()
    assert report.missing_pictures == 0
    for words in ('"call":"zoom"', '"call":"detect"', "player 0.90"):
        assert words in page, words
    views = {frame.view for frame in attempt.trajectory.frames_shown}
    assert len(views) == 3  # whole, zoomed, with boxes


def test_the_command_line_chooses_tools(root, tmp_path, capsys):
    write_tasks(tmp_path / "tasks.jsonl", [TASK])
    common = [
        "evaluate", "--tasks", str(tmp_path / "tasks.jsonl"), "--media-root", str(root),
        "--policy", "first", "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    found = str(root / "found.jsonl")
    assert main([*common, "--tools", "choose_frames,zoom", "--detections", found, "--seconds"]) == 0
    kept = ToolSettings.from_json(Run(tmp_path / "run").info.settings)
    assert kept.tools == ("choose_frames", "zoom", "detect")
    assert kept.unit.name == "SECONDS"
    assert kept.tool_options["detect"]["file"] == found
    capsys.readouterr()
    assert main([*common[:-1], str(tmp_path / "other"), "--tools", "fly"]) != 0
    assert "known are choose_frames, " in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.train
def test_what_tools_showed_is_imitated_and_reinforced(tmp_path):
    pytest.importorskip("trl", reason="TRL is not installed")
    from deepsport.rl import RLSettings
    from deepsport.rl.train import train_rl
    from deepsport.rollout import play
    from deepsport.sft import SFTSettings
    from deepsport.sft.train import train_sft
    from tiny_world import TOOL, world

    small = world()
    tool = dataclasses.replace(TOOL, tools=("choose_frames", "zoom"), max_calls=3)
    zoom = tool_actions(tool)[1]

    def script(episode):
        said = sum(turn.role == "assistant" for turn in episode.turns)
        if said == 0:
            call = {"frame": 30, "region": [0, 0, 400, 400]}
            return render_turn("Closer.", render_action(zoom, call))
        return render_turn("So.", render_answer("A"))

    games = list(
        play([(t, 0) for t in small.tasks], ScriptedPolicy("zoomer", script),
             FrameSource(small.media), tool)
    )  # fmt: skip
    assert all(game.frames_shown[-1].region for game in games)
    examples, _ = sft_examples(small.tasks, games, split="", answer_needs_evidence=False)
    sft = train_sft(
        examples, small.model, small.media, tmp_path / "sft",
        SFTSettings(steps=60, batch_size=4, learning_rate=1e-2, warmup_steps=2, workers=0),
    )  # fmt: skip
    assert json.loads((sft / "tool_settings.json").read_text())["tools"] == [
        "choose_frames",
        "zoom",
    ]
    rl = train_rl(
        small.tasks, sft, small.media, tmp_path / "rl",
        RLSettings(
            steps=1, prompts_per_step=2, group_size=4, learning_rate=1e-4, warmup_steps=0,
            max_reply_tokens=64, tool=tool, temperature=0.3, advantages="moving",
        ),
    )  # fmt: skip
    record = json.loads((tmp_path / "rl" / "curve.jsonl").read_text().splitlines()[0])
    assert record["calls"] > 0
    assert (rl / "config.json").exists()
