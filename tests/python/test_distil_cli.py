"""`deepsport distil` as a user runs it: real clip, real server, real processes, real kills."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter

import pytest

from clips import make_clip
from deepsport.cli.main import main
from deepsport.distil.journal import Journal
from deepsport.task import write_tasks
from deepsport.trajectory import Status
from fake_teacher import Cut, FakeTeacher, Refuse, look_then_answer
from test_distil_engine import make_tasks

pytest.importorskip("openai", reason="the extra [distil] is not installed")


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    make_clip("h264-no-b", folder)
    return folder


def command(server, tmp_path, media, number, *more):
    tasks = tmp_path / "tasks.jsonl"
    write_tasks(tasks, make_tasks(number, "h264-no-b.mp4"))
    return [
        "distil", "run", str(tasks), "--out", str(tmp_path / "job"), "--media", str(media),
        "--base-url", server.url, "--model", "fake", *more,
    ]  # fmt: skip


def test_run_and_status_say_what_was_done_and_spent(tmp_path, media, capsys):
    with FakeTeacher() as server:
        line = command(server, tmp_path, media, 2, "--prompt-price", "1", "--completion-price", "2")
        assert main([*line, "--tool", "frames_per_call=4"]) == 0
        assert main(["distil", "status", str(tmp_path / "job"), "--json"]) == 0
    *human, record = capsys.readouterr().out.strip().splitlines()
    assert human[0].startswith("2 of 2 attempts ended, 2 of them now; 2 of these would be kept")
    status = json.loads(record)
    assert status["ended"] == {"answered": 2}
    assert status["totals"]["cost"] == pytest.approx(4 * (100 * 1 + 10 * 2) / 1e6)
    assert {asked.images for asked in server.asked} == {8, 12}


def test_a_stopped_run_exits_with_one_and_says_why(tmp_path, media, capsys):
    with FakeTeacher() as server:
        line = command(server, tmp_path, media, 3, "--max-requests", "2")
        assert main(line) == 1
    assert "at most 2" in capsys.readouterr().err


def test_fields_an_endpoint_does_not_take_are_left_out_and_others_added(tmp_path, media):
    with FakeTeacher() as server:
        line = command(server, tmp_path, media, 1, "--temperature", "none", "--max-tokens", "none")
        extra = '{"max_completion_tokens": 50, "top_k": 20}'
        assert main([*line, "--seed", "none", "--extra", extra]) == 0
    body = server.asked[0].body
    assert set(body) == {"model", "messages", "max_completion_tokens", "top_k"}
    with pytest.raises(SystemExit):
        main([*line, "--extra", "[1]"])


def test_a_folder_without_a_job_is_named(tmp_path, capsys):
    assert main(["distil", "status", str(tmp_path)]) == 1
    assert "has no journal.sqlite" in capsys.readouterr().err


def start(line):
    return subprocess.Popen(
        [sys.executable, "-m", "deepsport", *line],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def wait_for_requests(server, number, process, seconds=300):
    deadline = time.monotonic() + seconds
    while len(server.asked) < number:
        assert process.poll() is None, process.stdout.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def check_against_the_log(server, journal_path):
    """The ledger and the server's own log must tell the same story, request by request."""
    with sqlite3.connect(journal_path) as db:
        rows = db.execute(
            "SELECT key, outcome, prompt_tokens, completion_tokens FROM request"
        ).fetchall()
    sent, seen = Counter(row[0] for row in rows), Counter(entry.key for entry in server.log)
    lost = Counter(row[0] for row in rows if row[1] == "lost")
    # the server saw no request that is not in the ledger; what it did not see was lost in a kill
    assert not seen - sent
    assert not (sent - seen) - lost
    # replies: what came through is what the server delivered, less what a kill swallowed
    delivered = Counter(e.key for e in server.log if e.what == "Say" and e.delivered)
    replied = Counter(row[0] for row in rows if row[1] == "replied")
    assert max(replied.values()) == 1
    assert not replied - delivered
    assert not (delivered - replied) - lost
    swallowed = delivered - replied
    price = {e.key: (e.prompt_tokens, e.completion_tokens) for e in server.log if e.what == "Say"}
    for column in (0, 1):
        in_ledger = sum(row[2 + column] for row in rows)
        by_server = sum(
            (e.prompt_tokens, e.completion_tokens)[column] for e in server.log if e.delivered
        )
        assert in_ledger == by_server - sum(price[k][column] * n for k, n in swallowed.items())
    return lost


def kill_and_resume(tmp_path, media, number, kills, script):
    with FakeTeacher(script) as server:
        line = command(server, tmp_path, media, number, "--max-concurrency", "16")
        for kill in range(kills):
            with start(line) as process:
                wait_for_requests(server, (kill + 1) * number // 2, process)
                process.send_signal(signal.SIGKILL)
        with start(line) as process:
            output = process.communicate(timeout=550)[0].decode()
        assert process.returncode == 0, output
        before = len(server.asked)
        with start(line) as process:  # a finished job, run again
            assert "0 of them now" in process.communicate(timeout=300)[0].decode()
        assert len(server.asked) == before
    with Journal(tmp_path / "job" / "journal.sqlite") as journal:
        trajectories = list(journal.trajectories())
    assert len({t.task_id for t in trajectories}) == len(trajectories) == number
    lost = check_against_the_log(server, tmp_path / "job" / "journal.sqlite")
    assert lost.total() <= kills * 16
    return trajectories


def test_a_job_killed_in_the_middle_ends_every_task_once(tmp_path, media):
    script = look_then_answer()

    def slow(asked):
        reply = script(asked)
        reply.delay = 0.02
        return reply

    trajectories = kill_and_resume(tmp_path, media, 40, 1, slow)
    assert {t.status for t in trajectories} == {Status.ANSWERED}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_tasks_with_faults_and_three_kills_end_once_and_the_books_agree(tmp_path, media):
    chance = random.Random(0)
    good = look_then_answer()
    faults = [Refuse(429, {"retry-after": "0.05"}), Refuse(500), Cut(), Refuse(503)]

    def script(asked):
        if chance.random() < 0.05:
            return chance.choice(faults)
        reply = good(asked)
        own = random.Random(asked.key)  # equal requests cost the same
        reply.prompt_tokens, reply.completion_tokens = own.randint(50, 500), own.randint(5, 90)
        reply.delay = 0.005
        return reply

    trajectories = kill_and_resume(tmp_path, media, 1000, 3, script)
    assert {t.status for t in trajectories} == {Status.ANSWERED}


def test_ctrl_c_finishes_what_is_in_flight(tmp_path, media):
    good = look_then_answer()

    def slow(asked):
        reply = good(asked)
        reply.delay = 0.3
        return reply

    with (
        FakeTeacher(slow) as server,
        start(command(server, tmp_path, media, 30, "--max-concurrency", "4")) as process,
    ):
        wait_for_requests(server, 6, process)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=300)[0].decode()
    assert process.returncode == 1, output
    assert "interrupted" in output
    with Journal(tmp_path / "job" / "journal.sqlite") as journal:
        totals = journal.totals()
    assert totals["lost"] == totals["failed"] == 0
    assert totals["requests"] == totals["replied"] == len(server.asked) < 60
