"""The index of a paused trial, against simulated plans."""

import numpy as np
import pytest
from scipy.stats import norm

from lightning_quicktune.acquisition.improvement import log_bounded_improvement
from lightning_quicktune.acquisition.optional_stopping import PROMISING, optional_stopping_index

N_KNOTS = 4


def trials(n, seed):
    """Mean and covariance of scores at the knots, and prices of training on to them."""
    generator = np.random.default_rng(seed)
    factor = generator.standard_normal((n, N_KNOTS, N_KNOTS)) / np.sqrt(N_KNOTS)
    common = np.ones((N_KNOTS, N_KNOTS)) + 0.05 * np.eye(N_KNOTS)
    covariance = 0.02 * (factor @ factor.transpose(0, 2, 1) + common)
    mean = 0.3 + 0.2 * np.sort(generator.random((n, N_KNOTS)), axis=1)
    return mean, covariance, np.cumsum(0.3 + generator.random((n, N_KNOTS)), axis=1)


def gain(mean, std, beaten):
    """Expected improvement of a score of at most 1, in closed form."""

    def unbounded(threshold):
        z = (mean - threshold) / std
        return (mean - threshold) * norm.cdf(z) + std * norm.pdf(z)

    return np.where(beaten < 1.0, unbounded(beaten) - unbounded(1.0), 0.0)


def without_option(mean, covariance, price, first, incumbent):
    """Largest ratio of gain to price of plans that train to one knot, for one configuration."""
    std = np.sqrt(np.diag(covariance))
    return max(float(gain(mean[k], std[k], incumbent)) / price[k] for k in range(first, len(mean)))


def simulated(mean, covariance, price, first, incumbent, ratio, n=200_000):
    """Mean gain over mean price of the plan that goes on after a knot where that is worth ``ratio`` times its price."""
    std = np.sqrt(covariance[first, first])
    draws = np.random.default_rng(0).standard_normal(n // 2)
    unit = np.concatenate([draws, -draws])
    score = mean[first] + std * unit
    net, later, paid = np.zeros(n), np.zeros(n), np.zeros(n)
    for knot in range(first + 1, len(mean)):
        slope = covariance[first, knot] / std
        rest = np.sqrt(covariance[knot, knot] - slope**2)
        gained = gain(mean[knot] + slope * unit, rest, np.maximum(score, incumbent))
        costs = price[knot] - price[first]
        better = gained - ratio * costs > net
        net = np.where(better, gained - ratio * costs, net)
        later, paid = np.where(better, gained, later), np.where(better, costs, paid)
    first_gain = np.maximum(np.minimum(score, 1.0) - incumbent, 0.0)
    return (first_gain + later).mean() / (price[first] + paid.mean())


def test_a_plan_that_is_followed_brings_what_the_index_says_per_price():
    """Up to the coarseness of seven nodes, which errs either way."""
    mean, covariance, price = trials(16, seed=0)
    first, incumbent = np.arange(16) % (N_KNOTS - 1), 0.5 + 0.2 * np.random.default_rng(1).random((16, 1))
    beaten = np.repeat(incumbent, N_KNOTS, axis=1)
    index = np.exp(optional_stopping_index(mean, covariance, price, first, beaten))
    found = np.array(
        [
            simulated(mean[c], covariance[c], price[c], int(first[c]), float(incumbent[c, 0]), index[c])
            for c in range(16)
        ]
    )
    np.testing.assert_allclose(found, index, rtol=0.15)
    assert np.mean(np.log(found / index)) == pytest.approx(0.0, abs=0.03)


def test_the_option_to_stop_is_never_worth_less_than_nothing():
    mean, covariance, price = trials(40, seed=2)
    first = np.arange(40) % N_KNOTS
    index = np.exp(optional_stopping_index(mean, covariance, price, first, 0.55))
    plain = [without_option(mean[c], covariance[c], price[c], int(first[c]), 0.55) for c in range(40)]
    assert np.all(index >= np.array(plain) * (1 - 1e-9))
    assert np.mean(index[first < N_KNOTS - 1] > 1.05 * np.array(plain)[first < N_KNOTS - 1]) > 0.5


def test_before_the_last_knot_it_is_the_expected_improvement_over_the_price():
    mean, covariance, price = trials(6, seed=3)
    index = optional_stopping_index(mean, covariance, price, np.full(6, N_KNOTS - 1), 0.5)
    expected = gain(mean[:, -1], np.sqrt(covariance[:, -1, -1]), np.full(6, 0.5)) / price[:, -1]
    np.testing.assert_allclose(np.exp(index), expected, rtol=1e-9)
    single = optional_stopping_index(mean[:, :1], covariance[:, :1, :1], price[:, :1], np.zeros(6, dtype=np.int64), 0.5)
    expected = gain(mean[:, 0], np.sqrt(covariance[:, 0, 0]), np.full(6, 0.5)) / price[:, 0]
    np.testing.assert_allclose(np.exp(single), expected, rtol=1e-9)


def test_a_score_that_tells_the_end_is_worth_its_price_where_the_end_costs_much():
    """Half of the trials turn out bad after a tenth of the price, and are stopped."""
    mean, price = np.zeros((1, 2)), np.array([[1.0, 10.0]])
    telling, silent = (np.array([[[1.0, c], [c, 1.0]]]) * 0.04 for c in (0.99, 0.0))
    mean, incumbent = mean + np.array([[0.0, 0.6]]), 0.7
    found = [optional_stopping_index(mean, each, price, np.array([0]), incumbent)[0] for each in (telling, silent)]
    assert found[0] > found[1] + np.log(1.5)


def test_no_underflow_makes_candidates_alike():
    """All of them are 30 deviations below the incumbent, where the improvement itself rounds to 0."""
    mean, covariance, price = (np.repeat(each, 5, axis=0) for each in trials(1, seed=4))
    std = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    mean = 0.9 - std * np.array([30.0, 31.0, 34.0, 38.0, 40.0])[:, None]
    index = optional_stopping_index(mean, covariance, price, np.zeros(5, dtype=np.int64), 0.9)
    assert np.isfinite(index).all()
    assert np.all(np.diff(index) < -1.0)
    assert np.exp(log_bounded_improvement(mean, std, np.full_like(mean, 0.9))).max() < 1e-190


def test_what_is_complete_or_cannot_improve_has_no_index():
    mean, covariance, price = trials(3, seed=5)
    index = optional_stopping_index(mean, covariance, price, np.array([0, N_KNOTS, 2]), 0.5)
    assert np.isfinite(index[[0, 2]]).all()
    assert index[1] == -np.inf
    highest = optional_stopping_index(mean, covariance, price, np.array([0, N_KNOTS, 2]), 1.0)
    assert np.all(highest == -np.inf)


def test_another_currency_orders_the_same():
    mean, covariance, price = trials(8, seed=6)
    first = np.arange(8) % N_KNOTS
    index, cents = (optional_stopping_index(mean, covariance, p, first, 0.6) for p in (price, 100.0 * price))
    np.testing.assert_allclose(cents, index - np.log(100.0), rtol=0, atol=1e-9)


def test_each_has_to_beat_its_own_at_each_knot():
    mean, price = np.tile([0.3, 0.5], (3, 1)), np.tile([1.0, 2.0], (3, 1))
    covariance = np.tile(0.01 * np.array([[1.0, 0.8], [0.8, 1.0]]), (3, 1, 1))
    beaten = np.array([[0.5, 0.5], [0.5, 0.6], [0.6, 0.6]])
    low, high_at_the_end, high = optional_stopping_index(mean, covariance, price, np.zeros(3, np.int64), beaten)
    assert low > high_at_the_end > high


def test_of_many_only_the_promising_have_their_option_worked_out():
    n = 2 * PROMISING
    mean, covariance, price = trials(n, seed=8)
    index = np.exp(optional_stopping_index(mean, covariance, price, np.zeros(n, dtype=np.int64), 0.55))
    plain = np.array([without_option(mean[c], covariance[c], price[c], 0, 0.55) for c in range(n)])
    order = np.argsort(-plain)
    np.testing.assert_allclose(index[order[PROMISING:]], plain[order[PROMISING:]], rtol=1e-9)
    first = order[:PROMISING]
    alone = optional_stopping_index(mean[first], covariance[first], price[first], np.zeros(PROMISING, np.int64), 0.55)
    np.testing.assert_allclose(index[first], np.exp(alone), rtol=1e-12)
