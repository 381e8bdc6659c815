"""Adapters whose files cannot be had here: minimal examples written after their documentation."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from deepsport.errors import SourceFormatError
from deepsport.sources import PAPER, find_source, source_names
from deepsport.sources.files import Root
from deepsport.sources.osl import export_osl
from deepsport.sources.unify import fill_settings, make_context, unify_rows
from deepsport.task import Kind, Media, Native, Span, Task, Truth


def write(folder, files):
    for name, value in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return folder


def unified(name, folder, **given):
    source = find_source(name)
    settings = fill_settings(source, given)
    rows = list(source.read(Root(folder), settings))
    return unify_rows(source, rows, make_context(source, rows, settings))


def right(task):
    return [task.options[ord(letter) - 65] for letter in task.truth.labels]


MATCH = "england_epl_2014-2015/2015-02-21 - 18-00 Chelsea 1 - 1 Burnley"


def test_every_source_has_a_card_that_says_what_a_user_needs():
    for name in source_names():
        source = find_source(name)
        assert source.name == name
        assert source.title and source.licence and source.access and source.layout and source.kinds
        assert source.checked in ("real files", "documentation")


def test_soccerbench_keys_become_letters_and_matches_groups(tmp_path):
    video = f"materials/q9/SoccerReplay-1988/{MATCH}/2_19_01.mp4"
    row = {"Q": "Which action is this?", "materials": [video], "O1": "Corner", "O2": "Goal",
           "O3": "Foul", "O4": "Throw in", "O5": "Penalty", "openA": "Goal", "closeA": "O2"}  # fmt: skip
    done = unified("soccerbench", write(tmp_path, {
        "qa/q9.json": [row, {**row, "materials": None}, {**row, "materials": ["a.png"]},
                       {**row, "closeA": "O9"}, {"id": 1, "Answer": "O3"},
                       {**row, "materials": ["../../x.mp4"]}],
        "qa/q14.json": [{**row, "materials": [f"m/{MATCH}/a.mp4", "m/2016-01-01 - A 1 - 0 B/b.mp4"]}],
    }))  # fmt: skip
    assert len(done.tasks) == 2
    assert done.rejections == {
        "no video: text-only question": 1, "no video: question about images": 1,
        "answer not among the options": 1, "no question: an answer sheet or a submission": 1,
        "UnsafePathError": 1,
    }  # fmt: skip
    two, one = done.tasks
    assert right(one) == ["Goal"]
    assert len(one.options) == 5
    assert one.group == "soccer/2015-02-21 burnley chelsea"
    assert (len(two.media), two.also_in) == (2, ("soccer/2016-01-01 a b",))


def test_soccerreplay_raw_match_files_give_clips_of_the_same_match(tmp_path):
    event = {"half": 1, "time_stamp": "19:01", "comments_type": "foul (no card)",
             "comments_text": "Kane fouls.", "comments_text_anonymized": "[PLAYER] fouls."}  # fmt: skip
    other = {**event, "time_stamp": "03:20", "comments_type": "corner"}
    bad = {**event, "time_stamp": "half past"}
    unknown = {**event, "comments_type": "streaker"}
    summary = {**event, "comments_type": "statistics and summary"}
    done = unified("soccerreplay", write(tmp_path, {
        f"{MATCH}/match.json": {"event_descriptions": [event, other, bad, unknown, summary]}
    }))  # fmt: skip
    assert done.rejections["row cannot be parsed"] == 1
    assert done.rejections["unknown label"] == 1
    assert done.rejections["label its authors leave out"] == 1
    first = done.tasks[0]
    assert first.media[0].path == f"{MATCH}/1_19_01.mp4"
    assert right(first) == ["foul without a card"]
    assert first.group == "soccer/2015-02-21 burnley chelsea"


def test_xfoul_answers_to_one_question_become_references_and_views_come_from_mvfoul(tmp_path):
    clip = {"Url": "Dataset/Train/action_12/clip_0", "Camera type": "Main", "Replay speed": 1.0}
    done = unified("xfoul", write(tmp_path, {
        "Train/annotations.json": {"Set": "train", "Actions": {"12": {
            "UrlLocal": "england_epl\\2014-2015\\2015-02-21 - 18-00 Chelsea 1 - 1 Burnley",
            "Clips": [clip, {**clip, "Url": "Dataset/Train/action_12/clip_1", "Replay speed": 3.0}]}}},
        "XFoul_train.json": [
            {"question": "Is it a foul?", "answer": "Yes, he is late.", "path": "Train/action_12"},
            {"question": "Is it a foul?", "answer": "Yes, clearly.", "path": "Train/action_12"},
            {"question": "Which card?", "answer": "Yellow.", "path": "Train/action_99"},
            {"question": "Which card?", "answer": "", "path": "Train/action_98"},
            {"question": "Which card?", "answer": "x", "path": "../action_98"},
            {"question": "Which card?"},
        ]}))  # fmt: skip
    assert done.rows == 5
    known, unknown = done.tasks
    assert known.truth.references == ("Yes, he is late.", "Yes, clearly.")
    assert [m.path for m in known.media] == [f"Train/action_12/clip_{i}.mp4" for i in (0, 1)]
    assert known.group == "soccer/2015-02-21 burnley chelsea"
    assert (unknown.media[0].path, unknown.group) == (
        "Train/action_99/clip_0.mp4", "xfoul/Train/action_99")  # fmt: skip
    assert known.split == unknown.split == "train"
    assert done.rejections == {
        "no answer": 1, "row cannot be parsed": 1, "UnsafePathError": 1,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["facts-fencing", "facts-boxing", "class-folders"])
def test_class_folders_name_what_their_clips_show(name, tmp_path):
    classes = ["jab", "left_hook", "RightUppercut", "cross"]
    for label in classes:
        for i in range(10):
            split = "train" if i < 8 else "test"
            write(tmp_path, {f"{split}/{label}/bout{i % 3}_{i}.mp4": "x"})
    write(tmp_path, {"stray.mp4": "x"})
    done = unified(name, tmp_path, group=r"bout\d+")
    assert len(done.tasks) == 40
    assert done.rejections == {"clip in no class folder": 1}
    assert Counter(right(t)[0] for t in done.tasks) == dict.fromkeys(
        ["jab", "left hook", "right uppercut", "cross"], 10
    )
    assert {t.group for t in done.tasks} == {f"{name}/bout{i}" for i in range(3)}
    assert Counter(t.split for t in done.tasks) == {"train": 32, "test": 8}


def _comment(key, start=1.0, end=2.0, text="Bend it."):
    return {"start": start, "end": end, "suggestion_key": key, "suggestion_type": "position",
            "comment_en": text, "stroke_index": 3}  # fmt: skip


def test_t3set_joins_two_coaches_and_overlapping_moments(tmp_path):
    folder = "p01/topspin/round_00"
    files = {
        f"{folder}/coach_suggestions/summary_suggestions/coach_comment_1.json":
            [_comment("right_wrist"), _comment("others")],
        f"{folder}/coach_suggestions/summary_suggestions/coach_comment_2.json":
            [_comment("left knee", text="Lower the knee.")],
        f"{folder}/coach_suggestions/live_comments/coach_comment_1.json":
            [_comment("waist", 3.0, 5.0), _comment("left_foot", 4.0, 6.0), _comment("waist", 9, 8)],
        f"{folder}/coach_suggestions/live_comments/coach_comment_2.json":
            [_comment("right_wrist", 10.0, 11.5), {"suggestion_key": "waist"}],
        f"{folder}/video/right/a.mp4": "x",
        f"{folder}/video/remote/b.mp4": "x",
        "p02/push/round_00/summary_suggestions/coach_comment_1.json": [_comment("others", text="")],
    }  # fmt: skip
    done = unified("t3set", write(tmp_path, files))
    by = {(t.family, t.task_id): t for t in done.tasks}
    whole = next(t for (family, _), t in by.items() if family == "aspects to correct")
    assert whole.kind is Kind.FEEDBACK
    assert sorted(right(whole)) == ["left knee", "right wrist"]
    assert len(whole.options) == 24
    assert [m.view for m in whole.media] == ["remote", "right"]
    advice = next(t for t in done.tasks if t.family == "advice")
    assert advice.truth.references == ("Bend it. Bend it.", "Lower the knee.")
    moments = [t for t in done.tasks if t.family == "aspects in a moment"]
    assert [(t.evidence[0].start_seconds, t.evidence[0].stop_seconds, sorted(right(t)))
            for t in moments] == [
        (3.0, 6.0, ["left foot", "waist"]), (10.0, 11.5, ["right wrist"]),
    ]  # fmt: skip
    assert moments[0].truth.native == Native((3.0, 6.0), "s")
    assert done.rejections["live comment ends before it starts"] == 1
    assert done.rejections["live comment without its time"] == 1
    assert done.rejections["no aspect named by a coach"] == 1
    assert {t.group for t in done.tasks} == {"t3set/p01", "t3set/p02"}


SPORTS_QA = [
    {"video": "basketball/v_a_c001", "question": "Who?", "answer": "the player in white",
     "type": "Causal"},
    {"video": "fg/v_b_c002", "question": "How many?", "answer": "three", "type": "Descriptive"},
    {"video": "fg/v_b_c003.avi", "question": "Did it?", "answer": "no", "type": "Temporal"},
    {"video": "curling/v_d", "question": "Did it?", "answer": "no", "type": "Temporal"},
]  # fmt: skip


@pytest.mark.parametrize("form", ["files", "zip"])
def test_sportsqa_reads_lists_lines_and_the_archive(form, tmp_path):
    texts = {
        "train.json": json.dumps(SPORTS_QA),
        "val.json": json.dumps(SPORTS_QA[:1]),
        "test.json": "\n".join(map(json.dumps, SPORTS_QA[:2])),
    }
    if form == "files":
        write(tmp_path, texts)
    else:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, text in texts.items():
                archive.writestr(name, text)
        (tmp_path / "meta-data.zip").write_bytes(buffer.getvalue())
    done = unified("sportsqa", tmp_path)
    assert Counter(t.split for t in done.tasks) == {"train": 3, "validation": 1, "test": 2}
    assert done.rejections == {"unknown label": 1}
    train = [t for t in done.tasks if t.split == "train"]
    assert [t.kind for t in train] == [Kind.TEXT, Kind.NUMBER, Kind.YES_NO]
    assert train[1].truth.value == 3.0
    assert train[1].media[0].path == "fg/v_b_c002.avi"
    assert train[1].group == train[2].group == "sportsqa/fg/v_b"


def test_sportr_takes_videos_only_and_keeps_the_rationale_aside(tmp_path):
    done = unified("sportr", write(tmp_path, {"annotations/a.json": [
        {"video": "AmericanFootball12.mp4", "question": "Is it a foul?", "answer": "Yes.",
         "cot": "He grabs the mask."},
        {"video": "TableTennis3.mp4", "qa": [{"question": "Why?", "answer": "Double bounce."},
                                             {"question": "Half"}]},
        {"image": "soccer_5.png", "question": "Is it?", "answer": "No"},
        {"video": "Curling3.mp4", "question": "Is it?", "answer": "No"},
    ]}))  # fmt: skip
    assert [(t.sport, t.kind) for t in done.tasks] == [
        ("american football", Kind.YES_NO), ("table tennis", Kind.TEXT),
    ]  # fmt: skip
    assert done.tasks[0].provenance["rationale"] == "He grabs the mask."
    assert "mask" not in json.dumps(done.tasks[0].to_json()["truth"])
    assert done.rejections == {
        "missing field": 1, "no video: question about images": 1, "unknown label": 1,
    }  # fmt: skip


def _label(time, label, ms, **more):
    return {"gameTime": time, "label": label, "position": ms, "team": "home",
            "visibility": "visible", **more}  # fmt: skip


def test_soccernet_positions_are_milliseconds_of_the_half(tmp_path):
    game = "england_epl/2014-2015/2015-02-21 - 18-00 Chelsea 1 - 1 Burnley"
    labels = [_label("1 - 12:34", "Corner", "754000"), _label("1 - 13:00", "Goal", "780123"),
              _label("1 - 20:00", "Corner", "1200000"), _label("2 - 01:00", "Foul", "60000"),
              _label("2 - 02:00", "Foul", "120000", visibility="not shown"),
              _label("2 - 03:00", "Dance", "180000"), _label("no time", "Foul", "1")]  # fmt: skip
    caption = {"gameTime": "2 - 44:10", "label": "soccer-ball", "position": "2650000",
               "anonymized": "[PLAYER] ([TEAM]) scores.", "description": "Kane scores."}  # fmt: skip
    done = unified("soccernet", write(tmp_path, {
        f"{game}/Labels-v2.json": {"UrlLocal": game, "annotations": labels},
        f"{game}/Labels-caption.json": {"annotations": [caption, {**caption, "anonymized": ""}]},
        "SoccerNetGamesTest.json": {"england_epl": {"2014-2015": [game.rsplit("/", maxsplit=1)[-1]]}},
    }))  # fmt: skip
    assert {t.split for t in done.tasks} == {"test"}
    assert {t.group for t in done.tasks} == {"soccer/2015-02-21 burnley chelsea"}
    goal = next(t for t in done.tasks if t.family == "event time" and "'Goal'" in t.question)
    assert goal.truth.spans == (Span(775.123, 785.123, "Goal"),)
    assert goal.truth.native.values == ("1 - 13:00",)
    assert goal.media[0].path == f"{game}/1_224p.mkv"
    comment = next(t for t in done.tasks if t.family == "commentary")
    assert comment.truth.references == ("[PLAYER] ([TEAM]) scores.",)
    assert comment.media[0].path == f"{game}/2_224p.mkv"
    assert done.rejections["unknown label"] == 1
    assert done.rejections["no comment to compare with"] == 1
    assert done.rejections["row cannot be parsed"] == 1


def test_osl_events_classes_and_questions(tmp_path):
    fps = {"type": "video", "path": "test/clip_7.mp4", "fps": 25.0}
    events = [{"head": "b", "label": "PASS", "frame": 25, "position_ms": 1000},
              {"head": "b", "label": "SHOT", "frame": 75, "position_ms": 3000}]  # fmt: skip
    zero = [{**event, "position_ms": 0} for event in events]
    data = [
        {"id": "events", "inputs": [fps], "events": events},
        {"id": "zero", "inputs": [{**fps, "fps": 0}], "events": zero},
        {"id": "mended", "inputs": [fps], "events": zero},
        *({"id": f"class {i}", "inputs": [fps], "labels": {"act": {"label": "ab"[i % 2]}}}
          for i in range(4)),
        {"id": "mcq", "inputs": [fps], "question": "Q?", "metadata": {
            "correct_option_key": "O2", "choice_map": {"O1": "x", "O2": "y"}}},
        {"id": "open", "inputs": [fps], "question": "Q?", "references": ["r1", "r2"]},
        {"id": "nothing", "inputs": [fps]},
    ]  # fmt: skip
    done = unified("osl", write(tmp_path, {"test.json": {"version": "2.0", "data": data}}))
    assert done.rejections["all events at time 0"] == 1
    assert done.rejections["neither question nor events nor labels"] == 1
    assert {t.split for t in done.tasks} == {"test"}
    when = [t for t in done.tasks if t.family == "event time"]
    assert [t.truth.spans[0].stop_seconds for t in when] == [6.0, 8.0, 6.0, 8.0]
    assert [right(t) for t in done.tasks if t.task_id == "osl:question:mcq"] == [["y"]]
    opened = next(t for t in done.tasks if t.task_id == "osl:question:open")
    assert opened.truth.references == ("r1", "r2")


def test_what_is_written_as_osl_reads_back_to_equal_tasks(tmp_path):
    tasks = [
        Task("a", Kind.CHOICE, "Q?", Truth(labels=("B",)), (Media("x.mp4"),), ("p", "q"),
             group="g", sport="soccer"),
        Task("b", Kind.NUMBER, "N?", Truth(value=3.5, tolerance=0.5, unit="s"), (Media("x.mp4"),)),
        Task("c", Kind.TEXT, "T?", Truth(references=("r", "s")), (Media("x.mp4"), Media("y.mp4"))),
        Task("d", Kind.INTERVAL, "I?", Truth(spans=(Span(1.0, 2.0),)), (Media("x.mp4"),)),
    ]  # fmt: skip
    assert export_osl(tmp_path / "out.json", tasks) == 4
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["version"] == "2.0"
    assert record["data"][0]["metadata"]["choice_map"] == {"O1": "p", "O2": "q"}
    assert record["data"][0]["ground_truth_label"] == "q"
    assert unified("osl", tmp_path).tasks == tasks


MAPPING = """
files = ["*.csv", "*.jsonl"]
kind = "choice"
answer = "text"
source = "mine"
sport = "curling"
unit = "frame"
fps = 50
clips = "videos/{video}.mp4"
[fields]
question = "q"
answer = "a"
video = "clip"
options = ["o1", "o2", "o3"]
group = "match.id"
split = "part"
start = "t0"
stop = "t1"
"""


def test_a_mapping_reads_csv_and_lines_alike(tmp_path):
    write(tmp_path, {
        "mapping.toml": MAPPING.replace("match.id", "m"),
        "a.csv": "q,a,clip,o1,o2,o3,m,part,t0,t1\nWhich?,two,c1,one,two,,M,test,50,100\n"
                 "Which?,nine,c1,one,two,,M,test,50,100\n",
        "b.jsonl": json.dumps({"q": "Which?", "a": "one", "clip": "c1", "o1": "one", "o2": "two",
                               "m": "M", "part": "test", "t0": 50, "t1": 100}),
    })  # fmt: skip
    done = unified("mapped", tmp_path)
    first, second = done.tasks
    assert (right(first), right(second)) == (["two"], ["one"])
    for task in done.tasks:
        assert task.evidence == (Span(1.0, 2.0),)
        assert task.group == "mine/M"
        assert (task.sport, task.split) == ("curling", "test")
        assert task.media[0].path == "videos/c1.mp4"
    assert second.truth.native == Native((50, 100), "frame", 50.0)
    assert done.rejections == {"answer not among the options": 1}


@pytest.mark.parametrize(
    ("kind", "more", "answer", "check"),
    [
        ("choice", 'answer = "letter"', "b", lambda t: t.truth.labels == ("B",)),
        ("choice", 'answer = "index"', 1, lambda t: t.truth.labels == ("B",)),
        ("choice", 'answer = "index from 1"', 1, lambda t: t.truth.labels == ("A",)),
        ("multi_choice", 'answer = "letter"', ["C", "A"], lambda t: t.truth.labels == ("A", "C")),
        ("multi_choice", 'answer = "text"\nseparator = "|"', "x|z",
         lambda t: t.truth.labels == ("A", "C")),
        ("yes_no", "", True, lambda t: t.truth.labels == ("yes",)),
        ("number", "tolerance = 2", "7", lambda t: (t.truth.value, t.truth.tolerance) == (7, 2)),
        ("rating", "scale = [0, 10]", 7.5, lambda t: t.truth.scale == (0.0, 10.0)),
        ("events", 'separator = ";"', "a; b;c", lambda t: t.truth.labels == ("a", "b", "c")),
        ("text", "", ["r", "s"], lambda t: t.truth.references == ("r", "s")),
        ("interval", 'unit = "clock"', "", lambda t: t.truth.spans == (Span(61.0, 62.5),)),
    ],
)  # fmt: skip
def test_a_mapping_knows_every_kind(kind, more, answer, check, tmp_path):
    row = {"q": "Q?", "a": answer, "v": "v.mp4", "o": ["x", "y", "z"], "s": "1:01", "e": "1:02.5"}
    times = 'start = "s"\nstop = "e"' if kind == "interval" else ""
    options = 'options = "o"' if "choice" in kind else ""
    write(tmp_path, {
        "mapping.toml": f'files = ["rows.json"]\nkind = "{kind}"\n{more}\n[fields]\nquestion = "q"\n'
                        f'answer = "a"\nvideo = "v"\n{options}\n{times}\n',
        "rows.json": [row],
    })  # fmt: skip
    done = unified("mapped", tmp_path)
    assert not done.rejections
    assert check(done.tasks[0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("files = [", "mapping.toml"),
        ('kind = "choice"', r"\[fields\]"),
        (MAPPING.replace('kind = "choice"', 'kind = "riddle"'), "riddle"),
        (MAPPING + 'colour = "c"\n', "colour"),
        (MAPPING.replace('unit = "frame"', 'unit = "fortnight"'), "fortnight"),
        (MAPPING.replace('answer = "text"', 'answer = "smell"', 1), "smell"),
    ],
)
def test_a_mapping_that_cannot_work_says_why(text, words, tmp_path):
    with pytest.raises(SourceFormatError, match=words):
        unified("mapped", write(tmp_path, {"mapping.toml": text}))


@pytest.mark.parametrize("name", [n for n in source_names() if n not in ("facts-fencing",
                         "facts-boxing", "class-folders")])  # fmt: skip
def test_an_empty_folder_is_a_typed_error_that_says_what_was_looked_for(name, tmp_path):
    with pytest.raises(SourceFormatError, match=str(tmp_path)):
        unified(name, tmp_path)


JSON_SOURCES = {
    "sportu": "SportU_Video_mc.json",
    "soccerbench": "qa/q1.json",
    "soccerreplay": "classification_train.json",
    "xfoul": "questions.json",
    "sportsqa": "train.json",
    "sportr": "annotations/a.json",
    "f3set": "train.json",
    "finebadminton": "questions.json",
}


@pytest.mark.parametrize("name", sorted(JSON_SOURCES))
def test_rows_of_every_wrong_shape_are_counted_rejections(name, tmp_path):
    rows = [None, 3, "x", [], {}, {"id": None}, {"video": 5}, {"question": ["?"]},
            {"video": "../../x.mp4", "question": "?", "answer": "a", "path": "/etc/passwd"}]  # fmt: skip
    done = unified(name, write(tmp_path, {JSON_SOURCES[name]: rows}))
    assert done.tasks == []
    assert done.rejections.total() == done.rows == len(rows)
    assert set(done.examples) == set(done.rejections)


def test_a_task_never_changes_with_the_rows_around_it_being_read_again(tmp_path):
    rows = [{"id": f"soccer_{i}", "question": "Q?", "options": {"A": "x", "B": "y"},
             "answer": "A", "difficulty level": "easy"} for i in range(5)]  # fmt: skip
    write(tmp_path, {"SportU_Video_mc.json": rows})
    assert unified("sportu", tmp_path).tasks == unified("sportu", tmp_path).tasks
    assert dataclasses.asdict(unified("sportu", tmp_path).tasks[0])["group"] == "sportu/soccer_0"


def test_the_table_of_sources_says_of_each_what_it_was_checked_on():
    table = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    for name in source_names():
        (row,) = [line for line in table.splitlines() if line.startswith(f"| `{name}`")]
        checked = row.split("|")[6]
        assert ("*" in row.split("|")[1]) == (name in PAPER)
        if find_source(name).url:
            assert (find_source(name).checked == "real files") == checked.strip().startswith("real")


def test_f3set_files_of_other_sports_ask_for_the_order_of_events(tmp_path):
    event = {"frame": 10, "label": "spin"}
    rows = [
        {"video": "a_1_2", "fps": 25, "num_frames": 90, "events": [event, {**event, "frame": 50}]},
        {"video": "b_1_2", "fps": 25, "num_frames": 90, "events": [event, {**event, "frame": 5}]},
        {"video": "c_1_2", "fps": 25, "num_frames": 9, "events": [event]},
        {"video": "d_1_2", "fps": 25, "num_frames": 9, "events": []},
    ]
    done = unified("f3set", write(tmp_path, {"f3set-skating/val.json": rows}))
    (task,) = done.tasks
    assert task.truth.labels == ("spin", "spin")
    assert task.truth.spans[1].start_seconds == 2.0
    assert (task.sport, task.split) == ("f3set-skating", "validation")
    assert done.rejections == {
        "events out of order": 1, "event beyond the clip": 1, "no events": 1,
    }  # fmt: skip


def test_text_that_cannot_be_written_is_a_rejection(tmp_path):
    row = {"id": "soccer_1", "question": "Q\ud800?", "options": {"A": "x", "B": "y"},
           "answer": "A", "difficulty level": "easy"}  # fmt: skip
    done = unified("sportu", write(tmp_path, {"SportU_Video_mc.json": [row]}))
    assert done.rejections == {"RecordFormatError": 1}
