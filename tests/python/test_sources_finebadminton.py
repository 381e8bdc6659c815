"""FineBadminton: real questions beside real clips, and rows that are not as documented."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from deepsport.errors import SettingsError, SourceFormatError
from deepsport.sources import finebadminton
from deepsport.task import Dimension, Kind
from material import clips

ROW = {
    "video_id": "0007.mp4",
    "start_frame": 10,
    "end_frame": 19,
    "duration": "short",
    "spatial": "count",
    "temporal": "hitting count",
    "question": {"question_en": "How many hits?", "question_zh": "几次击球？"},
    "options_en": ["A. 1", "B. 2", "C. 3"],
    "options_zh": ["A. 1", "B. 2", "C. 3"],
    "answer": "B",
    "question_id": "HITTING COUNT_0007.mp4_10_19_1",
}


def _write(folder, *rows):
    (folder / "questions.json").write_text(json.dumps(rows), encoding="utf-8")
    return folder


def test_all_real_questions_become_choices_about_clips_that_exist():
    folder = clips("finebadminton")
    tasks = finebadminton.load(folder)
    # jq '.[].answer' questions.json | sort | uniq -c, and the same for .temporal
    assert Counter(t.truth.labels[0] for t in tasks) == {"A": 8, "B": 4, "C": 2, "D": 3}
    assert Counter(t.family for t in tasks)["round comment"] == 2
    assert len({t.family for t in tasks}) == 11
    assert len(tasks) == 17
    assert all((folder / t.media[0].path).is_file() for t in tasks)
    assert all(t.kind is Kind.CHOICE and len(t.options) == 4 for t in tasks)


def test_the_two_languages_have_the_same_answers():
    folder = clips("finebadminton")
    english, chinese = finebadminton.load(folder), finebadminton.load(folder, language="zh")
    assert [t.truth for t in english] == [t.truth for t in chinese]
    assert not {t.question for t in english} & {t.question for t in chinese}


def test_letters_are_taken_off_the_options_and_the_match_video_is_the_group(tmp_path):
    (task,) = finebadminton.load(_write(tmp_path, ROW))
    assert task.options == ("1", "2", "3")
    assert task.media[0].path == "HITTING_COUNT_0007.mp4_10_19_1.mp4"
    assert task.group == "finebadminton/0007"
    assert task.dimension is Dimension.RECOGNITION
    assert task.provenance["source_frames"] == [10, 19]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"answer": "E"}, "RecordFormatError"),
        ({"answer": None}, "RecordFormatError"),
        ({"options_en": ["A. 1", "C. 2"]}, "option without its letter"),
        ({"options_en": None}, "wrong type of a field"),
        ({"question_id": "../../etc/passwd"}, "UnsafePathError"),
        ({"question_id": "/etc/passwd"}, "UnsafePathError"),
        ({"question": {}}, "missing field"),
    ],
)
def test_a_row_of_another_shape_is_counted_with_its_reason(tmp_path, change, reason):
    with pytest.raises(SourceFormatError, match=f"none of 1 rows .*1 x {reason}"):
        finebadminton.load(_write(tmp_path, {**ROW, **change}))


def test_one_bad_row_does_not_take_the_good_ones_with_it(tmp_path):
    assert len(finebadminton.load(_write(tmp_path, {"answer": "A"}, ROW, [], 3, None))) == 1


def test_an_unknown_setting_or_a_missing_file_says_what_would_be_valid(tmp_path):
    with pytest.raises(SourceFormatError, match=r"questions\.json"):
        finebadminton.load(tmp_path)
    from deepsport.sources.unify import load_source

    with pytest.raises(SettingsError, match="valid: language"):
        load_source(finebadminton.SOURCE, _write(tmp_path, ROW), lang="en")
