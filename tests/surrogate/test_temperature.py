import numpy as np
import pytest

from lightning_quicktune.surrogate.curves.left_out_search import search_left_out
from lightning_quicktune.surrogate.curves.pool_prior import MOMENTS
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior
from lightning_quicktune.surrogate.curves.prior import fit_curve_prior
from lightning_quicktune.surrogate.curves.tables import TaskTable, knots_of
from lightning_quicktune.surrogate.curves.temperature import temperatures_of


def task(seed, n=40, n_slices=6):
    """A few configurations that matter, and many differences that no other task tells of."""
    generator = np.random.default_rng(seed)
    encoded = generator.random((n, 3))
    final = 0.4 + 0.3 * encoded[:, 0] + 0.1 * generator.standard_normal(n)
    growth = 1 - 0.6 * np.exp(-3 * np.arange(1, n_slices + 1) / n_slices)
    scores, nothing = final[:, None] * growth, np.zeros(n, dtype=np.bool_)
    return TaskTable(encoded, scores, np.ones((n, n_slices)), nothing, np.full(n, n_slices))


@pytest.fixture(scope="module")
def prior():
    return fit_curve_prior([task(seed) for seed in range(8)])


def errors_of(prior, table):
    """Of a new task, searched in short."""
    return search_left_out(prior.pool_prior(table.encoded), table.scores[:, knots_of(6) - 1]).errors


def test_errors_of_the_size_that_was_predicted_need_no_other_width():
    errors = [[np.random.default_rng(t).standard_normal(500) for _ in MOMENTS] for t in range(8)]
    np.testing.assert_allclose(temperatures_of(errors), 1.0, atol=0.1)


def test_errors_of_another_size_need_as_much_and_what_is_unknown_stays_as_before():
    draw = np.random.default_rng(0).standard_normal(4000)
    errors = [[0.5 * draw, 2.0 * draw, *(np.zeros(0) for _ in MOMENTS[2:])]]
    found = temperatures_of(errors)
    np.testing.assert_allclose(found[:3], [0.5, 2.0, 2.0], rtol=0.05)
    assert np.all(found[2:] == found[2])
    assert temperatures_of([[100 * draw for _ in MOMENTS]]).max() == 3.0


def test_between_moments_it_is_between_their_factors(prior):
    pool = prior.pool_prior(task(50).encoded)
    for n, factor in zip(MOMENTS, pool.temperatures, strict=True):
        assert pool.temperature(n) == pytest.approx(factor)
    assert pool.temperature(1000) == pool.temperatures[-1]
    assert min(pool.temperatures[:2]) <= pool.temperature(1) <= max(pool.temperatures[:2])


def test_reported_intervals_hold_their_share_on_new_tasks_as_well_or_better(prior):
    """Mean over twelve new tasks of how far the 80 % interval is from holding 80 %, before and after observations."""
    apart, found = {"own": [], "reported": []}, [errors_of(prior, task(seed)) for seed in range(50, 62)]
    for place in range(4):
        errors = np.concatenate([each[place] for each in found])
        for name, factor in (("own", 1.0), ("reported", prior.temperatures[place])):
            apart[name].append(abs(np.mean(np.abs(errors) < 1.2816 * factor) - 0.8))
    assert np.mean(apart["reported"]) <= np.mean(apart["own"]) + 0.01
    assert np.mean(apart["reported"]) < 0.1


def test_what_people_are_told_has_the_same_mean_and_its_own_width(prior):
    posterior = CurvePosterior(prior.pool_prior(task(50).encoded))
    (mean, std), (told, wide) = posterior.forecast(0, 2), posterior.reported(0, 2)
    assert (told, wide) == (mean, pytest.approx(std * prior.temperatures[0]))
