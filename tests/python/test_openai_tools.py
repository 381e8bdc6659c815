"""The function schemas and the answers to tool calls of the chat completions protocol."""

from __future__ import annotations

import base64
import io
import json

import pytest

from deepsport.errors import InvalidRequestError
from deepsport.integrations.frame_service import FrameService
from deepsport.integrations.openai_tools import answer_tool_calls, tool_schemas


@pytest.fixture
def service(tmp_path, made_clip):
    (tmp_path / "a.mp4").write_bytes(made_clip("h264-b-pyramid").read_bytes())
    return FrameService([tmp_path])


def call(name, arguments, number=1):
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": f"c{number}", "type": "function", "function": {"name": name, "arguments": text}}


def test_strict_schemas_require_every_argument_and_allow_no_other():
    for schema in tool_schemas(strict=True):
        parameters = schema["function"]["parameters"]
        assert parameters["required"] == list(parameters["properties"])
        assert parameters["additionalProperties"] is False
        assert schema["function"]["strict"] is True


def test_the_openai_package_takes_the_schemas():
    openai = pytest.importorskip("openai")
    from pydantic import TypeAdapter

    adapter = TypeAdapter(list[openai.types.chat.ChatCompletionFunctionToolParam])
    assert adapter.validate_python(tool_schemas(strict=True))


def test_images_follow_all_tool_messages_in_one_user_message(service):
    pil = pytest.importorskip("PIL.Image")
    calls = [
        call("frames_at", {"video": "a.mp4", "frames": [3]}, 1),
        call(
            "choose_frames",
            {"video": "a.mp4", "start_frame": 0, "end_frame": 9, "num_frames": 2},
            2,
        ),
    ]
    messages = answer_tool_calls(service, calls)
    assert [m["role"] for m in messages] == ["tool", "tool", "user"]
    assert [m.get("tool_call_id") for m in messages[:2]] == ["c1", "c2"]
    labels = [p["text"] for p in messages[2]["content"] if p["type"] == "text"]
    assert labels == ["frame 3 at 0.120 s:", "frame 1 at 0.040 s:", "frame 8 at 0.320 s:"]
    address = messages[2]["content"][1]["image_url"]["url"]
    picture = pil.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    assert picture.size == (192, 108)


def test_images_inside_the_tool_message_where_the_server_takes_them(service):
    [message] = answer_tool_calls(
        service, [call("frames_at", {"video": "a.mp4", "frames": [3]})], images_in="tool"
    )
    assert [part["type"] for part in message["content"]] == ["text", "text", "image_url"]


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("frames_at", "{", "Expecting"),
        ("frames_at", "[1]", "not an object"),
        ("frames_at", {"video": "a.mp4", "frames": [99]}, "99"),
        ("frames_at", {"video": "a.mp4", "frames": ["x"]}, "whole number"),
        ("frames_at", {"video": 7, "frames": [1]}, "valid is a path"),
        ("frames_at", {"video": "a.mp4", "frames": 3}, "arguments of frames_at"),
        ("frames_at", {"video": "a.mp4", "seconds": ["x"]}, "arguments of frames_at"),
        ("choose_frames", {"video": "a.mp4"}, "start_frame"),
        ("choose_frames", {"video": "a.mp4", "start_frame": "x", "end_frame": 3}, "arguments of"),
        ("delete_files", {}, "no tool 'delete_files'"),
    ],
)
def test_what_a_model_gets_wrong_is_told_to_it(service, name, arguments, why):
    [message] = answer_tool_calls(service, [call(name, arguments)])
    assert message["content"].startswith("error: ")
    assert why in message["content"]


def test_null_arguments_of_strict_schemas_mean_not_given(service):
    arguments = {"video": "a.mp4", "frames": None, "seconds": [0.0]}
    [message, _] = answer_tool_calls(service, [call("frames_at", arguments)])
    assert "frame 0 at 0.000 s" in message["content"]


def test_video_info_answers_in_text(service):
    [message] = answer_tool_calls(service, [call("video_info", {"video": "a.mp4"})])
    assert json.loads(message["content"])["frame_count"] == 50


def test_an_unknown_place_for_images_is_refused(service):
    with pytest.raises(InvalidRequestError, match="valid are 'user' and 'tool'"):
        answer_tool_calls(service, [], images_in="system")
