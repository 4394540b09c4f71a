import numpy as np
import pytest

from lightning_quicktune.evaluation.regret import mean_ranks, normalised_regret, win_tie_loss
from lightning_quicktune.replay.observed import Observed, incumbents


def seen(*pairs):
    return [Observed(at_s, f"c{i}", 0, 1, score) for i, (at_s, score) in enumerate(pairs)]


def test_regret_is_the_gap_to_the_best_in_units_of_best_minus_median():
    regret = normalised_regret(np.array([0.9, 0.7, 0.8, 0.5]), best=0.9, median_final=0.7)
    np.testing.assert_allclose(regret, [0.0, 1.0, 0.5, 2.0])


def test_regret_has_no_unit_where_nothing_can_be_gained():
    with pytest.raises(ValueError, match=r"best score of the pool is 0.7 and the median final score 0.7.*Leave such"):
        normalised_regret(np.array([0.5]), best=0.7, median_final=0.7)


def test_only_better_scores_become_incumbents():
    best = incumbents(seen((1, 0.3), (2, 0.2), (3, 0.3), (5, 0.6), (6, 0.5)))
    assert [(b.at_s, b.score) for b in best] == [(1, 0.3), (5, 0.6)]


def test_equal_regrets_share_the_mean_of_their_ranks():
    regrets = np.array([[0.1, 0.5, 0.2], [0.3, 0.5, 0.1], [0.2, 0.9, 0.3]])
    np.testing.assert_allclose(mean_ranks(regrets), [(1 + 1.5 + 2) / 3, (3 + 1.5 + 1) / 3, (2 + 3 + 3) / 3])


def test_each_method_wins_ties_and_loses_against_each_other():
    regrets = np.array([[0.1, 0.3, 0.2], [0.3, 0.1 + 0.2, 0.1], [0.2, 0.9, 0.3]])
    counts = win_tie_loss(regrets)
    np.testing.assert_array_equal(counts[0, 1], [1, 1, 1])
    np.testing.assert_array_equal(counts[0, 2], [3, 0, 0])
    np.testing.assert_array_equal(counts[2, 1], [1, 0, 2])
    np.testing.assert_array_equal(counts[1, 1], [0, 3, 0])
