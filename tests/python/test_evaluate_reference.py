"""Scorers agree with the implementations others publish, on random inputs, where those are installed.

``pip install --no-deps pycocoevalcap SoccerNet`` beside the development environment; both are old
and heavy, so CI goes without them and checks the same formulas written anew (test_evaluate_scoring).
"""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest

from deepsport.evaluate.caption import CiderD, tokens
from deepsport.evaluate.spotting import LOOSE_SECONDS, TIGHT_SECONDS, average_map


def test_cider_d_agrees_with_pycocoevalcap_on_random_texts():
    module = pytest.importorskip(
        "pycocoevalcap.cider.cider_scorer", reason="pycocoevalcap is not installed"
    )
    rng = random.Random(0)
    words = ["net", "shot", "smash", "wins", "the", "point", "late", "wide", "serve", "again"]
    for _ in range(20):
        groups = [
            [" ".join(rng.choices(words, k=rng.randint(4, 20))) for _ in range(rng.randint(1, 4))]
            for _ in range(30)
        ]
        candidates = [" ".join(rng.choices(words, k=rng.randint(1, 20))) for _ in groups]
        theirs = module.CiderScorer(n=4, sigma=6.0)
        for candidate, group in zip(candidates, groups, strict=True):
            theirs += (" ".join(tokens(candidate)), [" ".join(tokens(r)) for r in group])
        _, expected = theirs.compute_score()
        ours = CiderD(groups)
        got = [ours.score(c, g) for c, g in zip(candidates, groups, strict=True)]
        assert got == pytest.approx(list(expected), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("tight", [True, False])
def test_spotting_map_agrees_with_the_soccernet_package_on_random_events(tight):
    module = pytest.importorskip(
        "SoccerNet.Evaluation.ActionSpotting", reason="SoccerNet is not installed"
    )
    rng = np.random.default_rng(1)
    labels, rate, seconds = ["foul", "goal"], 2, 300
    for _ in range(6):
        truth, found, targets, detections, closests = [], [], [], [], []
        for _ in range(2):
            target = np.zeros((seconds * rate, 2))
            detection = -np.ones((seconds * rate, 2))
            closest = np.zeros((seconds * rate, 2))
            events, guesses = [], []
            for c, name in enumerate(labels):
                for slot in rng.choice(np.arange(30, seconds * rate - 30), 5, replace=False):
                    target[slot, c] = 1
                    events.append((name, slot / rate))
                    near = int(slot + rng.integers(-8, 9))
                    detection[near, c] = round(float(rng.random()), 4)
                for slot in rng.choice(seconds * rate, 4, replace=False):
                    detection[slot, c] = round(float(rng.random()), 4)
                guesses += [
                    (name, slot / rate, float(detection[slot, c]))
                    for slot in np.flatnonzero(detection[:, c] >= 0)
                ]
            truth.append(events)
            found.append(guesses)
            targets.append(target)
            detections.append(detection)
            closests.append(closest)
        widths = np.array(TIGHT_SECONDS if tight else LOOSE_SECONDS)
        with warnings.catch_warnings():  # it divides by nothing where no event is unshown
            warnings.simplefilter("ignore")
            expected = module.average_mAP(targets, detections, closests, rate, deltas=widths)[0]
        assert average_map(truth, found, tight=tight) == pytest.approx(expected)
