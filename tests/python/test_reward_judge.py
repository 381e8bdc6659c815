"""The judge against a small local server: scores, faults, retries, cache, mixing."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from deepsport.errors import MissingExtraError, RecordFormatError, SettingsError
from deepsport.protocol import render_answer, render_turn
from deepsport.reward import RolloutText, advantages, score_rollouts
from deepsport.reward.judge import (
    Judge,
    JudgeSettings,
    Question,
    VerdictCache,
    judged,
    load_rubric,
)
from deepsport.task import Truth

pytest.importorskip("openai", reason="the judge needs deepsport[distil] (openai)")


class Endpoint:
    """Replies by the answer it is shown; counts what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.under_way = self.most_under_way = 0
        self._lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with endpoint._lock:
                    endpoint.asked.append({"body": body, "key": self.headers["Authorization"]})
                    endpoint.under_way += 1
                    endpoint.most_under_way = max(endpoint.most_under_way, endpoint.under_way)
                status, content = endpoint.reply(json.loads(body["messages"][1]["content"]))
                with endpoint._lock:
                    endpoint.under_way -= 1
                page = isinstance(content, str)
                data = content.encode() if page else json.dumps(content).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "text/html" if page else "application/json")
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client has given up

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def reply(self, data: dict) -> tuple[int, dict | str]:
        answer = data["answer"]
        if answer == "page":
            return 200, "<html>log in first</html>"
        if answer == "list":
            return 200, []
        if answer.startswith("status"):
            return int(answer.split()[1]), {"error": {"message": "refused, key was secret-key"}}
        if answer == "flaky" and len(self.asked) == 1:
            return 503, {"error": {"message": "busy"}}
        if answer == "slow":
            time.sleep(1.0)
        if answer == "together":
            time.sleep(0.1)
        said = {
            "prose": 'Well.\n```json\n{"score": 0.5, "reason": "half"}\n```',
            "scale": '{"score": 8}',
            "bool": '{"score": true}',
            "nothing": "",
            "words": "I cannot judge this.",
        }.get(answer.split(":")[0], '{"score": 0.75, "reason": "fits"}')
        message = {"role": "assistant", "content": said}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return 200, {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [choice],
        }

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def endpoint():
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


@pytest.fixture
def judge(endpoint):
    with Judge(settings(endpoint)) as judge:
        yield judge


def settings(endpoint: Endpoint, **more) -> JudgeSettings:
    return JudgeSettings("judge-model", endpoint.url, "secret-key", attempts=2, **more)


def ask(answer: str) -> Question:
    return Question("What happened?", ("A smash.",), answer)


def test_a_score_comes_back_with_its_reason(judge, endpoint):
    (verdict,) = judge.score([ask("a smash")])
    assert (verdict.score, verdict.reason, verdict.fault, verdict.cached) == (
        0.75,
        "fits",
        "",
        False,
    )
    request = endpoint.asked[0]["body"]
    assert request["temperature"] == 0
    assert request["messages"][0]["content"] == load_rubric().instructions
    assert json.loads(request["messages"][1]["content"]) == {
        "question": "What happened?",
        "references": ["A smash."],
        "answer": "a smash",
    }


def test_prose_around_the_reply_is_ignored(judge):
    assert judge.score([ask("prose")])[0].score == 0.5


@pytest.mark.parametrize("answer", ["words", "nothing", "scale", "bool"])
def test_a_reply_without_a_score_is_asked_again_and_then_a_fault(judge, endpoint, answer):
    (verdict,) = judge.score([ask(answer)])
    assert verdict.score is None
    assert "unreadable reply" in verdict.fault
    assert len(endpoint.asked) == 2
    assert len(judge.cache) == 0


@pytest.mark.parametrize("answer", ["page", "list"])
def test_a_page_in_place_of_a_completion_is_asked_again_and_then_a_fault(judge, endpoint, answer):
    [verdict] = judge.score([ask(answer)])
    assert verdict.score is None
    assert "it is no chat completion" in verdict.fault
    assert len(endpoint.asked) == judge.settings.attempts


def test_a_busy_endpoint_is_tried_again(judge, endpoint):
    assert judge.score([ask("flaky")])[0].score == 0.75
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize(("status", "requests"), [(400, 1), (401, 1), (500, 2)])
def test_an_endpoint_that_refuses_is_a_fault_that_does_not_tell_the_key(
    judge, endpoint, status, requests
):
    (verdict,) = judge.score([ask(f"status {status}")])
    assert verdict.score is None
    assert str(status) in verdict.fault
    assert "secret-key" not in verdict.fault
    assert len(endpoint.asked) == requests


def test_a_time_out_is_a_fault(endpoint):
    with Judge(JudgeSettings("m", endpoint.url, "k", attempts=1, timeout_seconds=0.2)) as judge:
        assert "Timeout" in judge.score([ask("slow")])[0].fault


def test_nobody_at_the_address_is_a_fault(endpoint):
    endpoint_url = "http://127.0.0.1:9/v1"
    with Judge(JudgeSettings("m", endpoint_url, "k", attempts=1)) as judge:
        assert "Connection" in judge.score([ask("a")])[0].fault


def test_equal_questions_are_asked_once_and_verdicts_keep_their_order(judge, endpoint):
    settled: list[int] = []
    answers = ["a", "prose", "a", "words", "a"]
    verdicts = judge.score([ask(a) for a in answers], on_verdict=settled.append)
    assert [v.score for v in verdicts] == [0.75, 0.5, 0.75, None, 0.75]
    assert len(endpoint.asked) == 4  # "words" twice
    assert sum(settled) == 5


def test_questions_are_asked_side_by_side_but_no_more_than_allowed(endpoint):
    with Judge(settings(endpoint, concurrency=3)) as judge:
        judge.score([Question(f"{i}?", ("r",), "together") for i in range(9)])
    assert 2 <= endpoint.most_under_way <= 3


def test_a_cache_file_serves_the_next_run_without_a_request(endpoint, tmp_path):
    path = tmp_path / "deep" / "verdicts.sqlite"
    with Judge(settings(endpoint), cache=path) as judge:
        judge.score([ask("a"), ask("words")])
    asked = len(endpoint.asked)
    with Judge(settings(endpoint), cache=path) as judge:
        assert len(judge.cache) == 1  # faults are not kept
        (verdict,) = judge.score([ask("a")])
    assert (verdict.score, verdict.reason, verdict.cached) == (0.75, "fits", True)
    assert len(endpoint.asked) == asked


def test_another_rubric_model_or_answer_is_another_verdict(endpoint, tmp_path):
    rubric = tmp_path / "mine.toml"
    rubric.write_text('name = "mine"\nversion = 1\ninstructions = "Be kind."\n', encoding="utf-8")
    with VerdictCache() as cache:
        for options in ({}, {"rubric": rubric}):
            for model in ("one", "other"):
                with Judge(JudgeSettings(model, endpoint.url), cache=cache, **options) as judge:
                    judge.score([ask("a")])
        assert len(cache) == 4
    assert len(endpoint.asked) == 4


def test_a_file_that_is_no_cache_is_refused(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("these are notes, not a database" * 50, encoding="utf-8")
    with pytest.raises(RecordFormatError, match=r"notes\.txt"):
        VerdictCache(text)
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE birds (name TEXT)")
    connection.close()
    with pytest.raises(RecordFormatError, match="valid is 1"):
        VerdictCache(other)


def test_rubrics_have_a_name_a_version_and_a_digest(tmp_path):
    rubric = load_rubric()
    assert (rubric.name, rubric.version, len(rubric.digest)) == ("open-answer", 1, 64)
    with pytest.raises(SettingsError, match="open-answer-1"):
        load_rubric("unknown")
    with pytest.raises(SettingsError, match="no such file"):
        load_rubric(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text('name = "x"\nversion = "1"\ninstructions = "y"', encoding="utf-8")
    with pytest.raises(RecordFormatError, match="version '1'"):
        load_rubric(broken)


def test_settings_that_cannot_work_are_refused(monkeypatch):
    with pytest.raises(SettingsError, match="attempts is 0"):
        JudgeSettings("m", attempts=0)
    assert "secret" not in repr(JudgeSettings("m", api_key="secret"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with Judge(JudgeSettings("m")) as judge, pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        judge.score([ask("a")])


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with Judge(JudgeSettings("m", "http://x")) as judge:
        with pytest.raises(MissingExtraError, match=r"deepsport\[distil\]"):
            judge.score([ask("a")])
        assert judge.score([]) == []


# --- in a reward ---------------------------------------------------------------------------------


def rollout(answer: str | None, kind: str = "text", **more) -> RolloutText:
    truth = Truth(references=("A smash.",)) if kind == "text" else Truth(labels=("B",))
    turns = () if answer is None else (render_turn("look", render_answer(answer)),)
    return RolloutText(turns=turns, kind=kind, truth=truth, **more)


def test_open_answers_are_judged_and_the_rest_scored_by_rule(judge, endpoint):
    items = [rollout("nice one"), rollout("B", "choice"), rollout(None), rollout("x", masked=True)]
    mixed, verdicts = judged(items, ["?"] * 4, judge)
    assert score_rollouts(mixed).accuracy.tolist() == [0.75, 1.0, 0.0, 0.0]
    assert [v is not None for v in verdicts] == [True, False, False, False]
    assert len(endpoint.asked) == 1


def test_a_fault_of_the_judge_is_a_mask_and_never_a_zero(judge):
    items = [rollout("nice"), rollout("prose"), rollout("status 400"), rollout("words")]
    mixed, _ = judged(items, ["?"] * 4, judge)
    parts = score_rollouts(mixed)
    assert parts.masked.tolist() == [False, False, True, True]
    assert parts.total.tolist() == [0.75, 0.5, 0.0, 0.0]
    advantage = advantages(parts.total, 4, parts.masked, "dr-grpo")
    np.testing.assert_allclose(advantage, [0.125, -0.125, 0, 0])


def test_judge_and_rule_can_share_the_score(judge):
    items = [rollout("a smash"), rollout("something else")]
    mixed, _ = judged(items, ["?", "?"], judge, weight=0.5)
    assert [item.accuracy for item in mixed] == [0.875, 0.375]
    with pytest.raises(SettingsError, match="weight is 0"):
        judged(items, ["?", "?"], judge, weight=0)
    with pytest.raises(SettingsError, match="1 questions for 2"):
        judged(items, ["?"], judge)


def test_the_rubric_file_is_part_of_the_package():
    folder = Path(__import__("deepsport.reward.judge").reward.judge.__file__).parent / "rubrics"
    assert (folder / "open-answer-1.toml").is_file()
