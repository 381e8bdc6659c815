"""An endpoint plays like any policy; its failures are faults, and a dead one stops the run."""

from __future__ import annotations

import pytest

import clips
from deepsport.errors import EndpointError, SettingsError
from deepsport.evaluate import Run, evaluate
from deepsport.rollout.endpoint_policy import ChatEndpoint, EndpointPolicy
from deepsport.task import Kind, Media, Task, Truth
from deepsport.tool import FrameSource, ToolSettings
from fake_teacher import ANSWER, Cut, FakeTeacher, Raw, Refuse, Say, look_then_answer

SMALL = ToolSettings(max_width=64, max_height=64)


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    clips.make_clip("h264-b-pyramid", folder)
    return folder


@pytest.fixture
def tasks(media):
    clip = clips.make_clip("h264-b-pyramid", media).name
    return [
        Task(
            f"q{i}",
            Kind.CHOICE,
            f"Which shot, rally {i}?",
            Truth(labels=("B",)),
            (Media(clip),),
            options=("Clear", "Drop"),
            group=f"m{i}",
        )
        for i in range(6)
    ]


def play(server, tasks, media, out, *, retries=0, batch_size=8, **options):
    endpoint = ChatEndpoint(server.url, "some-model", retries=retries, timeout_seconds=5)
    policy = EndpointPolicy(endpoint=endpoint, **options)
    return evaluate(tasks, policy, out, FrameSource(media), SMALL, batch_size=batch_size)


def test_an_endpoint_looks_and_answers_and_its_tokens_are_counted(tasks, media, tmp_path):
    with FakeTeacher(look_then_answer("B")) as server:
        summary = play(server, tasks, media, tmp_path, temperature=0.7, seed=5)
        body = server.asked[-1].body
        assert server.asked[0].images == 8
        assert max(asked.images for asked in server.asked) == 16
        assert (body["temperature"], body["max_tokens"]) == (0.7, 1024)
        assert len({asked.body["seed"] for asked in server.asked}) == 12  # one a turn
        assert body["messages"][0]["role"] == "system"
        roles = [message["role"] for message in body["messages"]]
        assert roles == ["system", "user", "assistant", "user"]
    assert summary.scores["overall"]["strict"]["mean"] == 1.0
    assert summary.scores["usage"]["prompt_tokens"]["total"] == 6 * 2 * 100
    assert Run(tmp_path).info.policy == "some-model"


def test_tokens_are_paid_for_at_the_prices_given(tasks, media, tmp_path):
    with FakeTeacher(look_then_answer("B")) as server:
        prices = {"prompt_price": 2.0, "completion_price": 10.0}
        summary = play(server, tasks[:2], media, tmp_path, **prices)
    # two replies a question, each of 100 prompt tokens and 10 written ones
    assert summary.scores["usage"]["dollars"]["mean"] == pytest.approx(
        2 * (200 + 100) / 1e6, abs=1e-4
    )


def test_reasoning_sent_apart_is_put_back_as_the_thought(tasks, media, tmp_path):
    with FakeTeacher(lambda asked: Say("<answer>B</answer>", reasoning="I see a drop.")) as server:
        summary = play(server, tasks[:1], media, tmp_path)
    assert summary.scores["outcomes"] == {"ok": 1}
    (attempt,) = Run(tmp_path).attempts()
    assert attempt.trajectory.replies == ("<think>I see a drop.</think><answer>B</answer>",)


def test_a_reply_cut_off_is_truncated(tasks, media, tmp_path):
    with FakeTeacher(lambda asked: Say("<think>so long", finish="length")) as server:
        summary = play(server, tasks[:1], media, tmp_path)
    assert summary.scores["outcomes"] == {"truncated": 1}


@pytest.mark.parametrize("trouble", [Refuse(500), Cut(), Raw(b"no json"), Raw(b'{"choices": []}')])
def test_a_server_that_fails_once_costs_that_attempt_only_and_it_is_repeated(
    tasks, media, tmp_path, trouble
):
    def script(asked):
        return trouble if "rally 2" in asked.text and not healthy else Say(ANSWER % "B")

    healthy = []
    with FakeTeacher(script) as server:
        summary = play(server, tasks, media, tmp_path)
        assert summary.scores["outcomes"] == {"ok": 5, "api_error": 1}
        assert summary.scores["overall"]["strict"]["mean"] == 1.0
        healthy.append(True)
        again = play(server, tasks, media, tmp_path)
    assert again.played == 1
    assert again.scores["outcomes"] == {"ok": 6}


def test_a_passing_failure_is_retried(tasks, media, tmp_path):
    def script(asked):
        if asked.number == 0:
            return Refuse(429, {"retry-after": "0"})
        return Say(ANSWER % "B")

    with FakeTeacher(script) as server:
        summary = play(server, tasks[:1], media, tmp_path, retries=2)
    assert summary.scores["outcomes"] == {"ok": 1}


def test_a_dead_server_stops_the_run_and_keeps_what_was_finished(tasks, media, tmp_path):
    def script(asked):
        return Say(ANSWER % "B") if "rally 0" in asked.text else Refuse(503)

    with (
        FakeTeacher(script) as server,
        pytest.raises(EndpointError, match="requests in a row failed"),
    ):
        play(server, tasks, media, tmp_path, give_up_after=3, batch_size=2)
    assert any(a.verdict.correct for a in Run(tmp_path).attempts())


def test_the_key_never_reaches_a_record(tasks, media, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-value")
    with FakeTeacher(lambda asked: Refuse(401, message="wrong key sk-secret-value")) as server:
        play(server, tasks[:1], media, tmp_path)
        assert server.asked[0].headers["authorization"] == "Bearer sk-secret-value"
    assert "secret" not in (tmp_path / "attempts.jsonl").read_text()


def test_an_address_that_is_none_is_refused():
    with pytest.raises(SettingsError, match="http://HOST:PORT/v1"):
        ChatEndpoint("localhost:8000", "m")
    with pytest.raises(SettingsError, match="valid is --model-name"):
        ChatEndpoint("http://127.0.0.1:9/v1", retries=0)
