import math

import numpy as np
import pytest

from lightning_quicktune.metadataset.noise import score_noise, validation_records


def test_noise_is_that_of_a_share_of_right_answers():
    final = np.array([0.8, 0.77, 0.5, 0.4, np.nan])
    scores = np.stack([np.full(5, 0.1), final], axis=1)
    found = score_noise(scores, final, 100)
    draws = np.random.default_rng(0).binomial(100, 0.8, size=200_000) / 100
    assert found.standard_error == pytest.approx(draws.std(), rel=0.01)
    assert found.regret == pytest.approx(0.04 / (0.8 - 0.635))
    assert (found.n_records, found.n_alike) == (100, 1)  # 0.77 is less than 0.04 below


def test_a_perfect_score_is_only_like_its_equals():
    final = np.array([1.0, 1.0, 0.99])
    assert score_noise(final[:, None], final, 10) == (10, 0.0, math.inf, 1)


def test_equal_scores_differ_by_luck_alone():
    final = np.full(4, 0.5)
    assert score_noise(final[:, None], final, 25) == (25, 0.1, math.inf, 3)


def test_nothing_is_said_without_scores_or_records():
    assert score_noise(np.full((2, 3), np.nan), np.full(2, np.nan), 10) is None
    assert score_noise(np.ones((2, 1)), np.ones(2), 0) is None


def test_the_number_of_records_is_a_fact_or_a_meta_feature(make_task):
    assert validation_records(make_task("t")) == 0
    assert validation_records(make_task("t", facts={"validation_records": 40})) == 40
    assert validation_records(make_task("t", meta_features={"validation_records": 30.0})) == 30
