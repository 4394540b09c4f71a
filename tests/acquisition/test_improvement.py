import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from lightning_quicktune.acquisition.improvement import (
    log_bounded_improvement,
    log_expected_improvement,
    log_probability_of_improvement,
)

MEAN, STD = np.array([0.2, -0.1, 0.5]), np.array([0.1, 0.3, 0.05])
INCUMBENT = np.array([0.3, 0.3, 0.2])


def test_expected_improvement_matches_monte_carlo():
    rng = np.random.default_rng(0)
    samples = MEAN + STD * rng.standard_normal((400_000, 3))
    reference = np.maximum(samples - INCUMBENT, 0).mean(0)
    np.testing.assert_allclose(np.exp(log_expected_improvement(MEAN, STD, INCUMBENT)), reference, atol=1e-3)


@pytest.mark.parametrize("z", [-12.0, -6.0, -1.001, -0.999, 0.0, 3.0, 30.0])
def test_the_logarithm_matches_numerical_integration(z):
    reference, _ = quad(lambda x: (x - 0.5) * norm.pdf(x, 0.5 + 0.2 * z, 0.2), 0.5, 0.5 + 0.2 * max(z, 0) + 6, epsabs=0)
    log_value = log_expected_improvement(np.array([0.5 + 0.2 * z]), np.array([0.2]), np.array([0.5]))
    np.testing.assert_allclose(log_value, np.log(reference), rtol=1e-6, atol=1e-6)


def test_the_logarithm_stays_finite_smooth_and_ordered_where_the_improvement_rounds_to_0():
    mean = -np.logspace(0, 8, 4000)
    ones, zeros = np.ones_like(mean), np.zeros_like(mean)
    values = log_expected_improvement(mean, ones, zeros)
    assert np.isfinite(values).all()
    assert (np.diff(values) < 0).all()
    leading = -0.5 * mean**2 - 0.5 * np.log(2 * np.pi) - 2 * np.log(-mean)
    np.testing.assert_allclose(values[mean < -300], leading[mean < -300], atol=1e-4)


def test_a_certain_surrogate_is_ordered_by_its_mean():
    mean, certain, incumbent = np.array([0.6, 0.4, 0.3]), np.zeros(3), np.full(3, 0.5)
    values = log_expected_improvement(mean, certain, incumbent)
    assert np.isfinite(values).all()
    assert values[0] > values[1] > values[2]
    np.testing.assert_allclose(values[0], np.log(0.1))


def test_the_probability_of_improvement_is_that_of_the_normal_distribution_far_out_too():
    values = log_probability_of_improvement(MEAN, STD, 0.3)
    np.testing.assert_allclose(values, norm.logsf(0.3, MEAN, STD))
    far = log_probability_of_improvement(np.array([-100.0, -101.0]), np.ones(2), 0.0)
    assert np.isfinite(far).all()
    assert far[0] > far[1]
    assert np.isfinite(log_probability_of_improvement(np.array([0.4]), np.zeros(1), 0.5)).all()


def test_what_lies_above_the_highest_score_is_no_improvement():
    rng = np.random.default_rng(0)
    mean, std, incumbent = np.array([0.2, 0.9, 1.4]), np.array([0.5, 0.3, 0.2]), np.array([0.3, 0.8, 0.95])
    samples = np.minimum(mean + std * rng.standard_normal((400_000, 3)), 1.0)
    reference = np.maximum(samples - incumbent, 0).mean(0)
    found = np.exp(log_bounded_improvement(mean, std, incumbent))
    np.testing.assert_allclose(found, reference, atol=1e-3)
    assert np.all(found < np.exp(log_expected_improvement(mean, std, incumbent)))


@pytest.mark.parametrize("z", [-40.0, -12.0, -1.0, 0.0, 2.0, 8.0])
@pytest.mark.parametrize(("incumbent", "std"), [(0.5, 0.2), (0.9, 0.3), (0.999, 0.01)])
def test_the_bounded_logarithm_matches_numerical_integration(z, incumbent, std):
    """The expected improvement up to 1 is the integral of the probability to exceed each score between."""
    mean = incumbent + std * z
    highest = norm.logsf(incumbent, mean, std)
    end = min(1.0, incumbent + 40 * std / max(1.0, -z))  # beyond, nothing is left
    integral, _ = quad(lambda y: np.exp(norm.logsf(y, mean, std) - highest), incumbent, end, epsabs=0, limit=200)
    found = log_bounded_improvement(np.array([mean]), np.array([std]), np.array([incumbent]))
    np.testing.assert_allclose(found, highest + np.log(integral), rtol=1e-6, atol=1e-6)


def test_no_score_can_gain_more_than_what_is_left_up_to_1_and_the_better_one_gains_more():
    mean, incumbent = np.linspace(-8.0, 3.0, 2000), np.full(2000, 0.6)
    values = log_bounded_improvement(mean, np.full(2000, 0.2), incumbent)  # from 40 deviations below
    assert np.isfinite(values).all()
    assert np.exp(values).max() <= 0.4 + 1e-12
    assert np.exp(values[-1]) == pytest.approx(0.4)
    assert np.all(np.diff(values[mean < 1.0]) > 0)


@pytest.mark.parametrize("incumbent", [1.0, 1.3])
def test_nothing_improves_on_the_highest_score(incumbent):
    mean = np.array([0.2, 1.0, 5.0])
    assert np.all(log_bounded_improvement(mean, np.full(3, 0.3), np.full(3, incumbent)) == -np.inf)
