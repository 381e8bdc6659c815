"""Adapters on files that their authors publish; each count has the command that gave it.

Recipes use jq or plain Python on the files, never the adapters.
"""

from __future__ import annotations

from collections import Counter

import pytest

from deepsport.sources import find_source
from deepsport.sources.files import Root
from deepsport.sources.unify import fill_settings, make_context, unify_rows
from deepsport.task import Kind
from material import annotations


def unified(name, folder, **given):
    source = find_source(name)
    settings = fill_settings(source, given)
    rows = list(source.read(Root(folder), settings))
    return unify_rows(source, rows, make_context(source, rows, settings))


def by(tasks, name):
    return Counter(getattr(task, name) for task in tasks)


def test_sportu_counts_are_those_of_jq():
    done = unified("sportu", annotations("sportu"))
    # jq length SportU_Video_mc.json -> 3655; jq length SportU_video_oe.json -> 362
    assert done.rows == 3655 + 362
    # python: rows whose options hold the right text twice (case and outer spaces aside) -> 7
    assert done.rejections == {"right option occurs twice": 7}
    assert len(done.tasks) == 4010
    # jq '[.[] | select(.options | length == 2)] | length' -> 714, all of them yes and no
    assert by(done.tasks, "kind") == {Kind.CHOICE: 2934, Kind.YES_NO: 714, Kind.TEXT: 362}
    # jq -r '.[].id' | cut -d_ -f1 | sort | uniq -c, both files
    assert by(done.tasks, "sport")["soccer"] == 1318 + 169 - 5
    assert len({t.group for t in done.tasks}) == 567
    assert len({t.task_id for t in done.tasks}) == 4010


def test_sportu_numbers_among_the_options_become_text():
    done = unified("sportu", annotations("sportu"))
    counts = [t for t in done.tasks if t.family == "player count"]
    assert len(counts) == 79  # jq '[.[] | select(.question|test("How many players"))] | length'
    assert all(option.isdecimal() for t in counts for option in t.options)


def test_the_answer_sheet_of_the_soccer_challenge_holds_no_questions():
    done = unified("soccerbench", annotations("soccerbench"))
    # jq length metadata.json -> 500
    assert done.rejections == {"no question: an answer sheet or a submission": 500}


def test_unisoccer_clips_give_an_action_and_a_comment_each():
    done = unified("soccerreplay", annotations("unisoccer"))
    # jq length -> 800; jq -r '.[].caption' | sort -u | wc -l -> 20, none of them excluded
    assert done.rows == done.rows_used == 800
    assert by(done.tasks, "kind")[Kind.TEXT] == 800
    assert by(done.tasks, "kind")[Kind.CHOICE] + done.rejections.total() == 800
    assert not [reason for reason in done.rejections if "unknown" in reason]
    # jq -r '.[].video | split("/")[1]' | sort -u | wc -l
    assert len({t.group for t in done.tasks}) == 13
    assert by(done.tasks, "split") == {"validation": len(done.tasks)}
    first = done.tasks[0]
    assert first.group == "soccer/2016-11-01 barcelona city manchester"
    assert first.truth.native.values == ("2 - 43:52",)
    assert (first.evidence[0].start_seconds, first.evidence[0].stop_seconds) == (10.0, 20.0)


def test_a_clip_with_two_events_never_offers_the_other_one_as_wrong():
    done = unified("soccerreplay", annotations("unisoccer"))
    labels = {}
    for task in done.tasks:
        if task.kind is Kind.CHOICE:
            right = task.options[ord(task.truth.labels[0]) - ord("A")]
            labels.setdefault(task.media[0].path, {})[task.task_id] = (right, task.options)
    double = [v for v in labels.values() if len(v) > 1]
    assert double  # 783 clips carry 800 rows
    for answers in double:
        rights = {right for right, _ in answers.values()}
        for right, options in answers.values():
            assert not (rights - {right}) & set(options)


def test_mvfoul_paths_lose_their_backslashes_and_views_keep_their_speed():
    done = unified("mvfoul", annotations("mvfoul"))
    assert done.rows == done.rows_used == 5
    # jq '[.Actions[].Clips | length]' -> [3,3,3,2,4]
    views = {t.provenance["row"]: len(t.media) for t in done.tasks}
    assert views == {"0": 3, "1": 3, "2": 3, "3": 2, "4": 4}
    task = next(t for t in done.tasks if t.provenance["row"] == "0")
    assert [m.path for m in task.media] == [f"action_0/clip_{i}.mp4" for i in range(3)]
    assert [m.replay_speed for m in task.media] == [1.0, 4.2, 3.6]
    assert task.group == "soccer/2016-04-05 bayern benfica munich"
    assert by(done.tasks, "split") == {"test": len(done.tasks)}


def test_f3set_tennis_seconds_follow_each_clips_own_frame_rate():
    done = unified("f3set", annotations("f3set"))
    # jq length: tennis 1883, diving 450; jq '[.[].events|length]|add': tennis 6994
    assert done.rows == done.rows_used == 1883 + 450
    assert by(done.tasks, "sport").keys() == {"tennis", "diving"}
    thinned = {"thinned: answer too frequent", "phase not unique or without an end"}
    assert done.rejections.keys() == thinned
    first = [t for t in done.tasks if "170943_171285" in t.task_id]
    when = next(t for t in first if t.family == "stroke time")
    (frame,) = when.truth.native.values
    assert frame in (106, 168, 232, 256)  # events 2 to 5 of that rally; its fps is 29
    assert when.truth.value == pytest.approx(frame / 29.0, abs=1e-3)
    assert not when.truth.native.fps_assumed
    dive = next(t for t in done.tasks if t.family == "phases")
    assert dive.truth.native.fps_assumed  # stated as -1


def test_f3set_dives_are_those_of_finediving_and_mtl_aqa_by_group():
    diving = [t for t in unified("f3set", annotations("f3set")).tasks if t.sport == "diving"]
    aqa = unified("mtl-aqa", annotations("mtl_aqa")).tasks
    shared = {t.group for t in diving} & {t.group for t in aqa}
    # videos 01 to 26 of MTL-AQA that F3Set's val.json names as well
    assert shared == {f"diving/mtl-aqa/{n:02d}" for n in
                      (1, 2, 3, 4, 5, 6, 7, 9, 10, 13, 14, 17, 18, 22, 26)}  # fmt: skip


def test_mtl_aqa_has_its_1412_dives_with_an_execution_within_the_scale():
    done = unified("mtl-aqa", annotations("mtl_aqa"))
    assert done.rows == done.rows_used == 1412
    ratings = [t for t in done.tasks if t.family == "execution"]
    assert len(ratings) == 1412
    assert all(0 <= t.truth.value <= 10 for t in ratings)
    # the first row: score 88.0, difficulty 3.2 -> 88 / 9.6
    assert ratings[0].truth.value == pytest.approx(9.17)


def test_statsbomb_goals_are_the_three_of_the_match():
    done = unified("statsbomb", annotations("events"), per_label=100)
    assert done.rows == done.rows_used == 2  # periods; line-ups, Wyscout and NFL files are no rows
    # jq '[.[]|select(.type.name=="Shot" and .shot.outcome.name=="Goal").timestamp]'
    #   -> 00:18:11.954, 00:37:41.578, 00:46:42.770, all in period 2, by Barcelona
    goals = {
        (t.media[0].path[-5], round(t.evidence[0].start_seconds + 5, 3))
        for t in done.tasks
        if t.evidence[0].label == "goal" and t.family in ("event at a time", "team of an event")
    }
    assert goals == {("2", 1091.954), ("2", 2261.578), ("2", 2802.77)}
    whose = [t for t in done.tasks if t.family == "team of an event" and "'goal'" in t.question]
    assert {t.options[ord(t.truth.labels[0]) - 65] for t in whose} == {"Barcelona"}


def test_finediving_phases_start_one_frame_after_the_published_transitions():
    folder = annotations("finediving")
    done = unified("finediving", folder)
    # python: len(pickle) -> 3000 dives, 52 action types, train 2251, test 749
    assert done.rows == done.rows_used == 3000
    dives = {t.provenance["row"]: t.split for t in done.tasks}
    assert Counter(dives.values()) == {"train": 2251, "test": 749}
    task = next(t for t in done.tasks if t.task_id == "finediving:phases:01/1")
    assert task.truth.labels == ("Inward", "3.5 Soms.Tuck", "Entry")
    # steps_transit_frames are [2, 34] of 85 frames
    assert task.truth.native.values == (0.0, 3.0, 35.0)
    assert task.truth.native.fps_assumed


def test_shuttleset_rallies_and_strokes_are_those_of_the_files():
    done = unified("shuttleset", annotations("shuttleset"))
    # python csv over set/*/set*.csv: 3683 (file, rally) pairs; its README says 3685
    assert done.rows == 3683
    assert done.rejections["strokes of the rally are not numbered 1, 2, 3"] == 2
    assert "unknown label" not in done.rejections
    assert len({t.group for t in done.tasks}) == 44
