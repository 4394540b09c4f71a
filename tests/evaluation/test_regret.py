import numpy as np
import pytest

from lightning_quicktune.evaluation.regret import (
    Observed,
    bootstrap_interval,
    count_wins,
    incumbent_at,
    incumbents,
    mean_ranks,
    normalised_regret,
)


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


@pytest.mark.parametrize(("at_s", "score"), [(0.5, None), (1.0, 0.3), (4.99, 0.3), (5.0, 0.6), (9.0, 0.6)])
def test_the_incumbent_at_a_time_is_the_last_that_had_ended_by_then(at_s, score):
    found = incumbent_at(seen((1, 0.3), (5, 0.6)), at_s)
    assert (found.score if found else None) == score


def test_equal_regrets_share_the_mean_of_their_ranks():
    regrets = np.array([[0.1, 0.5, 0.2], [0.3, 0.5, 0.1], [0.2, 0.9, 0.3]])
    np.testing.assert_allclose(mean_ranks(regrets), [(1 + 1.5 + 2) / 3, (3 + 1.5 + 1) / 3, (2 + 3 + 3) / 3])


def test_equal_regrets_all_win():
    regrets = np.array([[0.1, 0.3, 0.2], [0.3, 0.1 + 0.2, 0.1], [0.2, 0.9, 0.3]])
    np.testing.assert_array_equal(count_wins(regrets), [2, 2, 0])


def test_the_interval_of_many_tasks_is_that_of_the_normal_mean():
    values = np.random.default_rng(0).normal(1.0, 2.0, size=(400, 1))
    lower, upper = bootstrap_interval(values, np.arange(400), seed=0, n_draws=4000)
    half = 1.96 * values.std() / 20
    np.testing.assert_allclose([lower, upper], [values.mean() - half, values.mean() + half], atol=0.03)


def test_tasks_of_one_cluster_count_as_one():
    """Fifty tasks of two domains that differ: the mean is as uncertain as that of two values."""
    values = np.repeat([0.0, 1.0], 25)[:, None]
    assert bootstrap_interval(values, np.repeat([0, 1], 25), seed=0) == (0.0, 1.0)
    lower, upper = bootstrap_interval(values, np.arange(50), seed=0)
    assert 0.3 < lower < upper < 0.7


def test_seeds_are_drawn_again_inside_a_task():
    lower, upper = bootstrap_interval(np.array([[0.0, 1.0]]), np.array([0]), seed=0)
    assert (lower, upper) == (0.0, 1.0)
