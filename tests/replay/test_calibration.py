import numpy as np
import pytest
from scipy.stats import norm

from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.replay.calibration import LEVELS, calibrate
from lightning_quicktune.replay.forecast import forecast_of
from lightning_quicktune.replay.lessons import Lessons
from lightning_quicktune.replay.methods import Method
from lightning_quicktune.replay.observed import Observed
from lightning_quicktune.replay.pool import task_pool
from lightning_quicktune.replay.settings import SurrogateTraining
from lightning_quicktune.search.build import build_searcher
from lightning_quicktune.search.knowledge import SearchContext
from lightning_quicktune.types import LearningCurve, Observation

N = 400


@pytest.fixture(scope="module")
def gaussian(with_scores, table_of, space):
    """A task whose final scores are Gaussian with mean 0.5 and standard deviation 0.1."""
    finals = np.clip(0.5 + 0.1 * norm.ppf((np.arange(N) + 0.5) / N), 0, 1)
    configurations = list(dict.fromkeys(space.sample(2 * N, seed=0)))[:N]
    trials = [with_scores([0.1, 0.1, 0.1, f], 1.0, c) for c, f in zip(configurations, finals, strict=True)]
    return task_pool(table_of(trials), "t0", "cost_s")


def believing(mean, std):
    return lambda curves, asked, finals: ((finals - mean) / std, norm.logpdf(finals, mean, std))


def test_a_true_distribution_covers_what_it_says(gaussian):
    (found,) = calibrate(believing(0.5, 0.1), [], gaussian, gaussian.draw(0), [0.0])
    np.testing.assert_allclose(found.covered, LEVELS, atol=0.01)
    assert found.n == N
    unit = np.log(gaussian.best - gaussian.median_final)
    assert found.log_density == pytest.approx(-0.5 * np.log(2 * np.pi * np.e * 0.01) + unit, abs=0.02)


def test_a_bold_distribution_covers_less(gaussian):
    (bold,) = calibrate(believing(0.5, 0.05), [], gaussian, gaussian.draw(0), [0.0])
    (true,) = calibrate(believing(0.5, 0.1), [], gaussian, gaussian.draw(0), [0.0])
    assert all(a < b for a, b in zip(bold.covered, true.covered, strict=True))
    assert bold.log_density < true.log_density


def test_what_was_seen_is_given_and_not_asked(gaussian):
    trials, asked_for = gaussian.draw(0), []

    def forecast(curves, asked, finals):
        asked_for.append((dict(curves), {c.id for c in asked}))
        return believing(0.5, 0.1)(curves, asked, finals)

    first, second = list(trials)[:2]
    seen = [Observed(float(f), first, 0, f, 0.1) for f in range(1, 5)] + [Observed(5.0, second, 0, 1, 0.1)]
    found = calibrate(forecast, seen, gaussian, trials, [0.0, 0.25, 2.0])
    assert [each.n for each in found] == [N, N, N - 1]
    assert [curves for curves, _ in asked_for] == [{}, {first: (0.1,)}, {first: (0.1,) * 4, second: (0.1,)}]
    assert first not in asked_for[-1][1]


def test_only_final_scores_are_asked_each_at_its_own_end(with_scores, table_of, space):
    short, failed = space.sample(2, seed=0)
    trials = [
        with_scores([0.1, 0.2, 0.3, 0.6], 1.0, space.default),
        with_scores([0.1, 0.4], 1.0, short, max_fidelity=2, status="completed"),
        with_scores([0.1], 1.0, failed, status="failed", failure="diverged"),
    ]
    pool, asked_for = task_pool(table_of(trials), "t0", "cost_s"), []

    def forecast(curves, asked, finals):
        asked_for.append(dict(zip((c.id for c in asked), finals.tolist(), strict=True)))
        return believing(0.5, 0.1)(curves, asked, finals)

    seen = [Observed(float(f), short.id, 0, f, 0.1) for f in (1, 2)]
    calibrate(forecast, seen, pool, pool.draw(0), [0.0, 2.0])
    assert asked_for == [{space.default.id: 0.6, short.id: 0.4}, {space.default.id: 0.6}]


@pytest.mark.parametrize("name", ["transfer", "curve_transfer"])
def test_methods_with_distributions_forecast(source, tmp_path, name):
    table = load(source)
    lessons = Lessons(table.select(["t0", "t1", "t2"]), tmp_path, SurrogateTraining(1, 3, 32), 0)
    pool = task_pool(table, "t3", "cost_s")
    knowledge = lessons.knowledge("surrogates" if name == "transfer" else "prior")
    context = SearchContext(pool.configurations, pool.task, table.space, 1.0, 0, knowledge)
    forecast, trials = forecast_of(Method(name), context), pool.draw(0)
    trial = trials[pool.configurations[0].id]
    seen = [Observed(f, trial.configuration.id, 0, f, s.score) for f, s in enumerate(trial.slices[:2], start=1)]
    before, after = calibrate(forecast, seen, pool, trials, [0.0, 100.0])
    assert before.n == after.n == len(trials)
    assert np.isfinite([before.log_density, after.log_density]).all()
    assert before.log_density != after.log_density
    assert forecast_of(Method("random"), context) is None


def test_curve_transfer_believes_what_its_searcher_does(source, tmp_path):
    """Told the same curves, of which one is on the way to its second knot; intervals as wide as people are told."""
    table = load(source)
    lessons = Lessons(table.select(["t0", "t1", "t2"]), tmp_path, SurrogateTraining(1, 3, 32), 0)
    pool = task_pool(table, "t3", "cost_s")
    context = SearchContext(pool.configurations, pool.task, table.space, 1.0, 0, lessons.knowledge("prior"))
    trials, searcher, curves = pool.draw(0), build_searcher("curve_transfer", context), {}
    for configuration, n in zip(pool.configurations, (1, 3, 4), strict=False):
        slices = trials[configuration.id].slices[:n]
        searcher.tell(Observation(configuration, LearningCurve(slices), False, 1.0))
        curves[configuration.id] = tuple(s.score for s in slices)
    asked, zeros = pool.configurations[2:], np.zeros(len(pool.configurations) - 2)
    forecast = forecast_of(Method("curve_transfer"), context)
    at_zero, at_one = (forecast(curves, asked, zeros + final)[0] for final in (0.0, 1.0))
    found = np.stack([-at_zero, np.ones_like(at_zero)], axis=1) / (at_one - at_zero)[:, None]
    last = len(searcher.prior.shares) - 1
    expected = [searcher.posterior.reported(place, last) for place in range(2, len(pool.configurations))]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
