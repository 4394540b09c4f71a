from itertools import product

import numpy as np
import pytest
from scipy.stats import permutation_test

from lightning_quicktune.statistics.intervals import Bootstrap, holm, permutation_p


def test_the_interval_of_many_tasks_is_that_of_the_normal_mean():
    values = np.random.default_rng(0).normal(1.0, 2.0, size=(400, 1))
    lower, upper = Bootstrap(np.arange(400), 1, seed=0, n_draws=4000).interval(values)
    half = 1.96 * values.std() / 20
    np.testing.assert_allclose([lower, upper], [values.mean() - half, values.mean() + half], atol=0.03)


def test_tasks_of_one_cluster_count_as_one():
    """Fifty tasks of two domains that differ: the mean is as uncertain as that of two values."""
    values = np.repeat([0.0, 1.0], 25)[:, None]
    lower, upper = Bootstrap(np.repeat([0, 1], 25), 1, seed=0).interval(values)
    assert (lower, upper) == (0.0, pytest.approx(1.0))
    lower, upper = Bootstrap(np.arange(50), 1, seed=0).interval(values)
    assert 0.3 < lower < upper < 0.7


def test_seeds_are_drawn_again_inside_a_task():
    lower, upper = Bootstrap(np.array([0]), 2, seed=0).interval(np.array([[0.0, 1.0]]))
    assert (lower, upper) == (0.0, 1.0)


def test_many_things_are_asked_at_once():
    values = np.random.default_rng(0).normal(size=(6, 3, 2, 4))
    bootstrap = Bootstrap(np.array([0, 0, 1, 2, 3, 3]), 3, seed=0)
    lower, upper = bootstrap.interval(values)
    one = bootstrap.interval(values[:, :, 1, 2])
    np.testing.assert_allclose([lower[1, 2], upper[1, 2]], one)


def test_few_clusters_are_flipped_in_every_way():
    differences = np.random.default_rng(1).normal(0.5, 1.0, size=9)
    expected = permutation_test(
        (differences, np.zeros(9)),
        lambda a, b, axis: (a - b).mean(axis),
        permutation_type="samples",
        n_resamples=np.inf,
    ).pvalue
    assert permutation_p(differences, np.arange(9), seed=0) == pytest.approx(expected)


def test_tasks_of_one_cluster_are_flipped_together():
    differences, clusters = np.array([1.0, 2.0, -0.5, 4.0]), np.array([0, 0, 1, 2])
    flipped = [abs(a * 3.0 + b * -0.5 + c * 4.0) for a, b, c in product([-1, 1], repeat=3)]
    expected = np.mean([value >= 6.5 for value in flipped])
    assert permutation_p(differences, clusters, seed=0) == pytest.approx(expected)


def test_many_tasks_are_flipped_at_random():
    generator = np.random.default_rng(0)
    both = np.stack([generator.normal(0.0, 1.0, 40), generator.normal(2.0, 1.0, 40)], axis=1)
    same, other = permutation_p(both, np.arange(40), seed=0)
    assert same > 0.05
    assert 0 < other < 1e-3


def test_holm_multiplies_the_smallest_the_most():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.5, 0.9])), [1.0, 1.0])
    assert holm(np.array([])).shape == (0,)


def test_a_seed_is_drawn_for_all_tasks_at_once():
    """Two seeds that are good or bad on all of a hundred tasks: the mean is as uncertain as that of two values."""
    values = np.tile([0.0, 1.0], (100, 1))
    lower, upper = Bootstrap(np.arange(100), 2, seed=0).interval(values)
    assert (lower, upper) == (pytest.approx(0.0), pytest.approx(1.0))
