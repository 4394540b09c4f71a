"""How tasks rank configurations, and in which order that says to try them."""

import numpy as np
import pytest

from lightning_quicktune.surrogate.curves.ranks import OWN, Ranks, greedy_places

N = 2 * OWN


@pytest.fixture(scope="module")
def encoded():
    return np.random.default_rng(0).random((N + 30, 3))


def worth(encoded, task=0):
    return encoded[:, 0] + 0.5 * encoded[:, 1] + 0.1 * task * encoded[:, 2]


@pytest.fixture(scope="module")
def ranks(encoded):
    return Ranks.of([encoded[:N]] * 4, [worth(encoded[:N], task) for task in range(4)])


def test_what_was_tried_has_the_root_of_its_rank(encoded, ranks):
    better = (worth(encoded[:N])[:, None] < worth(encoded[:N])).sum(1)
    np.testing.assert_allclose(ranks.known(encoded[:N])[0] ** 2, better / (N - 1), atol=1e-12)


def test_what_was_tried_counts_half_as_recorded_and_half_as_predicted(encoded, ranks):
    both = 0.5 * (ranks.known(encoded[:N]) + ranks.predicted(encoded[:N]))
    np.testing.assert_allclose(ranks.smoothed(encoded[:N]), both)


def test_what_was_not_tried_is_predicted(encoded, ranks):
    new = encoded[N:]
    np.testing.assert_array_equal(ranks.smoothed(new), ranks.predicted(new))
    for task in range(4):
        assert np.corrcoef(ranks.known(new)[task], worth(new, task))[0, 1] < -0.8


def test_failed_ones_are_the_worst_and_those_that_are_there_twice_count_by_their_mean(encoded):
    rows = encoded[[0, 1, 2, 2]]
    found = Ranks.of([rows], [np.array([0.5, -np.inf, 0.9, 0.3])])
    assert len(found.encoded) == 3
    np.testing.assert_allclose(found.known(encoded[:3])[0] ** 2, [0.5, 1.0, 0.0])


def test_tasks_may_have_tried_different_ones(encoded):
    halves = [encoded[:N], encoded[15 : N + 15]]
    found = Ranks.of(halves, [worth(half) for half in halves])
    assert found.values.shape == (2, N + 15)
    assert np.isfinite(found.values).sum() == 2 * N
    assert np.isfinite(found.known(encoded)).all()


def test_the_second_of_the_order_is_good_where_the_first_is_bad():
    ranks = np.array([[0.0, 0.1, 0.9, 0.5], [0.0, 0.1, 0.9, 0.5], [1.0, 0.9, 0.0, 0.5]])
    assert greedy_places(ranks).tolist()[:2] == [0, 2]
