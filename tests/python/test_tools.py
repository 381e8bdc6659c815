"""Tools behind one door: zoom, detections, tools of others; budgets, records, faults, replay."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import deepsport
from deepsport.dataset.examples import Example, ExampleFrames
from deepsport.distil.request import CallRequest, Completion
from deepsport.distil.turn_text import turn_texts
from deepsport.errors import RecordFormatError, SettingsError
from deepsport.integrations.frame_service import FrameService
from deepsport.protocol import (
    Action,
    Argument,
    ArgumentKind,
    ProtocolForm,
    Reason,
    WindowUnit,
    parse_turn,
    render_action,
    render_answer,
    render_turn,
)
from deepsport.reward import RewardSettings, rollout_text, score_rollouts
from deepsport.rollout import Episode, Reply
from deepsport.task import Kind, Media, Task, Truth
from deepsport.tool import (
    Detection,
    Finding,
    FrameDetections,
    FrameSource,
    ToolSettings,
    register_detector,
    register_tool,
    tool_actions,
)
from deepsport.tool.drawing import box_colour
from deepsport.tool.prompt import system_text
from deepsport.trajectory import Box, FrameRef, Status, Trajectory

av = pytest.importorskip("av", reason="PyAV makes the clip")

FRAMES, FPS, WIDTH, HEIGHT = 100, 25, 320, 240
TASK = Task(
    "t", Kind.CHOICE, "Who?", Truth(labels=("A",)), (Media("clip.mp4"),), options=("red", "blue")
)
ANSWER = Reply(render_turn("seen", render_answer("A")))
ALL = ("choose_frames", "zoom", "detect")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with clip.mp4: 100 frames of 320x240, a gradient that moves and no two alike."""
    folder = tmp_path_factory.mktemp("media")
    with av.open(str(folder / "clip.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=FPS, options={"crf": "10", "g": "50"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        across, down = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
        for i in range(FRAMES):
            rgb = np.stack([across % 256, (down + 2 * i) % 256, (across + down) % 256], -1)
            file.mux(
                stream.encode(av.VideoFrame.from_ndarray(rgb.astype(np.uint8), format="rgb24"))
            )
        file.mux(stream.encode())
    return folder


@pytest.fixture(scope="module")
def detections(root):
    """A file that knows frames 41 to 43 of the clip; the ball is found twice in 42."""
    path = root / "found.jsonl"
    ball = Detection("ball", 0.5, 16, 24, 32, 48)
    player = Detection("player", 0.9, 160, 60, 400, 180)  # beyond the right edge
    records = [
        FrameDetections("clip.mp4", 41, WIDTH, HEIGHT, ()),
        FrameDetections("clip.mp4", 42, WIDTH, HEIGHT, (ball, player), "finder 1.0"),
        FrameDetections("other.mp4", 0, WIDTH, HEIGHT, ()),
    ]
    path.write_text("".join(json.dumps(record.to_json()) + "\n" for record in records))
    return path


def settings(**changes):
    return ToolSettings(**{"first_frames": 2, "tools": ("choose_frames", "zoom"), **changes})


def say(tool_settings, name, arguments):
    action = next(a for a in tool_actions(tool_settings) if a.name == name)
    call = render_action(action, arguments, tool_settings.form, tool_settings.unit)
    return Reply(render_turn("look", call))


def played(root, tool_settings, *calls):
    episode = Episode(TASK, FrameSource(root), tool_settings)
    for name, arguments in calls:
        episode.observe(say(tool_settings, name, arguments))
    return episode


# --- the parser -----------------------------------------------------------------------------------

ZOOM = tool_actions(settings())[1]


@pytest.mark.parametrize("form", list(ProtocolForm))
def test_what_is_written_is_what_is_read_for_every_tool_form_and_unit(form):
    for unit in WindowUnit:
        for action in tool_actions(settings(unit=unit)):
            text = render_turn("x", action.call_example(form, unit))
            turn = parse_turn(text, form, actions=[action], unit=unit)
            assert turn.ok, (turn.message, text)
            assert turn.call.name == action.name
            if action.window:
                ends = turn.call.time_range if unit else turn.call.frame_range
                assert ends == ((4.0, 6.0) if unit else (120, 180))


@pytest.mark.parametrize(
    ("body", "reason", "words"),
    [
        ('"region":[1,2,3,4]', Reason.ARGUMENT_MISSING, 'zoom needs "frame", an integer.'),
        ('"frame":1.5,"region":[1,2,3,4]', Reason.ARGUMENT_INVALID, '"frame" of zoom must be an'),
        ('"frame":true,"region":[1,2,3,4]', Reason.ARGUMENT_INVALID, "an integer"),
        ('"frame":1,"region":[1,2,3]', Reason.ARGUMENT_INVALID, "a list of 4 numbers"),
        ('"frame":1,"region":[1,2,3,"4"]', Reason.ARGUMENT_INVALID, "a list of 4 numbers"),
        ('"frame":1,"region":[1,2.5,3,4],"why":0', Reason.OK, ""),
    ],
)
def test_arguments_of_a_tool_are_checked_by_the_one_parser(body, reason, words):
    turn = parse_turn(
        f'<think></think><tool_call>{{"action":"zoom",{body}}}</tool_call>', actions=[ZOOM]
    )
    assert turn.reason is reason
    assert words in turn.message
    assert ("region" in turn.message) == (reason is not Reason.OK)  # the example is of this tool


def test_optional_arguments_and_open_lists():
    action = Action(
        "track",
        "",
        (
            Argument("ids", ArgumentKind.INTEGERS, least=1),
            Argument("why", ArgumentKind.TEXT, required=False),
        ),
    )
    for body, ok in (
        ('"ids":[1,2,3]', True), ('"ids":[1],"why":null', True), ('"ids":[1],"why":"x"', True),
        ('"ids":[]', False), ('"ids":[1.0]', False), ('"ids":[1],"why":3', False),
    ):  # fmt: skip
        text = f'<think></think><tool_call>{{"action":"track",{body}}}</tool_call>'
        assert parse_turn(text, actions=[action]).ok == ok, body


def test_windows_in_seconds_are_not_windows_in_frames():
    text = '<think></think><tool_call>{"action":"choose_frames","frame_range":[1,9]}</tool_call>'
    turn = parse_turn(text, unit=WindowUnit.SECONDS)
    assert turn.reason is Reason.RANGE_MISSING
    assert '"time_range"' in turn.message


# --- zoom -----------------------------------------------------------------------------------------


def test_zoom_shows_the_original_pixels_of_a_region(root):
    episode = played(
        root, settings(max_width=160, max_height=120), ("zoom", {"frame": 42, "region": [250, 500, 600, 900]})
    )  # fmt: skip
    whole = deepsport.open(root / "clip.mp4").at([42]).data[0]
    assert episode.images[0].shape == (120, 160, 3)  # first frames are fitted
    expected = whole[120:216, 80:192]
    assert episode.images[-1].shape == expected.shape
    assert np.array_equal(episode.images[-1], expected)
    turn = episode.turns[-1]
    assert turn.frames == (FrameRef(42, 1.68, region=(80, 120, 192, 216)),)
    assert "frame 42, region [250, 500, 600, 900]: <image>" in turn.text
    assert episode.turns[-2].call.window == (42, 43)
    assert episode.turns[-2].call.verdict == "ok"


def test_a_region_that_is_larger_than_what_is_shown_is_scaled_by_the_core(root):
    free = {"zoom": {"max_share": 1.0}}
    shown = settings(max_width=80, max_height=60, tool_options=free)
    episode = played(root, shown, ("zoom", {"frame": 10, "region": [0, 0, 500, 500]}))
    half = deepsport.open(root / "clip.mp4").at([10], size=(160, 120)).data[0]
    assert np.array_equal(episode.images[-1], half[:60, :80])


@pytest.mark.parametrize(
    ("region", "pixels", "note"),
    [
        ([-50, -50, 300, 300], (0, 0, 96, 72), "was cut to the frame: [0, 0, 300, 300]"),
        ([0, 0, 1000, 1000], (80, 60, 240, 180), "larger than 25% of the frame"),
        ([500, 500, 501, 501], (132, 92, 188, 148), "smaller than 56 pixels"),
        ([990, 990, 1000, 1000], (264, 184, 320, 240), "smaller than 56 pixels"),
    ],
)
def test_regions_are_clipped_to_frame_and_budget_and_the_model_is_told(root, region, pixels, note):
    episode = played(root, settings(), ("zoom", {"frame": 3, "region": region}))
    assert episode.turns[-1].frames[0].region == pixels
    assert note in episode.turns[-1].text


def test_zooms_that_make_no_sense_are_refused_and_go_on(root):
    same = ("zoom", {"frame": 3, "region": [100, 100, 500, 500]})
    calls = [
        same, same, ("zoom", {"frame": 100, "region": [0, 0, 9, 9]}),
        ("zoom", {"frame": 3, "region": [500, 0, 400, 9]}),
    ]  # fmt: skip
    episode = played(root, settings(), *calls)
    records = [turn.call for turn in episode.turns if turn.call]
    verdicts = ["ok", "call_repeated", "frame_outside", "region_empty"]
    assert [record.verdict for record in records] == verdicts
    assert [record.repeated for record in records] == [False, True, False, False]
    assert "Valid: 0 to 99" in records[2].rejected
    assert not episode.done


# --- windows in seconds, budgets ------------------------------------------------------------------


def test_windows_in_seconds_show_the_frames_of_that_time(root):
    in_seconds = settings(unit=WindowUnit.SECONDS)
    episode = played(root, in_seconds, ("choose_frames", {"frame_range": [1.0, 1.5]}))
    call, shown = episode.turns[-2].call, episode.turns[-1]
    assert call.window == (25, 38)  # frames 25 (1.00 s) to 37 (1.48 s)
    assert all(1.0 < frame.pts_seconds < 1.5 for frame in shown.frames)
    assert "Frames from 1.00 s to 1.52 s:" in shown.text
    assert "frame 26 (1.04 s): <image>" in shown.text
    assert "two times in seconds" in system_text(in_seconds)


@pytest.mark.parametrize(
    ("asked", "verdict", "words"),
    [
        ([2.0, 1.0], "window_reversed", "ends before it starts"),
        ([1.0, 1.0], "window_empty", "holds no time"),
        ([4.0, 5.0], "window_outside", "lasts 4.00 s"),
        ([-1.0, 5.0], "window_outside", "-1 s to 5 s"),
        ([0.0, 4.0], "window_full_range", "whole video"),
    ],
)
def test_refusals_in_seconds_speak_of_seconds(root, asked, verdict, words):
    episode = played(
        root, settings(unit=WindowUnit.SECONDS), ("choose_frames", {"frame_range": asked})
    )
    call = episode.turns[-2].call
    assert call.verdict == verdict
    assert words in call.rejected
    assert "two times in seconds" in call.rejected


def test_every_cut_of_a_budget_is_told(root):
    tight = settings(max_frames=5, frames_per_call=4, max_window_frames=20)
    episode = played(
        root, tight, ("choose_frames", {"frame_range": [10, 90]}),
        ("choose_frames", {"frame_range": [60, 200]}),
    )  # fmt: skip
    first, second = [turn for turn in episode.turns if turn.role == "tool"]
    assert [frame.index for frame in first.frames] == [41, 47, 53, 59]  # linspace(41, 59)
    assert "wider than 20 frames" in first.text
    assert len(second.frames) == 1
    assert "cut to [60, 100]" in second.text
    assert "Only 1 of 4 frames are shown" in second.text
    assert "answer now" in second.text
    episode.observe(say(tight, "zoom", {"frame": 1, "region": [0, 0, 500, 500]}))
    assert episode.turns[-2].call.verdict == "call_over_budget"
    assert not episode.done
    episode.observe(say(tight, "zoom", {"frame": 1, "region": [0, 0, 500, 500]}))
    assert episode.status is Status.BUDGET


# --- detections -----------------------------------------------------------------------------------


def with_detections(path, **options):
    return settings(tools=ALL, tool_options={"detect": {"file": str(path), **options}})


def test_detections_of_a_file_are_told_in_thousandths_strongest_first(root, detections):
    shown = with_detections(detections)
    episode = played(root, shown, ("detect", {"frame_range": [40, 44]}))
    turn = episode.turns[-1]
    assert turn.frames == ()
    assert turn.text.splitlines()[:3] == [
        "frame 41: nothing found",
        "frame 42: player 0.90 [500, 250, 1000, 750]; ball 0.50 [50, 100, 100, 200]",
        "frame 43: the detector was not run on it",
    ]
    assert episode.turns[-2].call.window == (40, 44)
    assert "detect" in system_text(shown)


def test_boxes_are_drawn_and_can_be_drawn_again_from_the_record(root, detections):
    shown = with_detections(detections, draw=True, max_boxes=1)
    calls = [
        ("detect", {"frame_range": [40, 44]}),
        ("zoom", {"frame": 42, "region": [500, 250, 900, 600]}),
    ]
    episode = played(root, shown, *calls)
    turn = episode.turns[4 - 1]
    assert "and 1 more" in turn.text
    assert turn.frames[1].boxes == (Box("player", 500, 250, 1000, 750),)
    assert tuple(episode.images[3][60, 200]) == box_colour("player")
    assert tuple(episode.images[3][62, 200]) != box_colour("player")
    episode.observe(ANSWER)
    record = Trajectory.from_json(json.loads(json.dumps(episode.trajectory().to_json())))
    assert record == episode.trajectory()
    example = Example(TASK, record, (True, True, True))
    again = ExampleFrames(root).of(example)
    assert len(again) == len(episode.images) == 6
    for frame, image in zip(again, episode.images, strict=True):
        assert np.array_equal(frame.pixels, image)
    sizes = [frame.pixels.shape for frame in ExampleFrames(root).blank(example)]
    assert sizes == [image.shape for image in episode.images]
    assert len({frame.key for frame in again}) == 6  # nothing cached for one is taken for another


def test_a_callable_detector_sees_the_frames(root):
    def brightest(path, frames, pictures):
        assert path == "clip.mp4"
        assert [picture.shape for picture in pictures] == [(HEIGHT, WIDTH, 3)] * len(frames)
        return [[Detection(f"of {index}", 1.0, 0, 0, WIDTH / 2, HEIGHT)] for index in frames]

    register_detector("brightest", brightest)
    shown = settings(tools=("detect",), tool_options={"detect": {"detector": "brightest"}})
    episode = played(root, shown, ("detect", {"frame_range": [5, 7]}))
    assert "frame 6: of 6 1.00 [0, 0, 500, 1000]" in episode.turns[-1].text


@pytest.mark.parametrize(
    ("detector", "kind", "words"),
    [
        (lambda *_: 1 / 0, "tool", "ZeroDivisionError"),
        (lambda *_: [], "tool", "answered for 0 of"),
        (lambda *_: (_ for _ in ()).throw(TimeoutError("slow")), "timeout", "slow"),
    ],
)
def test_a_detector_that_breaks_is_a_fault_and_masked(root, detector, kind, words):
    register_detector("broken", detector)
    shown = settings(tools=("detect",), tool_options={"detect": {"detector": "broken"}})
    episode = played(root, shown, ("detect", {"frame_range": [5, 9]}))
    assert (episode.status, episode.fault.kind) == (Status.FAULT, kind)
    assert words in episode.fault.message
    assert rollout_text(TASK, episode.trajectory()).masked


def test_a_video_the_file_does_not_know_is_a_fault_not_the_models_doing(root, tmp_path):
    path = tmp_path / "none.jsonl"
    path.write_text(json.dumps(FrameDetections("x.mp4", 0, 1, 1, ()).to_json()) + "\n")
    episode = played(root, with_detections(path), ("detect", {"frame_range": [5, 9]}))
    assert episode.fault.kind == "tool"
    assert "'clip.mp4'" in episode.fault.message


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "deepsport.detections/9"}, {"frame": -1}, {"width": 0},
        {"found": [{"label": "a", "score": 2, "box": [0, 0, 1, 1]}]},
        {"found": [{"label": "a", "score": 0.5, "box": [3, 0, 1, 1]}]},
        {"found": [{"label": "a", "score": 0.5, "box": [0, 0, 1]}]},
        {"found": [{"label": "a", "score": float("nan"), "box": [0, 0, 1, 1]}]},
    ],
)  # fmt: skip
def test_records_of_detections_that_are_none_are_refused(change):
    good = FrameDetections("a.mp4", 0, 8, 8, ()).to_json()
    assert FrameDetections.from_json(good).found == ()
    with pytest.raises(RecordFormatError):
        FrameDetections.from_json({**good, **change})


# --- tools of others ------------------------------------------------------------------------------


class Clock:
    """A tool of somebody else: tells the time of a frame and shows it."""

    action = Action(
        "clock", "Tell when a frame is shown.", (Argument("frame", ArgumentKind.INTEGER),), {"frame": 7}
    )  # fmt: skip

    def use(self, call, scene):
        index = call.arguments["frame"]
        if index < 0:
            return Finding("No <image> before the first.", verdict=Reason.CALL_REFUSED)
        return Finding(
            f"{scene.pts_seconds[index]:.2f} s", (scene.frame(index),), (index, index + 1)
        )


def test_a_tool_of_others_comes_through_the_same_door(root):
    register_tool("clock", lambda tool_settings, options: Clock())
    shown = settings(tools=("choose_frames", "clock"))
    episode = played(root, shown, ("clock", {"frame": 50}), ("clock", {"frame": -1}))
    assert [turn.call.verdict for turn in episode.turns if turn.call] == ["ok", "call_refused"]
    assert "2.00 s\nframe 50: <image>" in episode.turns[3].text
    assert "(image)" in episode.turns[-1].text
    assert "- clock: " in system_text(shown)
    episode.observe(say(shown, "clock", {"frame": 5000}))  # its own bug: IndexError
    assert episode.fault.kind == "tool"
    assert "IndexError" in episode.fault.message


@pytest.mark.parametrize(
    "change",
    [
        {"tools": ("nobody",)}, {"tools": ()}, {"tools": ("zoom", "zoom")},
        {"tool_options": {"detect": {}}}, {"tool_options": {"zoom": {"speed": 1}}},
        {"tools": ("detect",), "tool_options": {"detect": {}}},
        {"tool_options": {"zoom": {"max_share": 0}}}, {"max_frames": 0},
    ],
)  # fmt: skip
def test_tools_that_cannot_be_are_refused_at_once(change):
    with pytest.raises(SettingsError, match=r"valid|known|among"):
        tool_actions(settings(**change))


def test_a_built_in_tool_cannot_be_replaced():
    with pytest.raises(SettingsError, match="built in"):
        register_tool("zoom", lambda *_: Clock())


def test_settings_are_the_same_after_a_file():
    before = settings(
        unit=WindowUnit.SECONDS, max_frames=9, tool_options={"zoom": {"max_share": 0.5}}
    )
    assert ToolSettings.from_json(json.loads(json.dumps(before.to_json()))) == before
    old = {"first_frames": 8, "form": "native"}  # of a time when there was one tool
    assert ToolSettings.from_json(old).tools == ("choose_frames",)


# --- records and rewards --------------------------------------------------------------------------


def test_trajectories_of_version_1_are_read(root):
    episode = played(root, settings(), ("choose_frames", {"frame_range": [10, 30]}))
    episode.observe(ANSWER)
    record = episode.trajectory().to_json()
    assert record["schema"] == "deepsport.trajectory/2"
    record["schema"] = "deepsport.trajectory/1"
    for turn in record["turns"]:
        for frame in turn["frames"]:
            del frame["region"], frame["boxes"]
        if turn["call"]:
            del turn["call"]["verdict"]
    old = Trajectory.from_json(record)
    assert old.frames_shown == episode.trajectory().frames_shown
    assert rollout_text(TASK, old).verdicts == ()
    assert score_rollouts([rollout_text(TASK, old, frame_count=FRAMES)]).total[0] == 1.5


def reading(tool_settings):
    return RewardSettings(actions=tool_actions(tool_settings), unit=tool_settings.unit)


def test_rewards_take_what_the_environment_said_to_every_tool(root):
    zoom = ("zoom", {"frame": 3, "region": [100, 100, 500, 500]})
    seconds = settings(unit=WindowUnit.SECONDS)
    cases = [
        (settings(), [zoom], 0, 1.5),
        (settings(), [zoom, zoom], int(Reason.CALL_REPEATED), -0.05),
        (settings(max_calls=1), [zoom, ("choose_frames", {"frame_range": [1, 9]})], 0, 1.5),
        (seconds, [("choose_frames", {"frame_range": [1.0, 1.5]})], 0, 1.5),
        (seconds, [("choose_frames", {"frame_range": [1.0, 1.5]})] * 2, 34, -0.05),
    ]
    for tool_settings, calls, reason, total in cases:
        episode = played(root, tool_settings, *calls)
        episode.observe(ANSWER)
        item = rollout_text(TASK, episode.trajectory(), frame_count=FRAMES, evidence=((0, 50),))
        parts = score_rollouts([item], settings=reading(tool_settings))
        assert parts.reason[0] == reason
        assert parts.total[0] == total
        assert parts.text_reason[0] == 0
        assert parts.window_hit[0]


def test_a_teachers_native_call_becomes_the_students_text():
    reply = Completion(
        "", "Look there.",
        (
            CallRequest("1", "zoom", '{"frame": 4, "region": [1, 2, 300, 400]}'),
            CallRequest("2", "choose_frames", '{"start_seconds": 1, "end_seconds": 2.5}'),
        ),
    )  # fmt: skip
    paper = settings(unit=WindowUnit.SECONDS)
    texts = turn_texts(reply, dataclasses.replace(paper), "tools")
    assert '{"action":"zoom","frame":4,"region":[1,2,300,400]}' in texts[0]
    assert '{"action":"choose_frames","time_range":[1,2.5]}' in texts[1]


# --- agents ---------------------------------------------------------------------------------------


def test_agents_zoom_and_ask_the_detector_through_the_service(root, detections):
    service = FrameService([root], detections=detections)
    shown = service.run("zoom", {"video": "clip.mp4", "frame": 42, "region": [0, 0, 1000, 1000]})
    assert shown.images[0].shape == (120, 160, 3)
    assert "larger than 25%" in shown.text
    told = service.run("detect", {"video": "clip.mp4", "start_frame": 40, "end_frame": 44})
    assert "player 0.90" in told.text
    assert told.images == ()
    assert service.ledger.left(None)[1] == 999
    plain = FrameService([root])
    with pytest.raises(deepsport.errors.InvalidRequestError, match="no tool 'detect'"):
        plain.run("detect", {"video": "clip.mp4", "start_frame": 1, "end_frame": 2})
    for bad in ({"frame": 500, "region": [0, 0, 9, 9]}, {"frame": 1, "region": [1]}, {"frame": 1}):
        with pytest.raises(deepsport.errors.InvalidRequestError):
            plain.run("zoom", {"video": "clip.mp4", **bad})
