"""The test bed: reproducible, events hidden from the first frames, answers balanced."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from deepsport.errors import RecordFormatError, SettingsError
from deepsport.testbed.draw import draw_clip
from deepsport.testbed.match import SPORTS, plan_match, read_matches, write_matches
from deepsport.testbed.tasks import CHANCE, make_tasks, split_tasks

pytestmark = pytest.mark.train

PLANNED = [plan_match(5, number) for number in range(60)]


def test_a_match_depends_on_seed_and_number_only():
    assert plan_match(3, 7) == plan_match(3, 7)
    assert plan_match(3, 7) != plan_match(4, 7)
    assert plan_match(3, 7).clips != plan_match(3, 10).clips


def test_every_event_lies_between_two_of_the_first_frames():
    for match in PLANNED:
        for clip in match.clips:
            first = np.linspace(0, clip.frames - 1, 8).astype(int)
            inside = (first >= clip.event.start_frame) & (first < clip.event.stop_frame)
            assert not inside.any()
            assert 0 < clip.event.start_frame < clip.event.stop_frame < clip.frames


def test_the_frame_tool_does_not_see_the_event_at_first():
    from deepsport.protocol import uniform_indices

    for match in PLANNED:
        for clip in match.clips:
            shown = uniform_indices(clip.frames, 8)
            event = range(clip.event.start_frame, clip.event.stop_frame)
            assert not any(int(index) in event for index in shown)


def test_clips_too_short_to_hide_an_event_are_refused():
    with pytest.raises(SettingsError, match="too short"):
        plan_match(0, 0, seconds=10.0)


def test_annotations_are_read_as_they_were_written(tmp_path):
    write_matches(tmp_path / "matches.jsonl", PLANNED)
    assert list(read_matches(tmp_path / "matches.jsonl")) == PLANNED


def test_a_line_that_is_no_match_is_named(tmp_path):
    (tmp_path / "matches.jsonl").write_text('{"schema": "other"}\n')
    with pytest.raises(RecordFormatError, match="line 1"):
        list(read_matches(tmp_path / "matches.jsonl"))


@pytest.mark.parametrize("number", range(3))
def test_the_three_sports_look_different_and_the_close_up_shows(number):
    match = plan_match(1, number)
    clip = match.clips[0]
    frames = list(draw_clip(match.sport, clip))
    assert len(frames) == clip.frames
    assert frames[0].dtype == np.uint8
    board = [frame[:20, :20].mean() for frame in frames]
    # dark before the score changes, bright from then on
    assert max(board[: clip.event.stop_frame]) < min(board[clip.event.stop_frame :])
    middle = (clip.event.start_frame + clip.event.stop_frame) // 2
    field = [frames[i][60:].mean(axis=(0, 1)) for i in (0, middle)]
    assert np.abs(field[0] - field[1]).max() > 20


def test_fields_of_the_sports_differ():
    means = {
        sport: next(draw_clip(sport, PLANNED[0].clips[0]))[60:].mean(axis=(0, 1))
        for sport in SPORTS
    }
    for one in SPORTS:
        for other in SPORTS:
            assert one == other or np.abs(means[one] - means[other]).max() > 20


def test_a_film_is_the_same_to_the_byte_and_real_video(tmp_path):
    av = pytest.importorskip("av", reason="PyAV is not installed")
    from deepsport.testbed.film import GOP_FRAMES, write_film

    match = plan_match(2, 0)
    clip = match.clips[0]
    for name in ("a.mp4", "b.mp4"):
        assert write_film(tmp_path / name, draw_clip(match.sport, clip), clip.fps) == clip.frames
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        pictures = [(frame.pict_type, frame.key_frame) for frame in container.decode(stream)]
    assert stream.codec_context.name == "h264"
    assert len(pictures) == clip.frames
    assert any(kind == av.video.frame.PictureType.B for kind, _ in pictures)
    keys = [i for i, (_, key) in enumerate(pictures) if key]
    assert keys == list(range(0, clip.frames, GOP_FRAMES))


def test_questions_are_split_by_match_and_balanced():
    tasks = split_tasks(make_tasks(PLANNED), seed=0)
    by_match = {}
    for task in tasks:
        by_match.setdefault(task.group, set()).add(task.split)
    assert all(len(splits) == 1 for splits in by_match.values())
    assert {task.split for task in tasks} == {"train", "validation", "test"}
    for split in ("train", "test"):
        for family in ("who", "flag", "figures"):
            answers = Counter(
                task.truth.labels or task.truth.value
                for task in tasks
                if (task.split, task.family) == (split, family)
            )
            assert len(set(answers.values())) == 1, (split, family, answers)
            assert len(answers) == round(1 / CHANCE[family])


def test_the_best_constant_frame_answers_few_times():
    tasks = [task for task in make_tasks(PLANNED) if task.family == "when"]
    best = max(
        np.mean([abs(t.truth.value - frame) <= t.truth.tolerance for t in tasks])
        for frame in range(320)
    )
    assert best < CHANCE["when"]


def test_simulate_resumes_and_refuses_a_folder_of_other_settings(tmp_path):
    pytest.importorskip("av", reason="PyAV is not installed")
    from deepsport.testbed.simulate import simulate

    planned = simulate(tmp_path, matches=1, seed=0, clips=1)
    film = tmp_path / planned[0].clips[0].path
    written = film.stat().st_mtime_ns
    assert simulate(tmp_path, matches=1, seed=0, clips=1) == planned
    assert film.stat().st_mtime_ns == written
    with pytest.raises(SettingsError, match="other settings"):
        simulate(tmp_path, matches=1, seed=1, clips=1)
