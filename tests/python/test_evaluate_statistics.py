"""Intervals cover what they promise; tests agree with scipy and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepsport.errors import SettingsError
from deepsport.evaluate.bootstrap import (
    cluster_codes,
    cluster_mean,
    cluster_standard_error,
    exact_interval,
)
from deepsport.evaluate.compare import compare_scores, holm, mcnemar, sign_flip


def simulated_run(rng, groups, *, difficulty=1.0):
    """Questions right or wrong, 1 to 12 in each video, videos easier or harder as a whole."""
    sizes = rng.integers(1, 13, groups)
    chance = 1 / (1 + np.exp(-difficulty * rng.normal(size=groups)))
    values = np.concatenate([rng.random(n) < p for n, p in zip(sizes, chance, strict=True)])
    return values.astype(float), np.repeat(np.arange(groups), sizes)


def coverage(groups, runs, seed):
    rng = np.random.default_rng(seed)
    inside = 0
    for _ in range(runs):
        values, codes = simulated_run(rng, groups)
        estimate = cluster_mean(values, codes, rng, resamples=1000)
        inside += estimate.low <= 0.5 <= estimate.high  # the mean is 1/2 by symmetry
    return inside / runs


@pytest.mark.parametrize("groups", [15, 40, 150])
def test_intervals_cover_the_truth_in_93_to_97_percent_of_2000_clustered_runs(groups):
    # the standard error of the share itself is 0.5 points for 2000 runs
    assert 0.93 <= coverage(groups, 2000, seed=groups) <= 0.97


def test_intervals_that_ignore_clusters_are_too_narrow():
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(400):
        values, codes = simulated_run(rng, 40, difficulty=3.0)
        estimate = cluster_mean(values, np.arange(len(codes)), rng, resamples=500)
        inside += estimate.low <= 0.5 <= estimate.high
    assert inside / 400 < 0.85


def test_the_standard_error_agrees_with_statsmodels():
    import statsmodels.api as sm

    rng = np.random.default_rng(2)
    for groups in (5, 30):
        values, codes = simulated_run(rng, groups)
        fit = sm.OLS(values, np.ones(len(values))).fit(
            cov_type="cluster", cov_kwds={"groups": codes}
        )
        assert cluster_standard_error(values, codes) == pytest.approx(fit.bse[0])


def test_the_bootstrap_agrees_with_scipy_when_each_question_is_its_own_cluster():
    from scipy import stats

    rng = np.random.default_rng(3)
    values = rng.random(400)
    ours = cluster_mean(values, np.arange(400), rng, resamples=20_000)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=rng
    ).confidence_interval
    # the widening for few clusters is 0.4 % here; the rest is resampling noise
    assert ours.low == pytest.approx(theirs.low, abs=0.002)
    assert ours.high == pytest.approx(theirs.high, abs=0.002)


def test_the_bootstrap_is_the_same_for_the_same_seed():
    values, codes = simulated_run(np.random.default_rng(4), 20)
    first, second = (cluster_mean(values, codes, np.random.default_rng(7)) for _ in range(2))
    assert first == second


def test_all_right_does_not_claim_certainty():
    estimate = cluster_mean(np.ones(30), np.repeat(np.arange(10), 3), np.random.default_rng(0))
    # 10 clusters, all right: Clopper-Pearson 0.025 ** (1 / 10)
    assert (estimate.mean, estimate.high) == (1.0, 1.0)
    assert estimate.low == pytest.approx(0.025 ** (1 / 10))
    assert estimate.method == "exact"


def test_exact_intervals_agree_with_scipy():
    from scipy import stats

    for k, n in [(0, 7), (3, 7), (7, 7), (40, 100)]:
        theirs = stats.binomtest(k, n).proportion_ci()
        assert exact_interval(k, n, 0.95) == pytest.approx((theirs.low, theirs.high))


def test_one_cluster_has_a_mean_and_no_interval():
    estimate = cluster_mean([0.0, 1.0], [0, 0], np.random.default_rng(0))
    assert estimate.mean == 0.5
    assert math.isnan(estimate.low)
    assert estimate.to_json()["low"] is None


def test_no_value_has_no_mean():
    estimate = cluster_mean([], [], np.random.default_rng(0))
    assert estimate.count == 0
    assert estimate.to_json()["mean"] is None


def test_values_without_their_clusters_are_refused():
    with pytest.raises(SettingsError, match="valid is one each"):
        cluster_mean([1.0], [0, 1], np.random.default_rng(0))


def test_mcnemar_agrees_with_statsmodels():
    from statsmodels.stats.contingency_tables import mcnemar as theirs

    for gained, lost in [(0, 0), (1, 0), (9, 1), (14, 30), (250, 251), (600, 700)]:
        table = [[10, gained], [lost, 10]]
        assert mcnemar(gained, lost) == pytest.approx(theirs(table, exact=True).pvalue, rel=0.02)


@settings(max_examples=30, deadline=None)  # statsmodels needs a while for each
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(p_values):
    from statsmodels.stats.multitest import multipletests

    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))


def test_holm_leaves_unknown_values_out():
    assert holm([0.01, math.nan])[0] == 0.01


def test_sign_flips_are_exact_for_few_clusters():
    # three clusters that all gain: both extreme patterns of eight
    assert sign_flip([1.0, 1.0, 1.0], [0, 1, 2], np.random.default_rng(0)) == 0.25


def test_sign_flips_keep_their_level_when_nothing_differs():
    rng = np.random.default_rng(5)
    small = 0
    for _ in range(300):
        base, codes = simulated_run(rng, 25)
        other = (rng.random(len(base)) < 0.5).astype(float)
        differences = (other - 0.5) * rng.choice([-1, 1], size=len(base))
        small += sign_flip(differences, codes, rng, flips=500) < 0.05
    assert small / 300 < 0.09  # 5 % and three standard errors of the share


def test_a_comparison_counts_what_was_gained_and_lost():
    first = {"a": 1.0, "b": 0.0, "c": 1.0, "only first": 1.0}
    second = {"a": 1.0, "b": 1.0, "c": 0.0, "d": 1.0}
    result = compare_scores(first, second, {}, np.random.default_rng(0))
    assert (result.gained, result.lost, result.difference.count) == (1, 1, 3)
    assert result.difference.mean == pytest.approx(0.0)
    assert result.mcnemar_p == 1.0


def test_a_paired_difference_is_surer_than_two_separate_means():
    rng = np.random.default_rng(6)
    base, codes = simulated_run(rng, 60, difficulty=4.0)
    better = base.copy()
    better[rng.permutation(len(base))[:25]] = 1.0
    ids = [str(i) for i in range(len(base))]
    groups = dict(zip(ids, map(str, codes), strict=True))
    result = compare_scores(
        dict(zip(ids, base, strict=True)), dict(zip(ids, better, strict=True)), groups, rng
    )
    alone = cluster_mean(better, codes, rng)
    assert result.difference.standard_error < alone.standard_error
    assert result.difference.low > 0


def test_two_runs_without_a_shared_question_have_no_difference():
    result = compare_scores({"a": 1.0}, {"b": 1.0}, {}, np.random.default_rng(0))
    assert result.difference.count == 0


def test_codes_number_the_clusters():
    assert list(cluster_codes(["m2", "m1", "m2"])) == [1, 0, 1]
