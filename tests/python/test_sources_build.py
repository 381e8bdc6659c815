"""The build: whole funnels, the same bytes again, resumed work, media that are what they seem."""

from __future__ import annotations

import filecmp
import json
import os
import shutil

import pytest

from deepsport.cli.main import main
from deepsport.errors import SettingsError, SourceFormatError, UnsafePathError
from deepsport.sources.build import BuildPlan, SourceRequest, build
from deepsport.sources.files import Root
from deepsport.sources.funnel import Books, Funnel
from deepsport.sources.probe import MediaCache, MediaFacts, MediaFinder, probe, probe_all
from deepsport.sources.split import check_leakage
from deepsport.sources.usable import check_media
from deepsport.task import Kind, Media, Native, Span, Task, Truth, read_tasks
from material import annotations
from rallies import draw_rally, write_rally


def sportu_row(clip, answer="A", question="Is it a foul in the video?", **more):
    return {"id": clip, "question": question, "options": {"A": "push", "B": "trip", "C": "pull"},
            "answer": answer, "difficulty level": "hard", **more}  # fmt: skip


def sportu(root, rows):
    folder = root / "sportu" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "SportU_Video_mc.json").write_text(json.dumps(rows))


def plan(root, out, *names, **more):
    requests = tuple(SourceRequest(name, name, {}) for name in names or ("sportu",))
    return BuildPlan(root, requests, out, **{"media": "skip", **more})


def tasks_of(out):
    return [t for path in sorted(out.glob("*.jsonl")) if path.stem != "manifest"
            for t in read_tasks(path)]  # fmt: skip


def same_files(one, other):
    names = [p.name for p in one.iterdir() if p.is_file()]
    assert sorted(names) == sorted(p.name for p in other.iterdir() if p.is_file())
    return filecmp.cmpfiles(one, other, names, shallow=False)[1:] == ([], [])


def test_every_row_and_question_is_accounted_for(tmp_path):
    rows = [
        sportu_row("soccer_1"),
        sportu_row("soccer_1", question="What kind of foul does this video show?"),
        sportu_row("soccer_2"),
        sportu_row("soccer_2"),  # asked twice
        sportu_row("soccer_3"),
        sportu_row("soccer_3", "B"),  # contradicts
        sportu_row("soccer_4", "E"),  # no such option
        None,
    ]
    sportu(tmp_path, rows)
    funnel = build(plan(tmp_path, tmp_path / "out")).funnels["sportu"]
    assert (funnel.rows, funnel.rows_used, funnel.made) == (8, 6, 6)
    assert funnel.rejections == {"answer not among the options": 1, "wrong type of a field": 1}
    assert funnel.removed == {
        "question asked twice": 1, "contradictory answers to the same question": 2,
    }  # fmt: skip
    assert funnel.made == funnel.removed.total() + funnel.kept.total()
    assert len(tasks_of(tmp_path / "out")) == 3
    record = json.loads((tmp_path / "out" / "build.json").read_text())
    assert record["sources"]["sportu"]["funnel"] == funnel.to_json()
    assert set(funnel.examples) == {*funnel.rejections, *funnel.removed}


def test_the_same_inputs_give_the_same_bytes_in_any_number_of_processes(tmp_path, monkeypatch):
    monkeypatch.setattr("deepsport.sources.shards._PARALLEL_ROWS", 100)
    rows = [sportu_row(f"soccer_{i}", "ABC"[i % 3]) for i in range(4500)]
    sportu(tmp_path, rows)
    for name, jobs in (("one", 1), ("two", 2)):
        build(plan(tmp_path, tmp_path / name, jobs=jobs))
    assert same_files(tmp_path / "one", tmp_path / "two")
    assert same_files(tmp_path / "one" / ".build", tmp_path / "two" / ".build")


def test_another_seed_moves_groups_between_splits(tmp_path):
    sportu(tmp_path, [sportu_row(f"soccer_{i}") for i in range(100)])
    build(plan(tmp_path, tmp_path / "one"))
    build(plan(tmp_path, tmp_path / "two", seed=1))
    assert not same_files(tmp_path / "one", tmp_path / "two")


def test_a_finished_source_is_kept_and_a_changed_one_made_anew(tmp_path):
    sportu(tmp_path, [sportu_row(f"soccer_{i}") for i in range(30)])
    out = tmp_path / "out"
    build(plan(tmp_path, out))
    shard = out / ".build" / "sportu.jsonl"
    os.utime(shard, ns=(1, 1))
    build(plan(tmp_path, out))
    assert shard.stat().st_mtime_ns == 1  # not written again
    sportu(tmp_path, [sportu_row(f"soccer_{i}") for i in range(31)])
    build(plan(tmp_path, out))
    assert len(tasks_of(out)) == 31


@pytest.mark.parametrize("torn", [".build/sportu.jsonl", ".build/sportu.json"])
def test_a_torn_shard_is_made_again(torn, tmp_path):
    sportu(tmp_path, [sportu_row(f"soccer_{i}") for i in range(30)])
    build(plan(tmp_path, tmp_path / "whole"))
    build(plan(tmp_path, tmp_path / "torn"))
    path = tmp_path / "torn" / torn
    path.write_bytes(path.read_bytes()[:-40])
    build(plan(tmp_path, tmp_path / "torn"))
    assert same_files(tmp_path / "whole", tmp_path / "torn")


def test_soccerbench_test_matches_leave_the_train_side_of_soccerreplay(tmp_path):
    match = "england_epl_2014-2015/2015-02-21 - 18-00 Chelsea 1 - 1 Burnley"
    other = "england_epl_2014-2015/2015-03-01 - 18-00 Everton 1 - 1 Fulham"
    clip = {"comments_text_anonymized": "[PLAYER] shoots.", "comments_text": "x"}
    rows = [{**clip, "video": f"{m}/1_1{i}_00.mp4", "caption": label}
            for m in (match, other) for i, label in enumerate(("corner", "goal", "injury"))]  # fmt: skip
    bench = {"Q": "Which action?", "materials": [f"{match}/a.mp4"], "O1": "a", "O2": "b",
             "closeA": "O1"}  # fmt: skip
    for name, value in (("soccerreplay/classification_train.json", rows),
                        ("soccerbench/test.json", [bench])):  # fmt: skip
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(json.dumps(value))
    result = build(plan(tmp_path, tmp_path / "out", "soccerreplay", "soccerbench"))
    assert result.funnels["soccerreplay"].removed == {"match or video is in a stricter split": 6}
    groups = {t.group: t.split for t in tasks_of(tmp_path / "out")}
    assert groups == {"soccer/2015-02-21 burnley chelsea": "test",
                      "soccer/2015-03-01 everton fulham": "train"}  # fmt: skip


def test_a_published_split_by_clip_is_not_kept_as_it_cuts_through_videos(tmp_path):
    for split in ("train", "test"):
        for label in ("jab", "hook"):
            for i in range(12):
                path = tmp_path / "class-folders" / split / label / f"bout{i % 4}_{split}{i}.mp4"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("x")
    request = SourceRequest("class-folders", "class-folders", {"group": r"bout\d"})
    result = build(BuildPlan(tmp_path, (request,), tmp_path / "out", media="skip"))
    funnel = result.funnels["class-folders"]
    assert funnel.notes["published split is by clip, not by video: not kept"] == 1
    assert not funnel.removed
    assert check_leakage(tasks_of(tmp_path / "out")) == []


def test_held_out_sports_are_in_test_only(tmp_path):
    rows = [sportu_row(f"{sport}_{i}") for sport in ("soccer", "hockey") for i in range(20)]
    sportu(tmp_path, rows)
    build(plan(tmp_path, tmp_path / "out", held_out=("ice hockey",)))
    splits = {(t.sport, t.split) for t in tasks_of(tmp_path / "out")}
    assert {split for sport, split in splits if sport == "ice hockey"} == {"test"}
    assert ("soccer", "train") in splits


def test_the_manifest_holds_ids_and_hashes_and_no_question(tmp_path):
    sportu(tmp_path, [sportu_row(f"soccer_{i}") for i in range(5)])
    build(plan(tmp_path, tmp_path / "out"))
    lines = [json.loads(x) for x in (tmp_path / "out/manifest.jsonl").read_text().splitlines()]
    by_id = {t.task_id: t for t in tasks_of(tmp_path / "out")}
    assert {line["id"]: line["hash"] for line in lines} == {
        name: task.content_hash for name, task in by_id.items()
    }
    assert set(lines[0]) == {"id", "hash", "split", "source", "group", "media"}


def test_shuffled_options_keep_their_answer(tmp_path):
    sportu(tmp_path, [sportu_row(f"soccer_{i}") for i in range(60)])
    build(plan(tmp_path, tmp_path / "out", shuffle=True))
    tasks = tasks_of(tmp_path / "out")
    assert {t.options["ABC".index(t.truth.labels[0])] for t in tasks} == {"push"}
    assert {t.truth.labels[0] for t in tasks} == {"A", "B", "C"}


@pytest.fixture(scope="module")
def rallies(tmp_path_factory):
    """Four tennis rallies as F3Set describes them, one of them copied by another match."""
    folder = tmp_path_factory.mktemp("root")
    rows = []
    for i in range(4):
        name = f"match{i}_100_250"
        write_rally(folder / "f3set" / "elsewhere" / f"{name}.mp4", draw_rally(i, court=i))
        events = [{"frame": f, "label": label} for f, label in (
            (20, "near_ad_serve_-_-_T_-_in"), (60, "far_ad_return_fh_gs_CC_-_in"),
            (120, "near_ad_stroke_bh_slice_DL_-_winner"))]  # fmt: skip
        rows.append({"video": name, "fps": 30.0, "num_frames": 150, "events": events})
    shutil.copy(folder / "f3set/elsewhere/match0_100_250.mp4",
                folder / "f3set/elsewhere/copy_1_151.mp4")  # fmt: skip
    write_rally(folder / "f3set/elsewhere/small_1_151.mp4", draw_rally(1, court=1), size="96x54")
    rows += [{**rows[0], "video": "copy_1_151"}, {**rows[1], "video": "small_1_151"}]
    late = {**rows[2], "video": "match3_100_250", "num_frames": 999,
            "events": [{"frame": 700, "label": "near_ad_serve_-_-_T_-_winner"}]}  # fmt: skip
    rows += [late, {**rows[0], "video": "gone_1_2"}]
    (folder / "f3set" / "broken_1_2.mp4").write_bytes(b"no video at all")
    rows.append({**rows[0], "video": "broken_1_2"})
    (folder / "f3set" / "train.json").write_text(json.dumps(rows))
    return folder


def media_plan(root, out, **more):
    return BuildPlan(root, (SourceRequest("f3set", "f3set", {}),), out, official=False,
                     media="require", **more)  # fmt: skip


def test_media_are_found_hashed_timed_and_kept_apart(rallies, tmp_path):
    result = build(media_plan(rallies, tmp_path / "out"))
    funnel = result.funnels["f3set"]
    assert funnel.notes["media found elsewhere"] == 6
    assert funnel.removed["media missing"] >= 1
    assert funnel.removed["media unreadable"] >= 1
    assert funnel.removed["frame beyond the video"] >= 1
    assert funnel.made == funnel.removed.total() + funnel.kept.total()
    tasks = tasks_of(tmp_path / "out")
    assert {t.media[0].path for t in tasks} == {
        f"f3set/elsewhere/{n}.mp4" for n in
        ("match0_100_250", "match1_100_250", "match2_100_250", "match3_100_250", "copy_1_151",
         "small_1_151")}  # fmt: skip
    assert all(len(t.media[0].sha256) == 64 for t in tasks)
    # the files run at 25 frames a second whatever the rows say
    times = [t for t in tasks if t.family == "stroke time"]
    for task in times:
        assert task.truth.value == pytest.approx(task.truth.native.values[0] / 25.0, abs=2e-3)
        assert task.truth.native.fps == pytest.approx(25.0)


def test_copies_share_a_split_by_content_and_by_what_they_show(rallies, tmp_path):
    result = build(media_plan(rallies, tmp_path / "out"))
    assert [tuple(p.rpartition("/")[2] for p in pair) for pair in result.duplicates] == [
        ("match1_100_250.mp4", "small_1_151.mp4")
    ]
    split = {t.media[0].path.rpartition("/")[2]: t.split for t in tasks_of(tmp_path / "out")}
    assert split["match0_100_250.mp4"] == split["copy_1_151.mp4"]
    assert split["match1_100_250.mp4"] == split["small_1_151.mp4"]


def test_media_are_opened_once_and_found_in_the_cache_after(rallies, tmp_path, monkeypatch):
    build(media_plan(rallies, tmp_path / "out"))
    first = {p.name: p.read_bytes() for p in (tmp_path / "out").glob("*.json*")}

    def never(*arguments, **more):
        raise AssertionError("a known medium was opened again")

    monkeypatch.setattr("deepsport.sources.probe._probe_video", never)
    build(media_plan(rallies, tmp_path / "out"))
    assert first == {p.name: p.read_bytes() for p in (tmp_path / "out").glob("*.json*")}


def test_a_torn_cache_line_costs_one_look(tmp_path):
    cache = MediaCache(tmp_path / "media.jsonl")
    for name in ("a", "b"):
        cache.add(MediaFacts(name, 1, 2, sha256=name))
    path = tmp_path / "media.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    again = MediaCache(path)
    assert again.get("a", 1, 2).sha256 == "a"
    assert again.get("b", 1, 2) is None
    assert again.get("a", 1, 3) is None


def test_a_folder_of_frames_has_a_hash_of_names_and_bytes(tmp_path):
    (tmp_path / "dive").mkdir()
    for i in range(3):
        (tmp_path / "dive" / f"{i:05d}.jpg").write_bytes(b"jpg%d" % i)
    one = probe(Root(tmp_path), "dive")
    assert (one.form, one.frame_count, one.error) == ("frames", 3, "")
    (tmp_path / "dive" / "00001.jpg").write_bytes(b"other")
    assert probe(Root(tmp_path), "dive").sha256 != one.sha256


def test_a_medium_that_cannot_be_read_is_a_fact_and_not_an_exception(tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"\0" * 100)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "out.mp4").symlink_to("/etc/hostname")
    names = ["bad.mp4", "empty.mp4", "out.mp4", "gone.mp4"]
    facts = probe_all(Root(tmp_path), names, MediaCache(None), jobs=2)
    assert facts["gone.mp4"].error == "missing"
    assert facts["out.mp4"].error.startswith("UnsafePathError")
    assert facts["bad.mp4"].error.startswith("NotAVideoError")
    assert facts["empty.mp4"].error


def test_a_name_that_two_files_have_is_not_guessed(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "clip.mp4").write_text(place)
    (tmp_path / "a" / "only.avi").write_text("x")
    finder = MediaFinder(Root(tmp_path))
    assert finder.find("x/clip.mp4") == ""
    assert finder.find("a/clip.mp4") == "a/clip.mp4"
    assert finder.find("fg/only.avi") == "a/only.avi"
    assert finder.find("fg/only.mp4") == "a/only.avi"  # another extension


def test_the_command_builds_and_says_what_it_left_out(rallies, tmp_path, capsys):
    arguments = ["data", "build", "--root", str(rallies), "--sources", "f3set", "--out",
                 str(tmp_path / "out"), "--ignore-official-splits"]  # fmt: skip
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "9 rows ->" in text
    assert "media missing" in text
    assert "last player" in text


def test_a_build_without_any_task_left_exits_with_an_error(tmp_path, capsys):
    sportu(tmp_path, [sportu_row("soccer_1")])
    arguments = ["data", "build", "--root", str(tmp_path), "--sources", "sportu", "--out",
                 str(tmp_path / "out")]  # fmt: skip
    assert main(arguments) == 1
    assert "media missing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sources", "nonsense"], "no source 'nonsense'"),
        (["--sources", "sportu", "--fractions", "1,2"], "three shares"),
        (["--sources", "sportu", "--set", "sportu.colour=red"], "no setting 'colour'"),
        (["--sources", "sportu", "--set", "colour=red"], "SOURCE.NAME=VALUE"),
        (["--sources", "sportu", "--set", "mvfoul.x=1"], "not among the sources"),
        (["--sources", "sportu=gone"], "is not a folder"),
        (["--sources", "sportu", "--hold-out", "curling", "--media", "skip"], "no task of curling"),
    ],
)
def test_wrong_arguments_say_what_would_be_valid(arguments, words, tmp_path, capsys):
    sportu(tmp_path, [sportu_row("soccer_1")])
    assert main(["data", "build", "--root", str(tmp_path), "--out", str(tmp_path / "out"),
                 *arguments]) == 1  # fmt: skip
    assert words in capsys.readouterr().err


def test_a_source_named_twice_is_refused(tmp_path):
    sportu(tmp_path, [sportu_row("soccer_1")])
    with pytest.raises(SettingsError):
        build(plan(tmp_path, tmp_path / "out", "sportu", "sportu"))


def test_a_broken_source_leaves_the_finished_ones(tmp_path):
    sportu(tmp_path, [sportu_row("soccer_1")])
    (tmp_path / "mvfoul").mkdir()
    with pytest.raises(SourceFormatError, match="mvfoul"):
        build(plan(tmp_path, tmp_path / "out", "sportu", "mvfoul"))
    assert (tmp_path / "out" / ".build" / "sportu.jsonl").exists()


def test_real_sources_build_together_without_a_leak(tmp_path):
    for name in ("sportu", "unisoccer", "mvfoul", "mtl_aqa", "f3set"):
        annotations(name)
    root = annotations(".").resolve()
    requests = tuple(
        SourceRequest(name, folder, {})
        for name, folder in (("sportu", "sportu"), ("soccerreplay", "unisoccer"),
                             ("mvfoul", "mvfoul"), ("mtl-aqa", "mtl_aqa"), ("f3set", "f3set"))
    )  # fmt: skip
    result = build(BuildPlan(root, requests, tmp_path / "out", media="skip", follow_links=True))
    tasks = tasks_of(tmp_path / "out")
    assert len(tasks) == result.tasks > 20_000
    assert check_leakage(tasks) == []
    for funnel in result.funnels.values():
        assert funnel.made == funnel.removed.total() + funnel.kept.total()
    # the Bayern - Benfica match is in MVFoul's test list and in UniSoccer's validation list
    assert result.funnels["soccerreplay"].removed["match or video is in a stricter split"] > 0


def test_source_folders_may_be_links_and_what_lies_in_them_may_not(tmp_path):
    real = tmp_path / "disk" / "sportu"
    write_rally(real / "soccer_1.mp4", draw_rally(1, seconds=2.0))
    (real / "SportU_Video_mc.json").write_text(
        json.dumps([sportu_row("soccer_1"), sportu_row("soccer_2")])
    )
    (real / "soccer_2.mp4").symlink_to("/etc/hostname")
    root = tmp_path / "root"
    root.mkdir()
    (root / "sportu").symlink_to(real)
    result = build(plan(root, tmp_path / "out", media="require"))
    assert result.tasks == 1
    (reason,) = result.funnels["sportu"].removed
    assert reason == "media unreadable"


@pytest.mark.parametrize("folder", ["/etc", "../other", ""])
def test_a_source_folder_outside_the_root_is_refused(folder, tmp_path):
    request = SourceRequest("sportu", folder, {})
    with pytest.raises(UnsafePathError):
        build(BuildPlan(tmp_path, (request,), tmp_path / "out"))


def test_folders_of_frames_are_left_out_with_the_reason_and_videos_beside_them_taken(tmp_path):
    dives = {"competition": [], "rows": []}
    for number in (1, 2):
        folder = tmp_path / "mapped" / f"dive{number}"
        folder.mkdir(parents=True)
        (folder / "00001.jpg").write_bytes(b"jpg")
        dives["rows"].append({"q": "Yes?", "a": "yes", "v": f"dive{number}"})
    write_rally(tmp_path / "mapped" / "dive2.mp4", draw_rally(3, seconds=2.0))
    (tmp_path / "mapped" / "rows.json").write_text(json.dumps(dives["rows"]))
    (tmp_path / "mapped" / "mapping.toml").write_text(
        'files = ["rows.json"]\nkind = "yes_no"\n[fields]\nquestion = "q"\nanswer = "a"\nvideo = "v"\n'
    )
    result = build(plan(tmp_path, tmp_path / "out", "mapped", media="require"))
    assert result.funnels["mapped"].removed == {
        "media are folders of frames: make videos of them": 1
    }
    assert [t.media[0].path for t in tasks_of(tmp_path / "out")] == ["mapped/dive2.mp4"]


def test_seconds_start_where_the_video_starts_and_follow_its_rate():
    task = Task(
        "t", Kind.NUMBER, "When?", Truth(value=2.0, tolerance=0.2, unit="s", native=Native((50.0,), "frame", 25.0)),
        (Media("a.mp4"),), evidence=(Span(1.0, 3.0),),
    )  # fmt: skip
    facts = {"a.mp4": MediaFacts("a.mp4", frame_count=500, fps=50.0, duration_seconds=10.0,
                                 first_pts_seconds=1.5, sha256="ab")}  # fmt: skip
    books = Books({"s": Funnel()}, {"t": "s"})
    (done,) = check_media([task], facts, books, require=True)
    # frame 50 at 50 frames a second, in a video whose first frame is at 1.5 s
    assert done.truth.value == pytest.approx(2.5)
    assert done.evidence == (Span(2.0, 3.0),)
    assert done.media[0].sha256 == "ab"
    assert books.funnels["s"].notes == {"seconds taken from the real frame rate": 1}


def test_what_happens_after_the_end_of_the_video_is_left_out():
    facts = {"a.mp4": MediaFacts("a.mp4", frame_count=100, fps=25.0, duration_seconds=4.0)}
    books = Books({"s": Funnel()}, dict.fromkeys("abc", "s"))
    tasks = [
        Task(
            name, Kind.INTERVAL, "When?", Truth(spans=(Span(start, start + 1),)), (Media("a.mp4"),)
        )
        for name, start in (("a", 3.0), ("b", 4.2), ("c", 4.8))
    ]
    kept = check_media(tasks, facts, books, require=True)
    assert [task.task_id for task in kept] == ["a", "b"]  # half a second is let pass
    assert books.funnels["s"].removed == {"annotation beyond the video": 1}
