"""A question about one's own video is played turn by turn and never scored."""

from __future__ import annotations

import numpy as np
import pytest

import clips
from deepsport.cli.main import main
from deepsport.evaluate.ask import ask, describe_turn, open_question
from deepsport.evaluate.scripted import scripted_policy
from deepsport.rollout import ScriptedPolicy
from deepsport.tool import FrameSource, ToolSettings
from fake_teacher import FakeTeacher, look_then_answer


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.make_clip("h264-b-pyramid", tmp_path_factory.mktemp("own"))


def test_the_command_prints_every_turn_and_writes_a_page_without_a_score(clip, tmp_path, capsys):
    page = tmp_path / "answer.html"
    args = ["ask", str(clip), "Which shot is it?", "--choices", "Smash", "Clear"]
    assert main([*args, "--policy", "look", "--html", str(page)]) == 0
    words = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert words == ["shown", "thinks", "looks", "shown", "thinks", "answers", "written"]
    text = page.read_text()
    assert "Which shot is it?" in text
    assert 'id="scores"' not in text  # nobody knows the right answer
    assert text.count("data:image/jpeg") >= 8


def test_turns_are_told_while_the_question_is_played(clip):
    told = []
    seen_when_asked = []

    def script(episode):
        seen_when_asked.append(len(told))
        return "<think>hm</think><answer>yes</answer>"

    task = open_question(clip, "Is it in?")
    ask(task, ScriptedPolicy("p", script), FrameSource(clip.parent), ToolSettings(), told.append)
    assert seen_when_asked == [2]  # system and first frames were told before the policy was asked
    assert [turn.role for turn in told] == ["system", "user", "assistant"]


def test_a_refused_call_is_told_in_its_own_words(clip):
    def script(episode):
        if len(episode.turns) == 2:
            return (
                '<think>x</think><tool_call>{"action":"choose_frames",'
                '"frame_range":[900,950]}</tool_call>'
            )
        return "<think>x</think><answer>no</answer>"

    lines = []
    ask(
        open_question(clip, "Is it in?"),
        ScriptedPolicy("p", script),
        FrameSource(clip.parent),
        ToolSettings(),
        lambda turn: lines.extend(describe_turn(turn)),
    )
    assert any(line.startswith("refused") and "900" in line for line in lines)


def test_an_unanswered_question_ends_with_one(clip, capsys, monkeypatch):
    monkeypatch.setattr("deepsport.evaluate.scripted._say", lambda episode, answer: "no tags")
    assert main(["ask", str(clip), "Is it in?", "--policy", "first"]) == 1
    assert "no answer: malformed" in capsys.readouterr().out


def test_wrong_arguments_are_named(clip, tmp_path, capsys):
    assert main(["ask", str(tmp_path / "none.mp4"), "Is it in?", "--policy", "first"]) == 1
    assert "no such file" in capsys.readouterr().err
    assert main(["ask", str(clip), "Which?", "--choices", "a", "--policy", "first"]) == 1
    assert "one choice is no choice" in capsys.readouterr().err


def test_the_scripted_policies_play_without_a_truth(clip):
    source, told = FrameSource(clip.parent), []
    for name in ("first", "random", "look", "truth"):
        task = open_question(clip, "Which?", ("x", "y"))
        assert ask(task, scripted_policy(name), source, ToolSettings(), told.append).answer


def test_frames_are_saved_as_they_are_shown(clip, tmp_path, capsys):
    from PIL import Image

    folder = tmp_path / "seen"
    assert main(["ask", str(clip), "Is it in?", "--policy", "look", "--frames", str(folder)]) == 0
    assert capsys.readouterr().out.count(f"frames in {folder}") == 2
    saved = sorted(folder.iterdir())
    assert [path.name[:5] for path in saved] == ["turn1"] * 8 + ["turn3"] * 8
    assert saved[0].name == "turn1-frame000000.png"
    source = FrameSource(clip.parent)
    with Image.open(saved[0]) as image:
        shown = source.frames(clip.name, [0], image.size)[0]
        assert (np.asarray(image) == shown).all()


def test_a_server_is_asked(clip, capsys):
    with FakeTeacher(look_then_answer("B")) as server:
        args = ["ask", str(clip), "Which shot?", "--choices", "Clear", "Drop"]
        assert main([*args, "--endpoint", server.url, "--model-name", "m"]) == 0
    out = capsys.readouterr().out
    assert "looks    at frames 10 to 29" in out
    assert "answers  B" in out


@pytest.mark.train
def test_a_local_checkpoint_is_asked(clip, capsys):
    pytest.importorskip("transformers", reason="transformers is not installed")
    from tiny_world import world

    args = ["ask", str(clip), "Which shot?", "--model", str(world().model), "--first-frames", "2"]
    # an untrained model does not know the form of an answer, and that is said
    assert main([*args, "--max-reply-tokens", "8"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("shown    2 frames")
    assert "no answer: " in out
