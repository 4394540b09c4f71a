"""The prior over learning curves: learned from other tasks, conditioned on the new one."""

import numpy as np
import pytest

from lightning_quicktune.surrogate.curves.pool_prior import knots_of
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior
from lightning_quicktune.surrogate.curves.prior import CurvePrior
from lightning_quicktune.surrogate.curves.state import from_state, to_state
from lightning_quicktune.surrogate.curves.tables import TaskTable, complete

WEIGHTS = np.random.default_rng(0).random(4)


def toy(seed, n=30, n_slices=8):
    """A task whose final scores follow from the configuration, a little differently from the others'."""
    generator = np.random.default_rng(seed)
    encoded = generator.random((n, 4))
    weights = WEIGHTS + 0.15 * generator.standard_normal(4)
    final = 0.3 + 0.5 / (1 + np.exp(-4 * (encoded - 0.5) @ weights))
    growth = 1 - 0.5 * np.exp(-4 * np.arange(1, n_slices + 1) / n_slices)
    scores = final[:, None] * growth + 0.005 * generator.standard_normal((n, n_slices))
    seconds = np.exp(encoded[:, :1]) * np.ones((1, n_slices))
    return TaskTable(encoded, scores, seconds, np.zeros(n, dtype=bool))


@pytest.fixture(scope="module")
def prior():
    return CurvePrior([toy(seed) for seed in range(1, 6)])


def test_knots_rise_from_1_to_the_end():
    assert knots_of(1).tolist() == [1]
    assert knots_of(6).tolist() == [1, 2, 3, 4, 6]
    long = knots_of(51)
    assert long[0] == 1
    assert long[-1] == 51
    assert np.all(np.diff(long) > 0)


def test_it_orders_the_configurations_of_a_new_task_before_any_score(prior):
    new = toy(99, n=60)
    mean, _ = CurvePosterior(prior.pool_prior(new.encoded)).moments()
    assert np.corrcoef(mean[:, -1], new.scores[:, -1])[0, 1] > 0.7


def test_scores_of_some_configurations_make_those_of_others_better_known(prior):
    new = toy(99, n=60)
    posterior = CurvePosterior(prior.pool_prior(new.encoded))
    last = len(posterior.prior.knots) - 1
    before, spread_before = posterior.moments()
    for place in range(30):
        posterior.observe(place, last, new.scores[place, -1])
    after, spread_after = posterior.moments()
    rest, final = slice(30, None), new.scores[30:, -1]
    assert np.abs(after[rest, -1] - final).mean() < 0.6 * np.abs(before[rest, -1] - final).mean()
    assert np.all(spread_after[rest, -1, -1] < spread_before[rest, -1, -1])


def test_one_observation_at_a_time_equals_a_plain_gaussian_process(prior):
    new = toy(98, n=12)
    pool = prior.pool_prior(new.encoded)
    posterior = CurvePosterior(pool)
    posterior.log_prior = np.where(np.arange(9) == 4, 0.0, -1e9)  # one scale, so that the posterior is Gaussian
    scale, places, knots = posterior.scales[4], [0, 0, 5], [0, 1, 2]
    full = np.zeros((12, posterior.n_knots, 12, posterior.n_knots))
    for c in range(12):
        for k in range(posterior.n_knots):
            full[c, k] = posterior._cross_covariance(c, k).reshape(12, -1)
    for place, knot in zip(places, knots, strict=True):
        posterior.observe(place, knot, new.scores[place, pool.knots[knot] - 1])
    seen = full[places, knots][:, places, knots] + max(pool.noise, 1e-5) * np.eye(3)
    cross = full[places, knots].reshape(3, -1)
    target = (new.scores[places, pool.knots[knots] - 1] - posterior.location) / scale
    expected = pool.mean[:, pool.knots - 1].ravel() + cross.T @ np.linalg.solve(
        seen, target - pool.mean[places, pool.knots[knots] - 1]
    )
    mean, _ = posterior.moments()
    np.testing.assert_allclose(mean.ravel(), posterior.location + scale * expected, rtol=1e-6, atol=1e-8)


def test_a_saved_prior_says_the_same(prior):
    arrays, numbers = to_state(prior)
    again = from_state(arrays, numbers)
    encoded = toy(97).encoded
    mine, theirs = prior.pool_prior(encoded), again.pool_prior(encoded)
    for name in ("mean", "loadings", "finals", "shapes", "log_cost"):
        np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), atol=1e-10)


def test_costs_follow_the_configuration(prior):
    new = toy(96, n=60)
    assert np.corrcoef(prior.pool_prior(new.encoded).log_cost, np.log(new.costs_s[:, 0]))[0, 1] > 0.9


def test_failed_and_stopped_trials_get_curves_without_gaps():
    table = toy(5, n=6)
    table.scores[0, 3:] = np.nan  # failed after three slices: stays there
    table.failed[0] = True
    table.scores[1, 5:] = np.nan  # stopped: goes on as the average does
    table.scores[2] = np.nan  # failed before the first slice: as bad as the worst
    table.failed[2] = True
    lowest, rise = np.nanmin(table.scores), np.diff(table.scores[3:].mean(0))[4]
    scores, usable = complete(table)
    assert np.isfinite(scores).all()
    assert usable.all()
    assert scores[0, -1] == table.scores[0, 2]
    assert scores[1, 5] - scores[1, 4] == pytest.approx(rise)
    assert np.all(scores[2] == lowest)


@pytest.mark.parametrize("tables", [[toy(1)], [toy(1), toy(2)], [toy(n, n_slices=1) for n in range(3)]])
def test_few_tasks_and_short_trainings_are_no_obstacle(tables):
    """Takes a second: three fits."""
    prior = CurvePrior(tables)
    posterior = CurvePosterior(prior.pool_prior(toy(95).encoded))
    posterior.observe(0, 0, 0.4)
    mean, covariance = posterior.moments()
    assert np.isfinite(mean).all()
    assert np.all(np.einsum("chh->ch", covariance) > 0)


def test_unknown_costs_and_constant_hyperparameters_are_no_obstacle():
    table = toy(1)
    table.costs_s[:] = np.nan
    table.encoded[:, 0] = 0.5
    prior = CurvePrior([table, toy(2)])
    assert np.isfinite(prior.pool_prior(toy(94).encoded).mean).all()


def test_a_task_with_constant_scores_is_left_out_and_nothing_else_is_an_error(prior):
    constant = toy(6)
    constant.scores[:] = 0.5
    assert len(CurvePrior([constant, toy(1), toy(2)]).tasks) == 2
    with pytest.raises(ValueError, match="None of the 1 training tasks has final scores that differ"):
        CurvePrior([constant])
