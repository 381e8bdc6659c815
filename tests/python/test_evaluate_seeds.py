"""The mean over training seeds: an interval that covers another seed on other matches."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from deepsport.cli.main import main
from deepsport.errors import SettingsError
from deepsport.evaluate.bootstrap import cluster_codes
from deepsport.evaluate.seeds import seed_mean


def simulate(rng, seeds, matches, each, spread):
    """Right or wrong of seeds x questions: seeds differ, matches differ, and each pair of them."""
    logit = (
        rng.normal(0.0, spread, (seeds, 1))
        + rng.normal(0.0, 0.8, (1, matches))
        + rng.normal(0.0, 0.3, (seeds, matches))
    )
    chance = 1 / (1 + np.exp(-np.repeat(logit, each, axis=1)))
    return (rng.random(chance.shape) < chance).astype(float)


@pytest.mark.parametrize("spread", [0.05, 0.3])
@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_over_seeds_cover_the_truth(seeds, spread):
    rng = np.random.default_rng(seeds)
    codes = np.repeat(np.arange(24), 8)
    covered = 0
    for _ in range(1000):
        found = seed_mean(simulate(rng, seeds, 24, 8, spread), codes)
        covered += found.low <= 0.5 <= found.high  # the truth, by symmetry
    # little spread makes the interval too wide, as the docstring says. 0.3 is seven points between
    # seeds; at three times that three seeds cover 91 %, as their means are not normal any more
    assert 925 <= covered <= 990


def test_one_question_a_match_and_no_spread_of_seeds_is_student_s_interval():
    scores = np.tile([0.0, 1.0, 1.0, 0.0, 1.0, 1.0], (3, 1))
    found = seed_mean(scores, np.arange(6))
    low, high = stats.t.interval(0.95, 5, scores[0].mean(), stats.sem(scores[0]))
    assert (found.low, found.high) == (pytest.approx(max(0, low)), pytest.approx(min(1, high)))
    assert found.between_seeds == 0.0


def test_questions_that_are_all_alike_leave_student_s_interval_over_seeds():
    means = np.array([0.4, 0.5, 0.7])
    found = seed_mean(np.tile(means[:, None], (1, 10)), cluster_codes(list("aabbccddee")))
    low, high = stats.t.interval(0.95, 2, means.mean(), stats.sem(means))
    assert (found.low, found.high) == (pytest.approx(max(0, low)), pytest.approx(min(1, high)))
    assert found.degrees == pytest.approx(2.0)


def test_one_seed_and_clusters_that_do_not_fit_are_refused():
    with pytest.raises(SettingsError, match="two seeds or more"):
        seed_mean(np.zeros((1, 4)), np.arange(4))
    with pytest.raises(SettingsError, match="two seeds or more"):
        seed_mean(np.zeros((2, 4)), np.arange(3))


def test_no_shared_question_has_no_mean():
    found = seed_mean(np.zeros((2, 0)), np.zeros(0, np.intp))
    assert found.to_json()["mean"] is None


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three runs of a random policy, one a seed, and one of the policy that is always right."""
    import clips
    from deepsport.evaluate import evaluate
    from deepsport.evaluate.scripted import scripted_policy
    from deepsport.task import Kind, Media, Task, Truth
    from deepsport.tool import FrameSource, ToolSettings

    folder = tmp_path_factory.mktemp("seeds")
    clip = clips.make_clip("h264-b-pyramid", folder).name
    tasks = [
        Task(f"q{i}", Kind.CHOICE, "Which?", Truth(labels=("B",)), (Media(clip),),
             options=("Clear", "Drop"), group=f"m{i // 2}")
        for i in range(12)
    ]  # fmt: skip
    settings = ToolSettings(max_width=32, max_height=32, first_frames=1)
    for seed in range(3):
        evaluate(
            tasks, scripted_policy("random", seed), folder / f"random-{seed}", FrameSource(folder),
            settings, seed=seed,
        )  # fmt: skip
    evaluate(tasks, scripted_policy("truth"), folder / "truth", FrameSource(folder), settings)
    return folder


def test_the_command_prints_the_mean_over_seeds_and_the_gain(folders, capsys):
    runs = [str(folders / f"random-{seed}") for seed in range(3)]
    assert main(["evaluate", "seeds", *runs]) == 0
    printed = capsys.readouterr().out
    assert "3 seeds and 6 videos or matches (12 questions" in printed
    assert "note:" not in printed  # seeds are meant to differ
    assert main(["evaluate", "seeds", *runs, "--against", str(folders / "truth")]) == 0
    assert "gain     -" in capsys.readouterr().out
    assert main(["evaluate", "seeds", *runs, "--against", runs[0], runs[1]]) == 1
    assert "valid are as many" in capsys.readouterr().err
    assert main(["evaluate", "seeds", runs[0]]) == 1
    assert "two or more" in capsys.readouterr().err


def test_the_report_has_a_table_over_seeds(folders):
    from deepsport.report import build

    runs = [folders / f"random-{seed}" for seed in range(3)]
    report = build([folders / "truth"], folders / "page.html", seeds={"random": runs})
    text = report.path.read_text()
    assert "Over seeds" in text
    assert "3 seeds" in text
