"""The posterior over a pool's curves, against a dense Gaussian for each scale."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from lightning_quicktune.surrogate.curves.points import PointForecasts
from lightning_quicktune.surrogate.curves.pool_prior import MOMENTS, PoolPrior
from lightning_quicktune.surrogate.curves.posterior import NEGLIGIBLE, SCALES, CurvePosterior, TaskScale

C, H, T = 5, 3, 4


def positive(generator, n):
    factor = generator.standard_normal((n, n)) / np.sqrt(n)
    return factor @ factor.T + 0.05 * np.eye(n)


@pytest.fixture
def prior():
    generator = np.random.default_rng(0)
    final = generator.standard_normal(C)
    return PoolPrior(
        mean=final[:, None] + np.array([-2.0, -0.5, 0.0]),
        loadings=0.3 * generator.standard_normal((C, H, T)),
        finals=0.4 * positive(generator, C),
        shapes=0.2 * positive(generator, C),
        following=np.array([0.5, 0.8, 1.0]),
        given_final=np.array([[0.4, 0.2, 0.0], [0.2, 0.3, 0.0], [0.0, 0.0, 0.0]]),
        offsets=np.array([[0.2, 0.1, 0.0], [0.1, 0.1, 0.0], [0.0, 0.0, 0.0]]),
        noise=np.array([0.02, 0.01, 0.01]),
        floor=np.array([-4.0, -3.0, -2.0]),
        locations=np.array([0.5, 0.6, 0.55, 0.7]),
        scales=np.array([0.1, 0.05, 0.08, 0.04]),
        log_cost=np.zeros(C),
        shares=np.array([0.25, 0.5, 1.0]),
        cost_exponent=0.5,
        temperatures=np.linspace(1.0, 1.6, len(MOMENTS)),
    )


def dense_covariance(prior, location_variance):
    """Of all scores in units of the scale, shape ``(C H, C H)``, one pair at a time."""
    found = np.zeros((C, H, C, H))
    for c in range(C):
        for h in range(H):
            for d in range(C):
                for g in range(H):
                    found[c, h, d, g] = (
                        prior.loadings[c, h] @ prior.loadings[d, g]
                        + prior.finals[c, d] * prior.following[h] * prior.following[g]
                        + prior.shapes[c, d] * prior.given_final[h, g]
                        + prior.offsets[h, g]
                        + location_variance
                    )
    return found.reshape(C * H, C * H)


def dense_moments(prior, seen, negligible=0.0):
    """Weights of the scales, and mean and covariance of all scores in a mixture of Gaussians, one for each scale."""
    grid = TaskScale.of(prior)
    unit, places = dense_covariance(prior, grid.location_variance), [c * H + h for c, h, _ in seen]
    log_weights, means, covariances = grid.log_prior.copy(), [], []
    for s, (scale, location) in enumerate(zip(grid.scales, grid.locations, strict=True)):
        mean, covariance = location + scale * prior.mean.ravel(), scale**2 * unit
        if seen:
            noise = scale**2 * np.diag([prior.noise[h] for _, h, _ in seen])
            observed = covariance[np.ix_(places, places)] + noise
            scores = np.array([score for *_, score in seen])
            log_weights[s] += multivariate_normal(mean[places], observed).logpdf(scores)
            gain = covariance[:, places] @ np.linalg.inv(observed)
            mean, covariance = mean + gain @ (scores - mean[places]), covariance - gain @ covariance[places]
        means.append(mean)
        covariances.append(covariance)
    weights = np.exp(log_weights - log_weights.max())
    weights = weights / weights.sum() * (weights / weights.sum() > negligible)
    weights /= weights.sum()
    middle = weights @ np.array(means)
    between = sum(w * np.outer(m - middle, m - middle) for w, m in zip(weights, means, strict=True))
    return weights, middle, sum(w * c for w, c in zip(weights, covariances, strict=True)) + between


SEEN = [(0, 0, 0.45), (2, 1, 0.62), (0, 1, 0.58), (4, 2, 0.66), (0, 2, 0.61)]


@pytest.mark.parametrize("n", [0, 1, 3, 5])
def test_moments_are_those_of_dense_gaussians_mixed_over_scales(prior, n):
    posterior = CurvePosterior(prior)
    for seen in SEEN[:n]:
        posterior.observe(*seen)
    weights, middle, covariance = dense_moments(prior, SEEN[:n])
    np.testing.assert_allclose(posterior.scale_weights(), weights, rtol=1e-6, atol=1e-12)
    _, middle, covariance = dense_moments(prior, SEEN[:n], NEGLIGIBLE)
    mean, within = posterior.moments()
    np.testing.assert_allclose(mean.ravel(), middle, atol=1e-9)
    blocks = covariance.reshape(C, H, C, H)[np.arange(C), :, np.arange(C)]
    np.testing.assert_allclose(within, blocks, atol=1e-9)


@pytest.mark.parametrize("n", [0, 2, 5])
def test_a_forecast_is_a_score_with_its_noise(prior, n):
    posterior = CurvePosterior(prior)
    for seen in SEEN[:n]:
        posterior.observe(*seen)
    weights, middle, covariance = dense_moments(prior, SEEN[:n])
    square = weights @ TaskScale.of(prior).scales ** 2
    assert posterior.mean_square_scale == pytest.approx(square)
    for c, h in ((1, 0), (3, 2), (0, 1)):
        mean, std = posterior.forecast(c, h)
        assert mean == pytest.approx(middle[c * H + h])
        assert std**2 == pytest.approx(covariance[c * H + h, c * H + h] + square * prior.noise[h])
        assert posterior.noise_variance(h) == pytest.approx(square * prior.noise[h])
        assert posterior.forecast(c, h, error=0.01)[1] ** 2 == pytest.approx(std**2 + 0.01)


def test_forecasts_of_points_are_the_same(prior):
    posterior, points = CurvePosterior(prior), PointForecasts(prior)
    for n, (c, h, score) in enumerate(SEEN):
        for knot in range(H):
            np.testing.assert_allclose(points.forecast(1, knot, 0.002), posterior.forecast(1, knot, 0.002), rtol=1e-9)
        np.testing.assert_allclose(points.forecast(c, h), posterior.forecast(c, h), rtol=1e-9)
        for each in (posterior, points):
            each.observe(c, h, score, 0.001 * n)


def test_the_order_of_scores_makes_no_difference(prior):
    found = []
    for seen in (SEEN, SEEN[::-1]):
        posterior = CurvePosterior(prior)
        for each in seen:
            posterior.observe(*each)
        found.append(posterior.moments())
    for forwards, backwards in zip(*found, strict=True):
        np.testing.assert_allclose(forwards, backwards, atol=1e-9)


def test_more_scores_than_were_made_room_for(prior):
    posterior = CurvePosterior(prior)
    for n in range(150):
        posterior.observe(n % C, n % H, 0.5 + 0.01 * (n % 7))
    mean, covariance = posterior.moments()
    assert np.isfinite(mean).all()
    assert np.einsum("chh->ch", covariance).min() > -1e-9
    assert posterior.n_observed == 150


def test_a_score_measured_on_few_records_moves_less_and_leaves_more_open(prior):
    exact, rough = CurvePosterior(prior), CurvePosterior(prior)
    before = exact.forecast(0, 2)[0]
    exact.observe(0, 2, before + 0.05)
    rough.observe(0, 2, before + 0.05, error=0.04)
    moved = [each.forecast(0, 2)[0] - before for each in (exact, rough)]
    assert 0 < moved[1] < 0.5 * moved[0]
    assert rough.moments()[1][0, 2, 2] > exact.moments()[1][0, 2, 2]


def test_an_impossible_score_is_no_end(prior):
    """A score on which nothing is uncertain any more, told again as another."""
    posterior = CurvePosterior(replace(prior, noise=np.zeros(H)))
    for score in (0.5, 0.5, 0.6):
        posterior.observe(0, 2, score)
    assert np.isfinite(posterior.moments()[0]).all()


def test_below_the_floor_nothing_is_told_apart_once_something_is_known(prior):
    posterior = CurvePosterior(prior)
    assert [posterior.floor(knot) for knot in range(H)] == [-np.inf] * H
    for seen in SEEN[:2]:
        posterior.observe(*seen)
    weights, middle, _ = dense_moments(prior, SEEN[:2])
    grid = TaskScale.of(prior)
    for knot in range(H):
        shift = middle.reshape(C, H)[:, knot].mean() - weights @ (
            grid.locations + grid.scales * prior.mean[:, knot].mean()
        )
        found = posterior.floor(knot)
        expected = weights @ (grid.locations + grid.scales * prior.floor[knot]) + shift
        assert found == pytest.approx(expected)
        assert found < middle.reshape(C, H)[:, knot].min()


def test_what_people_are_told_has_the_same_mean_and_a_width_that_depends_on_what_is_known(prior):
    posterior = CurvePosterior(prior)
    for n, seen in enumerate(SEEN):
        mean, std = posterior.forecast(1, 2)
        assert posterior.reported(1, 2) == (mean, pytest.approx(std * prior.temperature(n)))
        posterior.observe(*seen)


def test_location_and_scale_are_believed_as_they_were_on_other_tasks(prior):
    generator = np.random.default_rng(0)
    log_scales = generator.normal(-3.0, 0.6, 2000)
    locations = 0.7 - 0.1 * (log_scales + 3.0) + 0.05 * generator.standard_normal(2000)
    found = TaskScale.of(
        replace(prior, loadings=np.zeros((C, H, 2000)), locations=locations, scales=np.exp(log_scales))
    )
    np.testing.assert_allclose(np.log(found.scales), -3.0 + 0.6 * SCALES, atol=0.05)
    np.testing.assert_allclose(found.log_prior, -0.5 * SCALES**2)
    np.testing.assert_allclose(found.locations, 0.7 - 0.1 * 0.6 * SCALES, atol=0.01)  # where scales are wide, low
    assert found.location_variance * np.exp(-6.0) == pytest.approx(0.05**2, rel=0.1)


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_tasks_tell_no_slope_and_little_of_scales(prior, n):
    few = replace(prior, loadings=np.zeros((C, H, n)), locations=np.full(n, 0.6), scales=np.full(n, 0.1))
    found = TaskScale.of(few)
    np.testing.assert_array_equal(found.locations, 0.6)
    assert found.scales[-1] / found.scales[0] > 2.0
    assert found.location_variance > 0


def test_a_high_score_where_little_room_is_left_tells_of_a_small_scale(prior):
    generator = np.random.default_rng(0)
    log_scales = generator.normal(-3.0, 0.6, 50)
    locations = 0.7 - 0.2 * (log_scales + 3.0)
    related = replace(prior, loadings=np.zeros((C, H, 50)), locations=locations, scales=np.exp(log_scales))
    low, high = CurvePosterior(related), CurvePosterior(related)
    low.observe(0, 2, 0.5)
    high.observe(0, 2, 0.95)
    assert high.mean_square_scale < 0.5 * low.mean_square_scale
