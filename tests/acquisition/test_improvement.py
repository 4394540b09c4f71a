import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from lightning_quicktune.acquisition.improvement import log_expected_improvement, log_probability_of_improvement

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
