"""Judges score open answers; one that fails costs coverage; agreement is measured as others do."""

from __future__ import annotations

import json

import numpy as np
import pytest

import clips
from deepsport.cli.main import main
from deepsport.errors import RecordFormatError, SettingsError
from deepsport.evaluate import Run, evaluate
from deepsport.evaluate.agreement import agreement, cohen_kappa, fleiss_kappa, read_labels
from deepsport.evaluate.rescore import rescore
from deepsport.evaluate.scripted import scripted_policy
from deepsport.rollout import ScriptedPolicy
from deepsport.task import Kind, Media, Task, Truth, write_tasks
from deepsport.tool import FrameSource, ToolSettings
from fake_teacher import FakeTeacher, Raw, Refuse, Say

SMALL = ToolSettings(max_width=64, max_height=64, max_calls=0, first_frames=1)


@pytest.fixture
def run(tmp_path):
    clip = clips.make_clip("h264-b-pyramid", tmp_path).name
    tasks = [
        Task(
            f"q{i}",
            Kind.TEXT,
            f"What should player {i} correct?",
            Truth(references=("Her footwork is late.",)),
            (Media(clip),),
            group=f"m{i}",
        )
        for i in range(6)
    ]
    tasks.append(
        Task(
            "choice",
            Kind.CHOICE,
            "Which?",
            Truth(labels=("A",)),
            (Media(clip),),
            options=("x", "y"),
            group="m9",
        )
    )

    def script(episode):
        answer = (
            "A" if episode.task.kind is Kind.CHOICE else f"Feet too slow {episode.task.task_id}"
        )
        return f"<think></think><answer>{answer}</answer>"

    evaluate(tasks, ScriptedPolicy("p", script), tmp_path / "run", FrameSource(tmp_path), SMALL)
    return tmp_path / "run"


def verdict(score):
    return Say(json.dumps({"score": score, "reason": "because"}))


def judge(run, server, *models):
    args = ["judge", "run", str(run), "--endpoint", server.url]
    for model in models or ("judge-a",):
        args += ["--model", model]
    return main(args)


def test_open_answers_get_the_judge_s_score_and_others_keep_theirs(run):
    with FakeTeacher(lambda asked: verdict(0.75)) as server:
        assert judge(run, server) == 0
        assert len(server.asked) == 6
        assert "judge-a" not in server.asked[0].text
        assert '"p"' not in server.asked[0].text  # the judge does not learn whose answer it is
    scores = Run(run).scores()
    assert scores["slices"]["kind"]["text"]["strict"]["mean"] == 0.75
    assert scores["slices"]["kind"]["choice"]["strict"]["mean"] == 1.0
    assert scores["rules"] == {"judge": 6, "label": 1}
    assert Run(run).info.fingerprint["judge"][0]["rubric"] == "open-answer-1"


def test_several_judges_are_averaged_and_each_is_kept(run):
    scores = {"judge-a": 1.0, "judge-b": 0.5}
    with FakeTeacher(lambda asked: verdict(scores[asked.body["model"]])) as server:
        judge(run, server, "judge-a", "judge-b")
    attempt = next(a for a in Run(run).attempts() if a.key[0] == "q0")
    assert attempt.verdict.score == 0.75
    assert attempt.verdict.parts["judge:judge-a"] == 1.0
    assert attempt.verdict.parts["judge:judge-b"] == 0.5


def test_a_judge_that_dies_costs_coverage_not_accuracy_and_is_asked_again(run, capsys):
    def script(asked):
        return verdict(1.0) if alive or "player 1" in asked.text else Refuse(400)

    alive = []
    with FakeTeacher(script) as server:
        assert judge(run, server) == 1
        block = Run(run).scores()["slices"]["kind"]["text"]
        assert block["strict"]["mean"] == 1.0
        assert block["coverage"] == pytest.approx(1 / 6, abs=1e-6)
        assert Run(run).scores()["outcomes"] == {"judge_fail": 5, "ok": 2}
        alive.append(True)
        before = len(server.asked)
        assert judge(run, server) == 0
        assert len(server.asked) == before + 5  # the verdict that was there is not paid for twice
    assert Run(run).scores()["overall"]["coverage"] == 1.0


@pytest.mark.parametrize("reply", ["no json", '{"score": 8}', '{"score": null}', ""])
def test_an_unreadable_verdict_is_a_failure_not_a_zero(run, reply):
    with FakeTeacher(lambda asked: Say(reply)) as server:
        assert judge(run, server) == 1
    assert Run(run).scores()["outcomes"]["judge_fail"] == 6


def test_garbage_from_the_server_is_a_failure(run):
    with FakeTeacher(lambda asked: Raw(b'{"choices": []}')) as server:
        assert judge(run, server) == 1


def test_verdicts_survive_a_rescore_and_a_failed_one_is_not_played_again(run):
    with FakeTeacher(lambda asked: Refuse(400)) as server:
        judge(run, server)
    source = FrameSource(run.parent)
    tasks = Run(run).tasks.values()
    assert rescore(run)[0] == 0
    policy = scripted_policy("first")
    policy.name = "p"
    assert evaluate(tasks, policy, run, source, SMALL).played == 0


def test_cohen_s_kappa_agrees_with_scikit_learn():
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(0)
    for _ in range(100):
        a, b = rng.integers(0, 4, 30), rng.integers(0, 4, 30)
        assert cohen_kappa(a, b) == pytest.approx(cohen_kappa_score(a, b))
        assert cohen_kappa(a, b, quadratic=True) == pytest.approx(
            cohen_kappa_score(a, b, weights="quadratic")
        )


def test_kappa_is_unknown_when_everyone_always_says_the_same():
    assert cohen_kappa([1, 1], [1, 1]) is None
    assert fleiss_kappa([[3, 0], [3, 0]]) is None


def test_fleiss_kappa_agrees_with_statsmodels():
    from statsmodels.stats.inter_rater import fleiss_kappa as theirs

    rng = np.random.default_rng(1)
    for _ in range(50):
        counts = rng.multinomial(5, [0.5, 0.3, 0.2], size=20)
        assert fleiss_kappa(counts) == pytest.approx(theirs(counts))


def test_fleiss_kappa_refuses_items_with_different_raters():
    with pytest.raises(SettingsError, match="as many for every item"):
        fleiss_kappa([[2, 1], [1, 1]])


def test_people_and_judges_are_compared_from_a_file_and_a_run(run, tmp_path, capsys):
    with FakeTeacher(lambda asked: verdict(1.0 if "player 1" in asked.text else 0.0)) as server:
        judge(run, server)
    labels = tmp_path / "people.csv"
    labels.write_text(
        "task_id,attempt,anna,ben\n"
        + "".join(f"q{i},0,{float(i == 1)},{float(i < 2)}\n" for i in range(5))
        + "q5,0,0,\n"
    )
    capsys.readouterr()
    assert main(["judge", "agreement", "--labels", str(labels), "--run", str(run)]) == 0
    out = capsys.readouterr().out
    line = next(x for x in out.splitlines() if x.startswith("anna / judge:judge-a"))
    assert line.split()[3:] == ["6", "100.0%", "1.000", "1.000", "1.000"]
    assert "all 3 raters on 5 items" in out


def test_a_file_without_raters_or_with_words_is_refused(tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("task_id\nq0\n")
    with pytest.raises(RecordFormatError, match="one or more raters"):
        read_labels(bad)
    bad.write_text("task_id,anna\nq0,good\n")
    with pytest.raises(RecordFormatError, match="line 2"):
        read_labels(bad)
    assert main(["judge", "agreement"]) == 1


def test_pairs_are_compared_on_shared_items_only():
    pairs, fleiss, items = agreement({"a": {"x": 1.0, "y": 0.0}, "b": {"y": 0.0, "z": 1.0}})
    assert (pairs[0].items, items) == (1, 1)
    assert fleiss is None


@pytest.fixture
def sampled(tmp_path):
    """Three attempts at four questions: twice wrong, the last time right."""
    clip = clips.make_clip("h264-b-pyramid", tmp_path).name
    tasks = [
        Task(
            f"q{i}",
            Kind.CHOICE,
            f"Which shot, rally {i}?",
            Truth(labels=("B",)),
            (Media(clip),),
            options=("Clear", "Drop"),
            group=f"m{i}",
        )
        for i in range(4)
    ]

    def script(episode):
        answer = "B" if episode.attempt == 2 else "A"
        return f"<think>attempt {episode.attempt}</think><answer>{answer}</answer>"

    evaluate(
        tasks,
        ScriptedPolicy("p", script),
        tmp_path / "run",
        FrameSource(tmp_path),
        SMALL,
        attempts=3,
    )
    return tmp_path / "run"


def test_a_judge_may_pick_what_the_majority_does_not(sampled, capsys):
    assert Run(sampled).scores()["voting"]["curve"][-1]["score"] == 0.0

    def script(asked):
        data = json.loads(asked.body["messages"][1]["content"])
        assert "truth" not in data
        best = next(a["number"] for a in data["answers"] if "attempt 2" in a["thoughts"])
        return Say(json.dumps({"reason": "it saw more", "best": best}))

    with FakeTeacher(script) as server:
        command = ["judge", "vote", str(sampled), "--endpoint", server.url, "--model", "j"]
        assert main(command) == 0
        assert main(command) == 0
        assert len(server.asked) == 4  # two different answers a question, each asked about once
    voting = Run(sampled).scores()["voting"]
    # the first two attempts agree, so nobody is asked about them
    assert [(p["k"], p["score"]) for p in voting["judge"]] == [(2, 0.0), (3, 1.0)]
    assert [p["frames"] for p in voting["judge"]] == [2.0, 3.0]
    assert rescore(sampled)[1]["voting"] == voting


def test_without_a_usable_pick_the_majority_s_answer_stays(sampled, capsys):
    def script(asked):
        return Say('{"best": 1}') if "rally 0" in asked.text else Say('{"best": 7}')

    with FakeTeacher(script) as server:
        command = ["judge", "vote", str(sampled), "--endpoint", server.url, "--model", "j"]
        assert main(command) == 1
    assert "a pick for 1 choices, none for 3" in capsys.readouterr().out
    assert Run(sampled).scores()["voting"]["judge"][-1]["score"] == 0.25


def test_the_flag_of_evaluate_lets_a_judge_vote(tmp_path, capsys):
    clip = clips.make_clip("h264-b-pyramid", tmp_path).name
    task = Task(
        "q", Kind.CHOICE, "Which shot?", Truth(labels=("B",)), (Media(clip),),
        options=("Clear", "Drop", "Smash", "Net shot"),
    )  # fmt: skip
    write_tasks(tmp_path / "tasks.jsonl", [task])
    base = ["evaluate", "--tasks", str(tmp_path / "tasks.jsonl"), "--policy", "random"]
    run = ["--out", str(tmp_path / "run"), "--first-frames", "1"]

    def right(asked):
        answers = json.loads(asked.body["messages"][1]["content"])["answers"]
        found = [a["number"] for a in answers if a["answer"] == "B"]
        return Say(json.dumps({"reason": "r", "best": found[0] if found else 0}))

    assert main([*base, *run, "--vote-judge", "http://localhost:1/v1"]) == 1
    assert "--samples 2 or more" in capsys.readouterr().err
    with FakeTeacher(right) as server:
        vote = ["--samples", "12", "--vote-judge", server.url, "--vote-model", "j"]
        assert main([*base, *run, *vote]) == 0
    assert "100.0 % by a judge's pick among 12" in capsys.readouterr().out
    assert [p["k"] for p in Run(tmp_path / "run").scores()["voting"]["judge"]] == [2, 4, 8, 12]
