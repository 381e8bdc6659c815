"""The distillation engine against a real HTTP server that misbehaves in every known way."""

from __future__ import annotations

import dataclasses
import json
import sqlite3

import pytest

from deepsport.distil.engine import distil
from deepsport.distil.journal import Journal
from deepsport.distil.settings import Budget, DistilSettings, PaceSettings, TeacherSettings
from deepsport.errors import SettingsError
from deepsport.task import Kind, Media, Task, Truth
from deepsport.tool import ToolSettings
from deepsport.trajectory import Status
from fake_teacher import ANSWER, LOOK, Cut, FakeTeacher, Hang, Raw, Refuse, Say, look_then_answer
from flat_videos import FlatVideos

pytest.importorskip("openai", reason="the extra [distil] is not installed")

QUICK = PaceSettings(
    backoff_seconds=0.01, max_backoff_seconds=0.02, breaker_seconds=0.05, max_tries=4
)


def make_tasks(number, path="clip.mp4"):
    return [
        Task(
            task_id=f"t{i}",
            kind=Kind.CHOICE,
            question=f"Question {i}: which side wins?",
            truth=Truth(labels=("B",)),
            media=(Media(path),),
            options=("near", "far"),
            source="made",
        )
        for i in range(number)
    ]


def run(server, tmp_path, tasks=1, *, pace=QUICK, teacher=None, attempts=1, tool=None, **more):
    """Run a job and return its summary and trajectories by (task, attempt)."""
    tasks = make_tasks(tasks) if isinstance(tasks, int) else tasks
    settings = DistilSettings(
        TeacherSettings(**{"base_url": server.url, "model": "fake", **(teacher or {})}),
        tool or ToolSettings(),
        attempts,
    )
    source = more.pop("source", None) or FlatVideos()
    summary = distil(tasks, settings, out=tmp_path, source=source, pace=pace, **more)
    with Journal(tmp_path / "journal.sqlite") as journal:
        return summary, {(t.task_id, t.attempt): t for t in journal.trajectories()}


def only(result):
    summary, trajectories = result
    assert len(trajectories) == 1, summary
    return next(iter(trajectories.values()))


def first_then(first, times=1, then=None):
    """Do `first` for the first `times` requests of each key, then the good thing."""
    good = then or look_then_answer()
    return lambda asked: first if asked.seen_before < times else good(asked)


def rows(tmp_path, query="SELECT outcome, count(*) FROM request GROUP BY outcome"):
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:
        return dict(db.execute(query).fetchall())


def test_a_teacher_looks_and_answers(tmp_path):
    with FakeTeacher() as server:
        summary, trajectories = run(server, tmp_path, 3)
    assert summary.ended == summary.kept == 3
    t = trajectories["t1", 0]
    assert (t.status, t.answer, t.windows) == (Status.ANSWERED, "B", ((10, 30),))
    assert t.usage["prompt_tokens"] == 200
    assert t.usage["completion_tokens"] == 20
    assert [turn.role for turn in t.turns] == ["system", "user", "assistant", "tool", "assistant"]
    assert t.settings["teacher"]["model"] == "fake"
    assert {asked.images for asked in server.asked if asked.turn == 1} == {16}


def test_text_protocol_frames_are_jpeg_data_urls_in_the_order_of_their_labels(tmp_path):
    with FakeTeacher() as server:
        run(server, tmp_path)
    parts = server.asked[0].body["messages"][1]["content"]
    assert parts[0] == {"type": "text", "text": "frame 0: "}
    assert parts[1]["image_url"]["url"].startswith("data:image/jpeg;base64,/9j/")
    assert [p["type"] for p in parts[:16]] == ["text", "image_url"] * 8
    observation = server.asked[1].body["messages"][-1]
    assert observation["role"] == "user"


@pytest.mark.parametrize("mode", ["user", "tool"])
def test_native_tool_calls_are_written_in_the_form_of_the_student(tmp_path, mode):
    def script(asked):
        if asked.turn == 0:
            call = ("choose_frames", '{"start_frame": 10, "end_frame": 30}')
            return Say("The serve is later.", calls=(call,))
        return Say("Now it is clear.\n<answer>B</answer>")

    with FakeTeacher(script) as server:
        t = only(run(server, tmp_path, teacher={"protocol": "tools", "tool_image_mode": mode}))
    assert t.status is Status.ANSWERED
    assert t.replies[0] == LOOK.replace("I look closer.", "The serve is later.") % (10, 30)
    assert t.replies[1] == "<think>Now it is clear.</think><answer>B</answer>"
    first, second = (asked.body for asked in server.asked)
    assert first["tools"][0]["function"]["name"] == "choose_frames"
    tool = next(m for m in second["messages"] if m["role"] == "tool")
    if mode == "tool":
        assert sum(p["type"] == "image_url" for p in tool["content"]) == 8
    else:
        assert isinstance(tool["content"], str)
        assert sum(p["type"] == "image_url" for p in second["messages"][-1]["content"]) == 8


@pytest.mark.parametrize("stream", [False, True])
def test_parallel_calls_are_answered_in_their_order(tmp_path, stream):
    def script(asked):
        if asked.turn == 0:
            calls = [f'{{"start_frame": {s}, "end_frame": {s + 9}}}' for s in (10, 40, 70)]
            return Say(reasoning="Three places.", calls=tuple(("choose_frames", c) for c in calls))
        return Say("<answer>B</answer>", reasoning="The second shows it.")

    with FakeTeacher(script) as server:
        t = only(run(server, tmp_path, teacher={"protocol": "tools", "stream": stream}))
    assert t.windows == ((10, 19), (40, 49), (70, 79))
    assert t.usage["parallel_calls"] == 2
    assert t.replies[0].startswith("<think>Three places.</think>")
    messages = server.asked[1].body["messages"]
    assert [m["role"] for m in messages] == ["system", "user", "assistant", *["tool"] * 3, "user"]
    assert [m["tool_call_id"] for m in messages[3:6]] == ["call_0", "call_1", "call_2"]
    labels = [p["text"].split("\n")[0] for p in messages[-1]["content"] if p["type"] == "text"]
    assert [x for x in labels if x.startswith("Frames")] == [
        "Frames between 10 and 19:",
        "Frames between 40 and 49:",
        "Frames between 70 and 79:",
    ]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Refuse(500), "server"),
        (Refuse(503, message="overloaded"), "server"),
        (Refuse(429), "throttled"),
        (Cut(), None),
        (Raw(b"<html>gateway</html>"), "broken_reply"),
        (Raw(b'{"choices": []}'), "broken_reply"),
    ],
)
def test_a_passing_fault_costs_a_request_and_nothing_else(tmp_path, fault, outcome, stream):
    with FakeTeacher(first_then(fault)) as server:
        t = only(run(server, tmp_path, teacher={"stream": stream}))
    assert t.status is Status.ANSWERED
    outcomes = rows(tmp_path)
    assert outcomes.pop("replied") == 2
    assert sum(outcomes.values()) == 2
    assert outcome is None or set(outcomes) == {outcome}
    assert len(server.asked) == 4


def test_a_timeout_is_tried_again(tmp_path):
    good = look_then_answer()
    script = lambda asked: Hang() if asked.number == 0 else good(asked)
    with FakeTeacher(script) as server:
        t = only(run(server, tmp_path, teacher={"timeout_seconds": 3}))
    assert t.status is Status.ANSWERED
    outcomes = rows(tmp_path)
    assert outcomes.pop("replied") == 2
    assert set(outcomes) == {"timeout"}


def test_a_request_that_always_fails_is_a_fault_and_not_the_teachers(tmp_path):
    with FakeTeacher(lambda asked: Refuse(500, message="out of order")) as server:
        t = only(run(server, tmp_path))
    assert t.status is Status.FAULT
    assert t.fault.kind == "network"
    assert "out of order" in t.fault.message
    assert len(server.asked) == QUICK.max_tries


def test_a_refused_picture_is_not_asked_again(tmp_path):
    refusal = Refuse(400, message="image too large", code="invalid_image")
    with FakeTeacher(lambda asked: refusal) as server:
        t = only(run(server, tmp_path))
    assert t.status is Status.FAULT
    assert "image too large" in t.fault.message
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (("choose_frames", '{"start_frame": 10, "end_'), "JSON_MALFORMED"),
        (("zoom", '{"x": 1}'), "ACTION_UNKNOWN"),
        (("choose_frames", '{"start_frame": "ten", "end_frame": 20}'), "RANGE_"),
        (("choose_frames", "[1, 2]"), ""),
    ],
)
def test_a_bad_native_call_is_explained_once_and_then_ends_the_attempt(tmp_path, call, reason):
    script = lambda asked: Say("Let me look.", calls=(call,))
    with FakeTeacher(script) as server:
        t = only(run(server, tmp_path, teacher={"protocol": "tools"}))
    assert t.status is Status.MALFORMED
    assert len(server.asked) == 2
    told = next(m for m in server.asked[1].body["messages"] if m["role"] == "tool")
    assert told["content"]
    sent_back = server.asked[1].body["messages"][2]["tool_calls"][0]["function"]["arguments"]
    assert isinstance(json.loads(sent_back), dict)  # chat templates must be able to read it


def test_a_window_out_of_range_is_explained_and_may_be_mended(tmp_path):
    windows = {0: (500, 600), 1: (20, 40)}
    script = lambda asked: Say(
        LOOK % windows[asked.turn] if asked.turn in windows else ANSWER % "B"
    )
    with FakeTeacher(script) as server:
        t = only(run(server, tmp_path))
    assert t.status is Status.ANSWERED
    assert t.calls[0].rejected
    assert t.windows == ((20, 40),)
    assert t.calls[0].rejected in server.asked[1].text


def test_endless_looking_ends_at_the_budget_of_calls(tmp_path):
    script = lambda asked: Say(LOOK % (asked.turn * 5, asked.turn * 5 + 20))
    with FakeTeacher(script) as server:
        t = only(run(server, tmp_path, tool=ToolSettings(max_calls=3)))
    assert t.status is Status.BUDGET
    assert len(server.asked) == 5


def test_an_answer_without_tags_is_malformed_after_one_explanation(tmp_path):
    with FakeTeacher(lambda asked: Say("The answer is B.")) as server:
        t = only(run(server, tmp_path))
    assert t.status is Status.MALFORMED
    assert len(server.asked) == 2


def test_a_reply_cut_by_the_token_limit_is_truncated(tmp_path):
    with FakeTeacher(lambda asked: Say("<think>First", finish="length")) as server:
        t = only(run(server, tmp_path))
    assert t.status is Status.TRUNCATED


def test_a_thought_opened_by_the_chat_template_gets_its_tag_back(tmp_path):
    script = lambda asked: Say("It is far.</think><answer>B</answer>")
    with FakeTeacher(script) as server:
        assert only(run(server, tmp_path)).status is Status.ANSWERED


def test_a_video_that_cannot_be_read_is_a_decode_fault_and_costs_no_request(tmp_path):
    tasks = [
        dataclasses.replace(make_tasks(1)[0], task_id=name, media=(Media(f"{name}.mp4"),))
        for name in ("missing", "corrupt", "fine")
    ]
    with FakeTeacher() as server:
        summary, trajectories = run(server, tmp_path, tasks)
    assert trajectories["missing", 0].fault.kind == "decode"
    assert trajectories["corrupt", 0].fault.kind == "decode"
    assert trajectories["fine", 0].status is Status.ANSWERED
    assert summary.reasons == {"fault_decode": 2}
    assert len(server.asked) == 2


def test_several_attempts_have_their_own_seed_and_replies(tmp_path):
    with FakeTeacher() as server:
        _, trajectories = run(server, tmp_path, 2, attempts=3)
    assert len(trajectories) == 6
    assert {asked.body["seed"] for asked in server.asked} == {0, 1, 2}


def test_a_finished_job_run_again_sends_nothing(tmp_path):
    with FakeTeacher() as server:
        run(server, tmp_path, 3)
        before = len(server.asked)
        summary, _ = run(server, tmp_path, 3)
    assert len(server.asked) == before
    assert (summary.ended, summary.played) == (3, 0)


def test_more_attempts_are_added_to_a_finished_job(tmp_path):
    with FakeTeacher() as server:
        run(server, tmp_path, 2)
        summary, trajectories = run(server, tmp_path, 2, attempts=2)
    assert summary.played == 2
    assert set(trajectories) == {("t0", 0), ("t0", 1), ("t1", 0), ("t1", 1)}


def test_a_job_stopped_by_its_budget_goes_on_without_asking_twice(tmp_path):
    with FakeTeacher() as server:
        summary, _ = run(server, tmp_path, 5, budget=Budget(max_requests=7))
        assert summary.totals["requests"] == len(server.asked) == 7
        assert "at most 7" in summary.stopped
        summary, trajectories = run(server, tmp_path, 5)
    assert summary.stopped == ""
    assert len(trajectories) == 5
    assert len(server.asked) == len({asked.key for asked in server.asked}) == 10


def test_cost_stays_below_its_limit(tmp_path):
    # 100 tokens in and 10 out cost 120 millionths; 5 tasks of two requests would cost 1.2e-3
    teacher = {"prompt_price": 1.0, "completion_price": 2.0, "max_tokens": 10}
    with FakeTeacher() as server:
        summary, _ = run(server, tmp_path, 5, teacher=teacher, budget=Budget(max_cost=1e-3))
    assert "at most $0.0010" in summary.stopped
    assert summary.totals["cost"] == pytest.approx(len(server.asked) * 120e-6)
    assert 0 < summary.totals["cost"] <= 1e-3


def test_a_limit_of_cost_without_prices_is_refused(tmp_path):
    with FakeTeacher() as server, pytest.raises(SettingsError, match="prompt_price"):
        run(server, tmp_path, budget=Budget(max_cost=1))


def test_a_wrong_key_stops_the_run_before_any_fault_is_recorded(tmp_path):
    with FakeTeacher(lambda asked: Refuse(401, message="bad key")) as server:
        summary, trajectories = run(server, tmp_path, 50)
    assert "refuses every request" in summary.stopped
    assert trajectories == {}
    assert len(server.asked) <= QUICK.start_concurrency + 1


def test_an_outage_stops_the_run_and_it_can_be_continued(tmp_path):
    pace = dataclasses.replace(QUICK, max_outage_seconds=0.5, breaker_failures=3)
    down = {"now": True}
    good = look_then_answer()
    with FakeTeacher(lambda asked: Refuse(502) if down["now"] else good(asked)) as server:
        summary, trajectories = run(server, tmp_path, 6, pace=pace)
        assert "has not answered" in summary.stopped
        assert all(t.status is not Status.ANSWERED for t in trajectories.values())
        down["now"] = False
        summary, trajectories = run(server, tmp_path, 6, pace=pace, retry_faults=True)
    assert summary.stopped == ""
    assert {t.status for t in trajectories.values()} == {Status.ANSWERED}


def test_faults_are_played_again_when_asked(tmp_path):
    down = {"now": True}
    good = look_then_answer()
    with FakeTeacher(lambda asked: Refuse(400) if down["now"] else good(asked)) as server:
        run(server, tmp_path, 2)
        down["now"] = False
        summary, _ = run(server, tmp_path, 2)
        assert summary.played == 0
        _, trajectories = run(server, tmp_path, 2, retry_faults=True)
    assert {t.status for t in trajectories.values()} == {Status.ANSWERED}


def test_another_teacher_or_another_task_in_the_same_folder_is_refused(tmp_path):
    with FakeTeacher() as server:
        run(server, tmp_path, 1)
        with pytest.raises(SettingsError, match=r"temperature was 0\.7 and is 0\.1"):
            run(server, tmp_path, 1, teacher={"temperature": 0.1})
        changed = [dataclasses.replace(make_tasks(1)[0], question="Something else?")]
        with pytest.raises(SettingsError, match="another content"):
            run(server, tmp_path, changed)


def test_a_full_disk_stops_the_run_with_what_was_written_intact(tmp_path, monkeypatch):
    class Small(Journal):
        def __init__(self, path):
            super().__init__(path)
            self._db.execute("PRAGMA max_page_count=30")

    monkeypatch.setattr("deepsport.distil.engine.Journal", Small)
    with FakeTeacher() as server:
        summary, before = run(server, tmp_path, 40)
        assert "cannot be written" in summary.stopped
        assert "full" in summary.stopped
        assert 0 < len(before) < 40
        monkeypatch.undo()
        summary, trajectories = run(server, tmp_path, 40)
    assert summary.stopped == ""
    assert len(trajectories) == 40
    assert all(trajectories[key] == t for key, t in before.items())


def test_two_processes_cannot_write_one_journal(tmp_path):
    with Journal(tmp_path / "j.sqlite"), pytest.raises(SettingsError, match="another process"):
        Journal(tmp_path / "j.sqlite")


def test_the_key_is_sent_and_written_nowhere(tmp_path, monkeypatch, caplog, capfd):
    secret = "sk-very-secret-0123456789"
    monkeypatch.setenv("MY_TEACHER_KEY", secret)
    caplog.set_level("DEBUG")
    good = look_then_answer()

    def script(asked):
        if asked.seen_before == 0:
            return Refuse(500, message=f"key {asked.headers['authorization']} met a bug")
        if asked.turn == 1:
            return Refuse(400, message=f"not with {secret}")
        return good(asked)

    with FakeTeacher(script) as server:
        t = only(run(server, tmp_path, teacher={"api_key_env": "MY_TEACHER_KEY"}))
    assert server.asked[0].headers["authorization"] == f"Bearer {secret}"
    assert "[key]" in t.fault.message
    for path in tmp_path.iterdir():
        assert secret.encode() not in path.read_bytes(), path
    assert secret not in "".join(capfd.readouterr())
    assert secret not in "\n".join(str(record.__dict__) for record in caplog.records)


def test_an_address_with_a_password_is_refused_without_repeating_it():
    with pytest.raises(SettingsError, match="plain address") as error:
        TeacherSettings("https://me:hunter2@host/v1", "m")
    assert "hunter2" not in str(error.value)


def test_decoding_has_its_own_bound_and_does_not_hold_up_requests(tmp_path):
    source = FlatVideos(delay=0.01)
    pace = dataclasses.replace(QUICK, start_concurrency=16, decode_threads=2)
    slow = lambda asked: Say(ANSWER % "B", delay=0.05)
    with FakeTeacher(slow) as server:
        summary, _ = run(server, tmp_path, 40, pace=pace, source=source)
    assert summary.ended == 40
    assert source.most_threads == 2
    assert server.most_in_flight >= 4


def test_concurrency_rises_with_success_and_falls_on_429(tmp_path):
    pace = dataclasses.replace(QUICK, start_concurrency=1, max_concurrency=32)
    limit = {"most": 0}
    good = look_then_answer()

    def script(asked):
        if server.in_flight > 6:
            limit["most"] += 1
            return Refuse(429)
        return dataclasses.replace(good(asked), delay=0.01)

    with FakeTeacher(script) as server:
        summary, _ = run(server, tmp_path, 60, pace=pace)
    assert summary.ended == 60
    assert server.most_in_flight > 2
    # 120 requests are replied to; without a falling limit far more would have been refused
    assert limit["most"] < 60
