"""Which questions a step plays: everyone in turn, by variance, by stage; the same after a resume."""

from __future__ import annotations

from collections import Counter

import pytest

from deepsport.errors import SettingsError
from deepsport.rl.prompts import PromptLog, PromptSchedule, PromptSettings, parse_curriculum
from deepsport.task import Kind, Media, Task, Truth


def tasks(count, difficulty=lambda _: ""):
    return [
        Task(f"t{i}", Kind.TEXT, "?", Truth(references=("x",)), (Media("a.mp4"),),
             difficulty=difficulty(i))
        for i in range(count)
    ]  # fmt: skip


def schedule(count=12, per_step=4, steps=30, difficulty=lambda _: "", **settings):
    return PromptSchedule(
        tasks(count, difficulty), PromptSettings(**settings), prompts_per_step=per_step, steps=steps
    )


def test_shuffled_every_question_comes_once_before_any_comes_again():
    plan = schedule(count=12, per_step=4)
    for round_ in range(3):
        seen = [name for step in range(3 * round_, 3 * round_ + 3) for name in plan.choose(step)]
        assert sorted(seen) == sorted(f"t{i}" for i in range(12))
    assert plan.choose(0) != plan.choose(3)


def test_a_step_never_plays_a_question_twice_when_rounds_do_not_divide():
    plan = schedule(count=7, per_step=5)
    for step in range(20):
        assert len(set(plan.choose(step))) == 5


def test_questions_that_differ_are_drawn_more_and_none_is_forgotten():
    plan = schedule(count=12, select="variance")
    plan.learn({f"t{i}": [1.0] * 8 for i in range(6)})  # solved
    plan.learn({f"t{i}": [0.0] * 8 for i in range(6, 9)})  # hopeless
    plan.learn({f"t{i}": [0.0, 1.0] * 4 for i in range(9, 12)})
    drawn = Counter(name for step in range(400) for name in plan.choose(step))
    telling = [drawn[f"t{i}"] for i in range(9, 12)]
    others = [drawn[f"t{i}"] for i in range(9)]
    assert min(telling) > 350
    assert max(others) < 120
    assert min(others) > 10


def test_a_question_not_played_yet_counts_as_telling():
    plan = schedule(count=3, per_step=1, select="variance", floor=0.01)
    plan.learn({"t0": [1.0, 1.0], "t1": [0.0, 1.0]})
    drawn = Counter(plan.choose(step)[0] for step in range(300))
    assert drawn["t0"] < 20
    assert drawn["t2"] > 100


def test_one_rollout_alone_teaches_nothing_and_old_groups_fade():
    plan = schedule(select="variance", decay=0.5)
    plan.learn({"t0": [1.0]})
    assert plan.spread("t0") is None
    plan.learn({"t0": [0.0, 1.0]})
    assert plan.spread("t0") == 0.5
    for _ in range(40):
        plan.learn({"t0": [1.0, 1.0]})
    assert plan.spread("t0") == pytest.approx(0.0, abs=1e-4)


def test_a_curriculum_lets_kinds_in_one_after_another():
    kinds = ("easy", "medium", "hard", "")
    plan = schedule(
        count=16, per_step=4, steps=30, difficulty=lambda i: kinds[i % 4],
        curriculum_by="difficulty", stages=(("easy",), ("medium",), ("hard",)),
    )  # fmt: skip
    allowed = [{0}, {0, 1}, {0, 1, 2, 3}]
    for step in (0, 9, 10, 19, 20, 200):
        stage = min(2, step // 10)
        assert plan.stage(step) == stage
        assert {int(name[1:]) % 4 for name in plan.choose(step)} <= allowed[stage]
    late = {int(n[1:]) % 4 for step in range(20, 30) for n in plan.choose(step)}
    assert late == {0, 1, 2, 3}  # questions without a value come in last


def test_a_stage_with_too_few_questions_is_refused_and_says_what_there_is():
    with pytest.raises(SettingsError, match=r"stage 1 .* 2 questions for 4 .*easy, hard"):
        schedule(
            count=6, difficulty=lambda i: "easy" if i < 2 else "hard", curriculum_by="difficulty",
            stages=(("easy",), ("hard",)),
        )  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {"select": "best"}, {"floor": 0}, {"decay": 1.0}, {"stages": (("a",),)},
        {"curriculum_by": "mood", "stages": (("a",),)},
        {"curriculum_by": "sport", "stages": (("a",), ("b",)), "stage_steps": (0,)},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(SettingsError):
        PromptSettings(**settings)


@pytest.mark.parametrize("text", ["easy,hard", "mood=a", "difficulty=", "difficulty=a,,b"])
def test_a_curriculum_of_another_form_is_refused(text):
    with pytest.raises(SettingsError, match="valid is FIELD="):
        parse_curriculum(text)


def test_a_resumed_schedule_chooses_as_the_one_that_went_on(tmp_path):
    def reward_of(step, name):
        return [float((step + int(name[1:])) % 3 == 0), 1.0]

    def play(plan, log, steps):
        chosen = []
        for step in steps:
            names = plan.choose(step)
            rewards = {name: reward_of(step, name) for name in names}
            plan.learn(rewards)
            log.append(step, rewards)
            chosen.append(names)
        return chosen

    log = PromptLog(tmp_path / "prompts.jsonl", writes=True)
    whole = play(schedule(select="variance"), log, range(8))
    with log.path.open("a") as file:
        file.write('{"step": 8, "rew')  # killed while writing
    again = schedule(select="variance")
    for rewards in log.before(5):
        again.learn(rewards)
    assert play(again, log, range(5, 8)) == whole[5:]
    assert len(log.path.read_text().splitlines()) == 8
