"""Judges, withheld frames and the class of a task, over a real HTTP server."""

from __future__ import annotations

import dataclasses
import json

import pytest

from deepsport.cli.main import main
from deepsport.distil import FilterSettings, preset
from deepsport.distil.first_frames import classify, solved_at_first
from deepsport.distil.job import filter_job, open_journal
from deepsport.distil.judge import judge_job, read_opinions
from deepsport.distil.judge_prompt import read_verdict, truth_text
from deepsport.distil.settings import TeacherSettings
from deepsport.errors import SettingsError
from deepsport.task import Kind, Span, Task, Truth
from deepsport.tool import ToolSettings
from fake_teacher import ANSWER, LOOK, FakeTeacher, Refuse, Say, look_then_answer
from flat_videos import FlatVideos
from test_distil_engine import QUICK, make_tasks, run

pytest.importorskip("openai", reason="the extra [distil] is not installed")


def verdict(**fields):
    return Say("Let me see. " + json.dumps({**fields, "why": "so"}))


def judge(server, job, wanted="paper-v1", **more):
    settings = TeacherSettings(server.url, "judge", max_tokens=50)
    wanted = preset(wanted) if isinstance(wanted, str) else wanted
    return judge_job(job, settings, wanted, source=FlatVideos(), pace=QUICK, **more)


def played(tmp_path, tasks=2, script=None, **more):
    with FakeTeacher(script) as server:
        run(server, tmp_path, tasks, **more)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"score": 0.5}', 0.5),
        ('Thinking {"score": 0} ... finally:\n```json\n{"score": 1, "why": "x"}\n```', 1.0),
        ('{"score": true}', None),
        ('{"score": 7}', None),
        ('{"score": "1"}', None),
        ('{"score": 0.5', None),
        ("{" * 5000, None),
        ("no", None),
    ],
)
def test_the_last_valid_score_of_a_reply_counts(text, found):
    assert read_verdict(text, "score", float) == found


def test_the_judge_sees_question_truth_and_answer_and_decides(tmp_path):
    job = played(tmp_path)
    script = lambda asked: verdict(score=1.0 if "Question 0" in asked.text else 0.0)
    with FakeTeacher(script) as server:
        summary = judge(server, job, samples=2)
        assert (summary.asked_about, summary.judged, len(server.asked)) == (2, 2, 4)
        assert judge(server, job, samples=2).judged == 2
        assert len(server.asked) == 4
    assert "Right answer: <<<B. far>>>" in server.asked[0].text
    assert "Answer to check: <<<B>>>" in server.asked[0].text
    kept, funnel = filter_job(job, preset("paper-v1"))
    assert [t.task_id for t in kept] == ["t0"]
    assert funnel.reasons == {"judge_says_wrong": 1}


def test_an_unreadable_verdict_is_asked_for_again_and_is_never_a_zero(tmp_path):
    job = played(tmp_path, 1)
    with FakeTeacher(lambda asked: Say("I would say it is right.")) as server:
        summary = judge(server, job)
    assert len(server.asked) == 3
    assert summary.unread == {"score": 1}
    assert read_opinions(job)["t0", 0].scores == ()
    assert filter_job(job, preset("paper-v1"))[1].reasons == {"not_judged": 1}


def test_a_judge_that_is_down_leaves_no_opinion(tmp_path):
    job = played(tmp_path, 1)
    with FakeTeacher(lambda asked: Refuse(400, message="too long")) as server:
        summary = judge(server, job)
        assert summary.unread == {"score": 1}
        server.script = lambda asked: verdict(score=1)
        assert judge(server, job).judged == 1


def test_what_other_filters_reject_is_not_judged(tmp_path):
    job = played(tmp_path, 2, look_then_answer("A"))  # wrong by the deterministic score
    with FakeTeacher() as server:
        assert judge(server, job, "paper-v2").asked_about == 0
    assert server.asked == []


def test_paper_v2_asks_for_vision_only_where_the_text_is_right(tmp_path):
    tasks = [dataclasses.replace(t, evidence=(Span(1.5, 2.0),)) for t in make_tasks(2)]
    job = played(tmp_path, tasks)

    def script(asked):
        if asked.images:
            return verdict(supported=True)
        return verdict(score=1, logic="Question 0" in asked.text)

    with FakeTeacher(script) as server:
        summary = judge(server, job, "paper-v2")
        assert judge(server, job, "paper-v2").judged == 2
    assert summary.judged == 2
    looks = [asked for asked in server.asked if asked.images]
    assert len(looks) == 1
    assert looks[0].images == 8  # those of the window, not the first ones
    kept, funnel = filter_job(job, preset("paper-v2"))
    assert [t.task_id for t in kept] == ["t0"]
    assert funnel.reasons == {"judge_rejects_logic": 1}


def test_an_answer_that_stays_the_same_without_the_frames_is_not_grounded(tmp_path):
    job = played(tmp_path / "job", 2)
    # without the tool the teacher is right on the first task by chance
    blind = lambda asked: Say(ANSWER % ("B" if "Question 0" in asked.text else "A"))
    other = played(tmp_path / "blind", 2, blind, tool=ToolSettings(max_calls=0))
    wanted = FilterSettings(require_withheld_change=True)
    kept, funnel = filter_job(job, wanted, withheld=other)
    assert [t.task_id for t in kept] == ["t1"]
    assert funnel.reasons == {"frames_not_needed": 1}


def test_the_class_of_a_task_is_stored_with_who_said_so(tmp_path):
    right = {"Question 0": {0, 1, 2}, "Question 1": {3}, "Question 2": set()}

    def script(asked):
        name = next(name for name in right if name in asked.text)
        return Say(ANSWER % ("B" if asked.body["seed"] in right[name] else "A"))

    tasks = make_tasks(4)
    job = played(tmp_path, tasks[:3], script, tool=ToolSettings(max_calls=0), attempts=4)
    with open_journal(job, read_only=True) as journal:
        found = classify(tasks, journal.trajectories())
    assert [solved_at_first(task) for task in found] == [True, False, False, None]
    said = found[0].provenance["first_frames"]
    assert (said["right"], said["of"], said["model"]) == (3, 4, "fake")
    assert said["settings"]["tool"]["max_calls"] == 0
    assert found[0].content_hash == tasks[0].content_hash
    assert Task.from_json(found[0].to_json()) == found[0]


def test_attempts_that_looked_say_nothing_about_the_first_frames(tmp_path):
    job = played(tmp_path, 1)
    with open_journal(job, read_only=True) as journal, pytest.raises(SettingsError, match="looked"):
        classify(make_tasks(1), journal.trajectories())


def test_the_right_answer_in_words():
    base = make_tasks(1)[0]
    number = Truth(value=3.5, tolerance=0.5, unit="s")
    spans = Truth(spans=(Span(1, 2.5),))
    assert truth_text(base) == "B. far"
    assert (
        truth_text(dataclasses.replace(base, kind=Kind.NUMBER, truth=number))
        == "3.5 s (within 0.5)"
    )
    assert truth_text(dataclasses.replace(base, kind=Kind.INTERVAL, truth=spans)) == "1-2.5 s"


def test_filter_explains_plots_and_counts_on_the_command_line(tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the extra [distil] is not installed")
    script = lambda asked: (
        Say(LOOK % (10, 30))
        if asked.turn == 0
        else Say(ANSWER % ("AB"["Question 0" in asked.text]))
    )
    job = played(tmp_path / "job", 3, script)
    picture = tmp_path / "funnel.svg"
    assert main(["distil", "filter", str(job), "--explain", "--plot", str(picture)]) == 0
    text = capsys.readouterr().out
    assert "-2 wrong_answer" in text
    assert "t1#0: 'A' scores 0, at least 1" in text
    assert "wrong_answer" in picture.read_text()
    assert main(["distil", "filter", str(job), "--json", "--set", "min_calls=2"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["entered"], record["kept"]) == (3, 0)
    assert record["filters"]["min_calls"] == 2
    assert main(["distil", "filter", str(job), "--set", "min_cals=2"]) == 1
    assert "unknown filter settings" in capsys.readouterr().err


def test_classify_on_the_command_line(tmp_path, capsys):
    job = played(
        tmp_path / "job", 2, lambda asked: Say(ANSWER % "B"), tool=ToolSettings(max_calls=0)
    )
    out = tmp_path / "classified.jsonl"
    assert main(["distil", "classify", str(job), "--out", str(out)]) == 0
    assert "2 solved from the first frames, 0 not, 0 unknown" in capsys.readouterr().out
