"""Trajectories and their append-only store: identity, resume, half-written lines."""

from __future__ import annotations

import dataclasses
import json
import logging

import pytest

from deepsport.errors import RecordFormatError
from deepsport.trajectory import (
    CallRecord,
    Fault,
    FrameRef,
    Status,
    Trajectory,
    TrajectoryStore,
    Turn,
    read_trajectories,
)

LOOKED = Trajectory(
    task_id="t1",
    task_hash="ab",
    policy="scripted",
    attempt=0,
    turns=(
        Turn("system", "Look."),
        Turn("user", "0: <image>\nWho?", (FrameRef(0, 0.0),)),
        Turn("assistant", "look", call=CallRecord("choose_frames", {"a": [1, 9]}, window=(1, 9))),
        Turn("tool", "3: <image>\n5: <image>", (FrameRef(3, 0.1), FrameRef(5, 0.2))),
        Turn("assistant", "again", call=CallRecord("choose_frames", {}, rejected="outside")),
        Turn("tool", "outside"),
        Turn("assistant", "A"),
    ),
    status=Status.ANSWERED,
    answer="A",
)


def test_writing_and_reading_is_identity(tmp_path):
    failed = dataclasses.replace(
        LOOKED, attempt=1, status=Status.FAULT, answer=None, fault=Fault("decode", "damaged")
    )
    with TrajectoryStore(tmp_path / "t.jsonl") as store:
        store.append(LOOKED)
        store.append(failed)
    assert list(read_trajectories(tmp_path / "t.jsonl")) == [LOOKED, failed]


def test_windows_are_those_really_looked_at():
    assert LOOKED.windows == ((1, 9),)
    assert [f.index for f in LOOKED.frames_shown] == [0, 3, 5]
    assert LOOKED.replies == ("look", "again", "A")


def test_an_image_mark_without_a_frame_is_refused():
    with pytest.raises(RecordFormatError, match="1 <image> marks and 0 frames"):
        Turn("user", "see <image>")


def test_a_model_may_write_the_mark_without_showing_a_frame():
    assert Turn("assistant", "I saw <image>").frames == ()


def test_a_half_written_line_is_cut_off_and_the_rest_kept(tmp_path, caplog):
    path = tmp_path / "t.jsonl"
    with TrajectoryStore(path) as store:
        store.append(LOOKED)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    with caplog.at_level(logging.WARNING), TrajectoryStore(path) as store:
        assert store.done == {("t1", 0)}
        store.append(dataclasses.replace(LOOKED, attempt=1))
    assert "half-written" in caplog.text
    assert [t.attempt for t in read_trajectories(path)] == [0, 1]


def test_a_file_that_is_one_half_line_becomes_empty(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"schema": "deepsp')
    with TrajectoryStore(path) as store:
        assert store.done == set()
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    "record",
    [{}, {"schema": "deepsport.trajectory/2"}, {**LOOKED.to_json(), "status": "bored"},
     {**LOOKED.to_json(), "turns": [{"role": "user"}]}, {**LOOKED.to_json(), "more": 1}],
)  # fmt: skip
def test_a_record_of_another_shape_is_a_typed_error(record, tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(record) + "\n")
    with pytest.raises(RecordFormatError, match="line 1"):
        list(read_trajectories(path))


def test_a_record_is_what_dataclasses_make_of_it():
    call = CallRecord("choose_frames", {"frame_range": [1, 9], "more": {"a": (1, 2)}}, (1, 9))
    turns = (
        Turn("user", "<image>", (FrameRef(3, 0.12, region=(0, 1, 2, 3)),)),
        Turn("assistant", "look", call=call),
    )
    record = Trajectory(
        "t", "h", "p", 0, turns, Status.FAULT, fault=Fault("decode", "gone"),
        settings={"tool": {"max_calls": 1}}, usage={"decode_seconds": 0.5},
    )  # fmt: skip
    expected = dataclasses.asdict(record)
    assert {k: v for k, v in record.to_json().items() if k != "schema"} == expected
