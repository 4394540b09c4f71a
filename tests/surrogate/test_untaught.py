"""What somebody believes who has seen no task."""

import numpy as np
import pytest

from lightning_quicktune.surrogate.curves.posterior import CurvePosterior
from lightning_quicktune.surrogate.curves.untaught import untaught_prior, without_configurations

SHARES = np.array([0.1, 0.3, 1.0])


@pytest.fixture(scope="module")
def encoded():
    """Four hyperparameters, of which the last is one of three choices."""
    generator = np.random.default_rng(0)
    return np.hstack([generator.random((20, 3)), np.eye(3)[generator.integers(3, size=20)]])


@pytest.fixture(scope="module")
def prior(encoded):
    return untaught_prior(encoded, np.array([0, 1, 2, 3, 3, 3]), SHARES)


def test_no_configuration_is_preferred_and_none_is_dearer(prior):
    mean, covariance = CurvePosterior(prior).moments()
    assert np.ptp(mean, axis=0).max() < 1e-12
    assert np.ptp(covariance, axis=0).max() < 1e-12
    assert not prior.loadings.any()
    assert not prior.log_cost.any()


def test_any_score_between_0_and_1_may_come(prior):
    mean, std = CurvePosterior(prior).forecast(0, 2)
    assert mean == pytest.approx(0.5)
    assert 0.3 < std < 2.0


def test_neighbours_are_alike_and_later_scores_tell_more(prior, encoded):
    posterior = CurvePosterior(prior)
    nearest = int(np.square(encoded - encoded[0]).sum(1)[1:].argmin()) + 1
    farthest = int(np.square(encoded - encoded[0]).sum(1).argmax())
    assert prior.finals[0, 0] == pytest.approx(1.0)
    assert prior.finals[0, nearest] > prior.finals[0, farthest] > 0
    lefts = []
    for knot in range(3):
        posterior = CurvePosterior(prior)
        posterior.observe(0, knot, 0.5)
        lefts.append(posterior.moments()[1][0, 2, 2])
    assert lefts[0] > lefts[1] > lefts[2]


def test_covariances_are_those_of_a_distribution(prior):
    for matrix in (prior.finals, prior.shapes, prior.given_final, prior.offsets):
        assert np.linalg.eigvalsh(matrix).min() > -1e-9
    assert not prior.given_final[-1].any()  # nothing is left of the way at its end
    assert prior.following[-1] == 1.0


def test_it_learns_a_task_from_its_own_scores():
    encoded = np.random.default_rng(0).random((60, 2))
    final = 0.6 + 0.1 * encoded[:, 0]
    posterior = CurvePosterior(untaught_prior(encoded, np.arange(2), SHARES))
    for place in range(30):
        posterior.observe(place, 2, float(final[place]))
    mean = posterior.moments()[0][30:, 2]
    assert np.corrcoef(mean, final[30:])[0, 1] > 0.8
    assert np.abs(mean - final[30:]).mean() < 0.7 * np.abs(final[:30].mean() - final[30:]).mean()


def test_without_configurations_all_are_alike_and_as_uncertain_as_they_differ(curve_prior, made_up):
    taught = curve_prior.pool_prior(made_up(50).encoded)
    found = without_configurations(taught)
    assert np.ptp(found.mean, axis=0).max() < 1e-12
    np.testing.assert_allclose(found.mean[0], taught.mean.mean(0))
    assert not found.loadings.any()
    assert not found.log_cost.any()
    assert found.first_look == 0
    variance = np.diag(taught.finals) + np.square(taught.loadings[:, -1]).sum(1)
    assert np.diag(found.finals).mean() == pytest.approx(variance.mean() + taught.mean[:, -1].var())
    np.testing.assert_allclose(found.finals / found.finals[0, 0], taught.finals / taught.finals[0, 0])
    for name in ("shapes", "following", "given_final", "noise", "locations", "scales"):
        assert getattr(found, name) is getattr(taught, name)
