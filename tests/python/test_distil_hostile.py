"""Whatever a teacher writes, an attempt goes on or ends; nothing is raised, nothing cannot be stored."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepsport.distil.conversation import Conversation
from deepsport.distil.frame_pool import FramePool
from deepsport.distil.request import CallRequest, Completion
from deepsport.distil.settings import DistilSettings, TeacherSettings
from deepsport.tool import ToolSettings
from deepsport.trajectory import Trajectory, TrajectoryStore, read_trajectories
from fake_teacher import FakeTeacher, Say
from flat_videos import FlatVideos
from test_distil_engine import make_tasks, only, run

POOL = FramePool(FlatVideos(), 1)

pieces = st.sampled_from(
    [
        "<think>", "</think>", "<answer>", "</answer>", "<tool_call>", "</tool_call>", "B", "<image>",
        '{"action":"choose_frames","frame_range":[10,30]}', '{"action":"zoom"}', "{", "\x00", "球", "",
        '{"name":"choose_frames","arguments":{"start_frame":50,"end_frame":70}}', " ", "\n",
    ]
)  # fmt: skip
texts = st.lists(pieces | st.text(max_size=8), max_size=8).map("".join)
arguments = st.one_of(
    st.builds(
        lambda a, b: json.dumps({"start_frame": a, "end_frame": b}),
        st.integers() | st.integers(0, 99),
        st.integers() | st.integers(0, 99),
    ),
    st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists).map(json.dumps),
    texts,
)
calls = st.lists(
    st.builds(CallRequest, st.just("c"), st.sampled_from(["choose_frames", "zoom", ""]), arguments),
    max_size=3,
).map(tuple)
replies = st.builds(
    Completion, texts, texts, calls, st.sampled_from(["stop", "length", "tool_calls", "other"])
)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(replies, min_size=1, max_size=12),
    st.sampled_from(["text", "tools"]),
    st.sampled_from(["user", "tool"]),
    st.sampled_from(["paper", "native"]),
    st.booleans(),
)
def test_any_replies_are_played_to_a_record_that_can_be_stored(said, protocol, mode, form, think):
    tool = ToolSettings.from_json({"form": form, "require_think": think, "max_calls": 3})
    teacher = TeacherSettings("http://h/v1", "m", protocol=protocol, tool_image_mode=mode)
    talk = Conversation(make_tasks(1)[0], POOL, DistilSettings(teacher, tool))
    for reply in said:
        request = talk.request()
        assert len(request.key) == 64
        messages = json.loads(json.dumps(request.body()))["messages"]
        # every call of the assistant is answered, once and before anything else is said
        waiting: list[str] = []
        for message in messages:
            if message["role"] == "tool":
                waiting.remove(message["tool_call_id"])
            else:
                assert not waiting
            waiting += [call["id"] for call in message.get("tool_calls", ())]
        talk.accept(reply)
        if talk.done:
            break
    if talk.done:
        record = talk.trajectory()
        assert Trajectory.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_a_lone_surrogate_is_replaced_before_it_can_spoil_a_file(tmp_path):
    pytest.importorskip("openai", reason="the extra [distil] is not installed")
    with FakeTeacher(
        lambda asked: Say("<think>\ud800 bad</think><answer>B\udfff</answer>")
    ) as server:
        t = only(run(server, tmp_path))
    assert t.answer == "B?"
    with TrajectoryStore(tmp_path / "t.jsonl") as store:
        store.append(t)
    assert list(read_trajectories(tmp_path / "t.jsonl")) == [t]
