"""The same unit under Ray Data: two workers, one of them killed in the middle."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from clips import make_clip
from deepsport.distil.job import open_journal
from deepsport.distil.journal import Journal
from deepsport.distil.request import Completion
from deepsport.distil.settings import Budget, DistilSettings, PaceSettings, TeacherSettings
from deepsport.distil.shared_journal import SharedJournal, ingest
from deepsport.trajectory import Status
from fake_teacher import FakeTeacher, Refuse, look_then_answer
from test_distil_engine import make_tasks

pytest.importorskip("openai", reason="the extra [distil] is not installed")


def test_what_workers_wrote_is_taken_over_once(tmp_path):
    shared = tmp_path / "shared"
    one, two = SharedJournal(shared, "one"), SharedJournal(shared, "two")
    one.replied(one.sent("k1", "play t", 0, 0.5), "k1", Completion("A", prompt_tokens=7), 0.25, 1.0)
    one.sent("k2", "play t", 0, 0.5)  # and then it died
    two.failed(two.sent("k2", "play t", 0, 0.5), "server", 500, "no", seconds=1.0, billed=False)
    assert two.reply("k1") == Completion("A", prompt_tokens=7)
    assert two.reply("k2") is None
    one.close()
    two.close()
    with (shared / "ledger-one.jsonl").open("a") as file:
        file.write('["sent", 3, "k3"')  # half a line
    with Journal(tmp_path / "journal.sqlite") as journal:
        for _ in range(2):
            ingest(shared, journal)
            totals = journal.totals()
            assert (totals["requests"], totals["replied"], totals["failed"]) == (3, 1, 1)
            assert (totals["lost"], totals["prompt_tokens"]) == (1, 7)
            assert (totals["cost"], totals["uncertain_cost"]) == (0.25, 0.5)
        assert journal.reply("k1") == Completion("A", prompt_tokens=7)


@pytest.mark.slow
@pytest.mark.timeout(500)
@pytest.mark.filterwarnings("ignore")  # Ray's own, in its threads
def test_a_worker_killed_in_the_middle_costs_no_task_and_no_second_reply(tmp_path):
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    from deepsport.distil.ray_engine import distil_with_ray

    clip = make_clip("h264-no-b", tmp_path)
    good = look_then_answer()

    def script(asked):
        if asked.number % 17 == 3:
            return Refuse(500)
        reply = good(asked)
        reply.delay = 0.05
        return reply

    with FakeTeacher(script) as server:
        settings = DistilSettings(TeacherSettings(server.url, "fake"), attempts=2)
        pace = PaceSettings(start_concurrency=8, max_concurrency=16, backoff_seconds=0.05)
        killed = []

        def kill_one():
            while len(server.asked) < 150:
                time.sleep(0.02)
            ledgers = sorted((tmp_path / "job" / "shared").glob("ledger-*.jsonl"))
            killed.append(int(ledgers[0].name.split("-")[1]))
            os.kill(killed[0], signal.SIGKILL)

        killer = threading.Thread(target=kill_one, daemon=True)
        killer.start()

        def run(**more):
            return distil_with_ray(
                make_tasks(60, clip.name),
                settings,
                out=tmp_path / "job",
                media=tmp_path,
                workers=2,
                pace=pace,
                **more,
            )

        part = run(budget=Budget(max_requests=100))
        assert "at most 50" in part.stopped
        assert part.totals["requests"] <= 100
        summary = run()
        killer.join(10)
        before = len(server.asked)
        again = run()
        assert len(server.asked) == before
    assert len(killed) == 1
    assert (summary.ended, summary.stopped) == (120, "")
    assert (again.ended, again.played) == (120, 0)
    with open_journal(tmp_path / "job", read_only=True) as journal:
        trajectories = list(journal.trajectories())
        totals = journal.totals()
    assert {t.status for t in trajectories} == {Status.ANSWERED}
    assert len({(t.task_id, t.attempt) for t in trajectories}) == len(trajectories) == 120
    said = [entry for entry in server.log if entry.what == "Say"]
    # every request has one reply; only those in flight in the killed worker were asked again
    assert totals["replied"] == 240
    assert len(said) - 240 <= totals["lost"] <= 8
    assert totals["failed"] == len(server.log) - len(said)
