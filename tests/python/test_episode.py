"""Episodes: the protocol played on a real file, by scripts that behave well and badly."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from deepsport.errors import InvalidRequestError, SettingsError
from deepsport.protocol import ProtocolForm, render_answer, render_call, render_turn
from deepsport.rollout import Episode, Reply, ScriptedPolicy, play
from deepsport.task import Kind, Media, Task, Truth
from deepsport.tool import FrameSource, ToolSettings
from deepsport.tool.prompt import system_text
from deepsport.trajectory import Fault, Status

av = pytest.importorskip("av", reason="PyAV makes the clip")

FRAMES = 120
TASK = Task(
    "t", Kind.CHOICE, "Who?", Truth(labels=("A",)), (Media("clip.mp4"),), options=("red", "blue")
)


def call(start, end, form=ProtocolForm.PAPER):
    return Reply(render_turn("look", render_call((start, end), form)))


ANSWER = Reply(render_turn("seen", render_answer("A")))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with clip.mp4: 120 grey frames of 64x48, the luma of frame i is 16 + i."""
    folder = tmp_path_factory.mktemp("media")
    with av.open(str(folder / "clip.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": "8", "bf": "3", "g": "250"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(FRAMES):
            picture = np.full((72, 64), 128, np.uint8)
            picture[:48] = 16 + i
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        file.mux(stream.encode())
    (folder / "broken.mp4").write_bytes(b"no video at all")
    return folder


@pytest.fixture
def source(root):
    return FrameSource(root)


def luma(image):
    """Index of the frame an image shows, read back from its grey."""
    return float(image.mean()) * 219 / 255


def test_the_first_frames_are_uniform_and_are_those_they_are_said_to_be(source):
    episode = Episode(TASK, source, ToolSettings())
    indices = [frame.index for frame in episode.turns[1].frames]
    assert indices == [0, 17, 34, 51, 68, 85, 102, 119]
    assert [luma(image) for image in episode.images] == pytest.approx(indices, abs=1.5)
    assert all(f"frame {i}: <image>" in episode.turns[1].text for i in indices)
    assert episode.turns[1].frames[1].pts_seconds == pytest.approx(17 / 25)


@pytest.mark.parametrize("form", list(ProtocolForm))
def test_a_call_shows_the_frames_inside_the_window_and_an_answer_ends_it(source, form):
    episode = Episode(TASK, source, ToolSettings(form=form))
    assert not episode.observe(call(20, 31, form))
    shown = [frame.index for frame in episode.turns[-1].frames]
    assert shown == [21, 22, 23, 24, 26, 27, 28, 30]  # int(linspace(21, 30, 8))
    assert [luma(image) for image in episode.images[8:]] == pytest.approx(shown, abs=1.5)
    assert episode.observe(ANSWER)
    record = episode.trajectory()
    assert (record.status, record.answer, record.windows) == (Status.ANSWERED, "A", ((20, 31),))
    assert len(record.frames_shown) == len(episode.images) == 16


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [(30, 20, "30"), (20, 20, "20"), (500, 600, "120 frames"), (0, 120, "0")],
)
def test_a_window_that_cannot_be_is_refused_with_what_would_be_valid(source, start, end, words):
    episode = Episode(TASK, source, ToolSettings())
    assert not episode.observe(call(start, end))
    assert words in episode.turns[-1].text
    assert episode.turns[-2].call.rejected == episode.turns[-1].text
    assert len(episode.images) == 8
    episode.observe(ANSWER)
    assert episode.trajectory().windows == ()


def test_a_repeated_window_is_refused_and_recorded_as_repeated(source):
    episode = Episode(TASK, source, ToolSettings())
    episode.observe(call(20, 40))
    episode.observe(call(21, 39))
    assert episode.turns[-2].call.repeated


def test_a_window_past_the_end_is_cut_to_the_video(source):
    episode = Episode(TASK, source, ToolSettings())
    episode.observe(call(100, 4000))
    assert episode.turns[-2].call.window == (100, FRAMES)


def test_a_window_over_the_budget_is_narrowed_around_its_middle_and_the_model_told(source):
    episode = Episode(TASK, source, ToolSettings(max_window_frames=20))
    episode.observe(call(10, 90))
    assert episode.turns[-2].call.window == (40, 60)
    assert "narrowed" in episode.turns[-1].text


def test_after_the_last_call_one_warning_then_the_budget_is_spent(source):
    episode = Episode(TASK, source, ToolSettings(max_calls=1))
    episode.observe(call(10, 30))
    assert "answer now" in episode.turns[-1].text
    assert not episode.observe(call(40, 60))
    assert "answer now" in episode.turns[-1].text
    assert episode.observe(call(70, 90))
    assert episode.trajectory().status is Status.BUDGET


def test_a_malformed_turn_is_explained_once_then_ends_the_episode(source):
    episode = Episode(TASK, source, ToolSettings())
    assert not episode.observe(Reply("I think it is A"))
    assert "<" in episode.turns[-1].text, "the explanation names the tags that would be valid"
    assert episode.observe(Reply("<think>A"))
    record = episode.trajectory()
    assert (record.status, record.answer) == (Status.MALFORMED, None)
    assert record.reason == "think_unclosed"


def test_a_turn_cut_off_by_the_token_limit_is_truncated_not_malformed(source):
    episode = Episode(TASK, source, ToolSettings())
    assert episode.observe(Reply("<think>and then", truncated=True))
    assert episode.trajectory().status is Status.TRUNCATED


@pytest.mark.parametrize("path", ["broken.mp4", "absent.mp4", "../outside.mp4", "/etc/passwd"])
def test_a_video_that_cannot_be_opened_is_a_fault_of_that_episode(source, path):
    task = dataclasses.replace(TASK, media=(Media(path),))
    record = Episode(task, source, ToolSettings()).trajectory()
    assert (record.status, record.fault.kind) == (Status.FAULT, "decode")
    assert path.split("/")[-1] in record.fault.message


def test_a_fault_of_the_policy_is_recorded_and_not_an_answer(source):
    episode = Episode(TASK, source, ToolSettings())
    assert episode.observe(Reply("", fault=Fault("network", "no route")))
    assert episode.trajectory().fault == Fault("network", "no route")


def test_the_question_cannot_smuggle_in_a_frame(source):
    task = dataclasses.replace(TASK, question="What is <image>?")
    episode = Episode(task, source, ToolSettings())
    assert episode.turns[1].text.count("<image>") == 8


def test_play_keeps_the_batch_full_and_yields_every_task_once(source):
    tasks = [(dataclasses.replace(TASK, task_id=f"t{i}"), 0) for i in range(7)]
    tasks[2] = (dataclasses.replace(tasks[2][0], media=(Media("broken.mp4"),)), 0)
    sizes = []

    def script(episode):
        looks = int(episode.task.task_id[1:]) % 3
        return (
            ANSWER.text if episode.calls_made >= looks else call(*_windows[episode.calls_made]).text
        )

    _windows = [(10, 30), (50, 80)]

    class Counting(ScriptedPolicy):
        def reply(self, episodes):
            sizes.append(len(episodes))
            return super().reply(episodes)

    records = list(play(tasks, Counting("s", script), source, ToolSettings(), batch_size=3))
    assert sorted(r.task_id for r in records) == [f"t{i}" for i in range(7)]
    assert [r.status for r in records].count(Status.FAULT) == 1
    assert max(sizes) == 3


def test_rollouts_of_one_group_decode_a_frame_once(source):
    for _ in range(4):
        Episode(TASK, source, ToolSettings()).observe(call(20, 40))
    assert source.misses == 8 + 8
    assert source.hits == 3 * 16


def test_the_frame_cache_stays_inside_its_bytes(root):
    small = FrameSource(root, cache_bytes=3 * 64 * 48 * 3)
    small.frames("clip.mp4", range(10), (64, 48))
    assert small._bytes <= small.cache_bytes
    assert luma(small.frames("clip.mp4", [7], (64, 48))[0]) == pytest.approx(7, abs=1.5)


def test_frames_are_fitted_inside_with_their_aspect_and_never_scaled_up(root, source):
    shown = Episode(TASK, source, ToolSettings(max_width=32, max_height=32)).images[0]
    assert shown.shape == (24, 32, 3)
    assert Episode(TASK, source, ToolSettings()).images[0].shape == (48, 64, 3)


def test_settings_survive_json_and_refuse_what_cannot_work():
    settings = ToolSettings(form=ProtocolForm.NATIVE, max_calls=2, show_seconds=True)
    assert ToolSettings.from_json(settings.to_json()) == settings
    with pytest.raises(SettingsError, match="frames_per_call is 0"):
        ToolSettings(frames_per_call=0)
    with pytest.raises(SettingsError, match="unknown tool settings"):
        ToolSettings.from_json({"frames": 8})


def test_the_system_prompt_shows_the_call_it_expects():
    assert render_call((120, 180)) in system_text(ToolSettings())
    native = ToolSettings(form=ProtocolForm.NATIVE)
    assert render_call((120, 180), native.form) in system_text(native)


def test_a_frame_that_cannot_be_decoded_is_a_fault_not_a_black_picture(root, tmp_path):
    data = bytearray((root / "clip.mp4").read_bytes())
    media = data.index(b"mdat")
    data[media + 4 : media + 4 + 6000] = bytes(6000)  # the only keyframe is gone
    (tmp_path / "clip.mp4").write_bytes(data)
    record = Episode(TASK, FrameSource(tmp_path), ToolSettings()).trajectory()
    assert (record.status, record.fault.kind) == (Status.FAULT, "decode")


def test_a_media_path_out_of_the_root_is_refused(source):
    with pytest.raises(InvalidRequestError, match="leads out of the media root"):
        source.video("../../etc/passwd")
