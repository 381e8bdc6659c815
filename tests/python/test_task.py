"""The task record: what it accepts, refuses, hashes and writes."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsport.errors import RecordFormatError
from deepsport.task import (
    Dimension,
    Kind,
    Media,
    Native,
    Span,
    Task,
    Truth,
    read_tasks,
    write_tasks,
)

WHO = Task(
    task_id="demo:1",
    kind=Kind.CHOICE,
    question="Which team scored?",
    truth=Truth(labels=("B",)),
    media=(Media("a/match.mp4", sha256="00"),),
    options=("red", "blue"),
    evidence=(Span(3.0, 4.5, "goal"),),
    group="match-1",
    provenance={"file": "a.json", "row": 3},
)

text = st.text(st.characters(exclude_categories=("Cs",)), min_size=1).filter(str.strip)


@given(question=text, references=st.lists(text, min_size=1), group=st.text(max_size=5))
def test_writing_and_reading_a_text_task_is_identity(question, references, group):
    task = Task(
        "t",
        Kind.TEXT,
        question,
        Truth(references=tuple(references)),
        (Media("v.mp4"),),
        group=group,
    )
    assert Task.from_json(json.loads(json.dumps(task.to_json()))) == task


@given(value=st.floats(-1e9, 1e9), tolerance=st.floats(0, 1e6))
def test_writing_and_reading_a_number_is_identity(value, tolerance):
    truth = Truth(value=value, tolerance=tolerance, unit="s")
    task = Task("t", Kind.NUMBER, "When?", truth, (Media("v.mp4"),))
    assert Task.from_json(json.loads(json.dumps(task.to_json()))) == task


def test_a_full_record_survives_a_file(tmp_path):
    assert write_tasks(tmp_path / "tasks.jsonl", [WHO, WHO]) == 2
    assert list(read_tasks(tmp_path / "tasks.jsonl")) == [WHO, WHO]


def test_the_hash_covers_content_and_not_where_it_came_from():
    elsewhere = dataclasses.replace(WHO, task_id="x", split="test", provenance={})
    assert elsewhere.content_hash == WHO.content_hash
    assert dataclasses.replace(WHO, options=("red", "green")).content_hash != WHO.content_hash


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"question": "  "}, "question is empty"),
        ({"media": ()}, "at least one video"),
        ({"truth": Truth(labels=("C",))}, "valid are"),
        ({"truth": Truth(labels=("A", "B"))}, "valid is 1"),
        ({"options": ("only",)}, "valid are 2..26"),
        ({"evidence": (Span(5.0, 4.0),)}, "ends before it starts"),
        ({"evidence": (Span(float("nan"), 4.0),)}, "not finite"),
        ({"kind": Kind.YES_NO, "truth": Truth(labels=("maybe",))}, "'yes'"),
        ({"kind": Kind.NUMBER, "truth": Truth()}, "not a finite number"),
        ({"kind": Kind.TEXT, "truth": Truth()}, "without references"),
    ],
)
def test_a_task_that_cannot_be_scored_is_refused(change, words):
    with pytest.raises(RecordFormatError, match="demo:1") as error:
        dataclasses.replace(WHO, **change)
    assert words in str(error.value)


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        {},
        {"schema": "deepsport.task/99"},
        {"schema": "deepsport.task/1"},
        {**WHO.to_json(), "colour": 1},
        {**WHO.to_json(), "kind": "riddle"},
        {**WHO.to_json(), "truth": 3},
        {**WHO.to_json(), "media": [{"file": "x"}]},
        {**WHO.to_json(), "evidence": [{"start_seconds": "soon", "stop_seconds": 1}]},
    ],
)
def test_a_record_of_another_shape_is_a_typed_error(record):
    with pytest.raises(RecordFormatError):
        Task.from_json(record)


def test_a_broken_line_is_named_with_its_file_and_number(tmp_path):
    path = tmp_path / "tasks.jsonl"
    path.write_text(json.dumps(WHO.to_json()) + "\n{half")
    with pytest.raises(RecordFormatError, match="line 2"):
        list(read_tasks(path))


def test_every_field_set_survives_a_round_trip():
    task = dataclasses.replace(
        WHO,
        kind=Kind.FEEDBACK,
        truth=Truth(
            labels=("A", "B"),
            value=0.0,
            tolerance=0.5,
            unit="s",
            scale=(0.0, 10.0),
            spans=(Span(1.0, 2.0, "x"),),
            references=("one", "two"),
            native=Native((25.0, "0:02"), "frame", 25.0, fps_assumed=True),
        ),
        media=(Media("a.mp4", view="left", replay_speed=4.2), Media("frames", form="frames")),
        split="test",
        sport="soccer",
        source="demo",
        family="goals",
        difficulty="hard",
        dimension=Dimension.COACHING,
        also_in=("match-2",),
    )
    for name in (field.name for field in dataclasses.fields(Task)):
        assert getattr(task, name) != (), name
    assert Task.from_json(json.loads(json.dumps(task.to_json()))) == task


def test_json_of_a_task_names_all_fields_of_its_classes():
    record = Task(
        "t",
        Kind.FEEDBACK,
        "q",
        Truth(
            labels=("A",),
            value=1.0,
            tolerance=1.0,
            unit="s",
            scale=(0.0, 1.0),
            spans=(Span(0.0, 1.0),),
            references=("r",),
            native=Native((1.0,), "frame"),
        ),
        (Media("m", form="frames"),),
        ("o", "p"),
        (Span(0.0, 1.0),),
        *("x",) * 6,
        Dimension.RULES,
        ("g",),
        {"file": "f"},
    ).to_json()

    def names(kind):
        return {field.name for field in dataclasses.fields(kind)}

    assert record.keys() == names(Task) | {"schema"}
    assert record["truth"].keys() == names(Truth)
    assert record["truth"]["native"].keys() == names(Native)
    assert record["media"][0].keys() == names(Media)
    assert record["evidence"][0].keys() == names(Span)


def test_the_hash_of_a_record_of_the_first_version_stays():
    # sha256sum of the canonical JSON, written by hand from the record of version 1
    text = (
        '{"evidence":[{"label":"goal","start_seconds":3.0,"stop_seconds":4.5}],"group":"match-1",'
        '"kind":"choice","media":[{"path":"a/match.mp4","replay_speed":1.0,"sha256":"00",'
        '"view":""}],"options":["red","blue"],"question":"Which team scored?",'
        '"schema":"deepsport.task/1","truth":{"labels":["B"]}}'
    )
    assert WHO.content_hash == hashlib.sha256(text.encode()).hexdigest()
