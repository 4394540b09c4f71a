"""Transfer with a guard, on made-up tasks: alike ones, and ones on which everything learned is wrong."""

import numpy as np
import pytest

from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher, Forecast
from lightning_quicktune.search.guarded_searcher import LIMIT, PROBE, GuardedSearcher, Verdict
from lightning_quicktune.search.ordered_searcher import OrderedSearcher
from lightning_quicktune.search.pool import shuffled
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior
from lightning_quicktune.surrogate.curves.prior import CurvePrior
from lightning_quicktune.surrogate.curves.tables import TaskTable
from lightning_quicktune.types import Configuration, LearningCurve, Observation, SliceResult

WEIGHTS = np.random.default_rng(0).random(4)
N, SLICES = 40, 8
POOL = tuple(Configuration({"place": i}) for i in range(N))


def made_up(seed, sign=1.0):
    """Encoded configurations and their curves; with a sign of -1 the good ones are bad and the bad ones good."""
    generator = np.random.default_rng(seed)
    encoded = generator.random((N, 4))
    weights = WEIGHTS + 0.15 * generator.standard_normal(4)
    final = 0.3 + 0.5 / (1 + np.exp(-4 * sign * (encoded - 0.5) @ weights))
    growth = 1 - 0.5 * np.exp(-4 * np.arange(1, SLICES + 1) / SLICES)
    return encoded, final[:, None] * growth + 0.005 * generator.standard_normal((N, SLICES))


@pytest.fixture(scope="module")
def prior():
    """Takes seconds, once for all tests here."""
    tables = [made_up(seed) for seed in range(1, 9)]
    return CurvePrior([TaskTable(e, s, np.ones_like(s), np.zeros(N, dtype=bool)) for e, s in tables])


def guarded(prior, encoded, seed=0):
    pool = shuffled(POOL, seed)
    order = [configuration.values["place"] for configuration in pool]
    transfer = CurveTransferSearcher(pool, prior.pool_prior(encoded[order]))
    return GuardedSearcher(transfer, CurveTransferSearcher(pool, transfer.prior.without_transfer()))


def observed(suggestion, scores):
    curve = scores[suggestion.configuration.values["place"], : suggestion.fidelity]
    slices = tuple(SliceResult(f, float(s), 1.0, 1.0, 10) for f, s in enumerate(curve, start=1))
    return Observation(suggestion.configuration, LearningCurve(slices), False, float(len(slices)))


def play(searcher, scores, n_slices):
    """Best score after each slice, and what was told."""
    best, reached, told = [], {}, []
    while len(best) < n_slices:
        suggestion = searcher.ask()
        place = suggestion.configuration.values["place"]
        for fidelity in range(reached.get(place, 0), suggestion.fidelity):
            best.append(max([scores[place, fidelity], *best[-1:]]))
        reached[place] = suggestion.fidelity
        told.append(observed(suggestion, scores))
        searcher.tell(told[-1])
    return np.array(best[:n_slices]), told


def test_alike_tasks_seldom_trip_and_a_reversed_one_always_does_within_few_observations(prior):
    alike, reversed_ = [], []
    for seed in range(50, 80):
        for sign, found in ((1.0, alike), (-1.0, reversed_)):
            encoded, scores = made_up(seed, sign)
            searcher = guarded(prior, encoded)
            play(searcher, scores, 4 * SLICES)
            found.append(searcher.verdict)
    assert np.mean([v.is_unlike for v in alike]) < 0.1
    assert all(v.is_unlike for v in reversed_)
    assert max(len(v.forecasts) for v in reversed_) <= 10


def test_on_reversed_tasks_it_is_better_than_random_search_from_two_full_trainings_on(prior):
    """What it takes to notice costs something within the first full training."""
    budgets, regrets = np.array([1, 2, 3, 5]) * SLICES - 1, {"guarded": [], "random": []}
    for seed in range(50, 90):
        encoded, scores = made_up(seed, -1.0)
        orders = {"guarded": guarded(prior, encoded, seed), "random": OrderedSearcher(shuffled(POOL, seed), SLICES)}
        for name, searcher in orders.items():
            best, _ = play(searcher, scores, 5 * SLICES)
            regrets[name].append(scores.max() - best[budgets])
    difference = np.array(regrets["guarded"]) - np.array(regrets["random"])
    assert np.all(difference.mean(0)[1:] < 0)
    assert difference[:, 0].mean() < 0.05  # of scores that differ by 0.5


def test_what_was_trained_is_kept_and_what_runs_is_not_asked_for_again(prior):
    encoded, scores = made_up(50, -1.0)
    searcher, reached = guarded(prior, encoded), {}
    running = [searcher.ask(), searcher.ask()]
    waiting = running.pop(0)
    while not searcher.verdict.is_unlike:
        suggestion = running.pop() if running else searcher.ask()
        reached[suggestion.configuration] = suggestion.fidelity
        searcher.tell(observed(suggestion, scores))
    assert waiting.configuration in searcher.pending
    for _ in range(30):
        suggestion = searcher.ask()
        assert suggestion.configuration != waiting.configuration
        assert suggestion.fidelity > reached.get(suggestion.configuration, 0)
        reached[suggestion.configuration] = suggestion.fidelity
        searcher.tell(observed(suggestion, scores))
    searcher.tell(observed(waiting, scores))
    assert searcher.pending == frozenset()


def test_an_interrupted_search_goes_on_when_it_is_told_again(prior):
    for sign in (1.0, -1.0):
        encoded, scores = made_up(51, sign)
        first, again = guarded(prior, encoded), guarded(prior, encoded)
        _, told = play(first, scores, 20)
        for observation in told:
            again.tell(observation)
        assert again.ask() == first.ask()
        assert again.verdict == first.verdict


def test_a_probe_is_expected_to_do_worse(prior):
    encoded, scores = made_up(52)
    searcher, mean = guarded(prior, encoded), prior.pool_prior(encoded).mean[:, -1]
    _, told = play(searcher, scores, 12)
    places = [observation.configuration.values["place"] for observation in told]
    assert mean[places[PROBE]] < np.median(mean) < mean[places[:PROBE]].min()


def test_evidence_is_the_ratio_of_the_likelihoods_of_all_scores_with_and_without_transfer(prior):
    """Configurations are in another order here than in the search."""
    encoded, scores = made_up(53)
    searcher = guarded(prior, encoded)
    play(searcher, scores, 10)
    pool = prior.pool_prior(encoded)
    together = []
    for each in (pool, pool.without_transfer()):
        posterior, total = CurvePosterior(each), 0.0
        for forecast in searcher.verdict.forecasts:
            place, knot = forecast.configuration.values["place"], list(pool.knots).index(forecast.fidelity)
            mean, std = posterior.forecast(place, knot)
            total -= 0.5 * ((forecast.observed - mean) / std) ** 2 + np.log(std)
            posterior.observe(place, knot, forecast.observed)
        together.append(total)
    assert searcher.verdict.evidence == pytest.approx(together[0] - together[1])
    assert searcher.verdict.lowest <= searcher.verdict.evidence


def test_the_verdict_says_predicted_and_observed(prior):
    encoded, scores = made_up(53, -1.0)
    searcher = guarded(prior, encoded)
    play(searcher, scores, 2 * SLICES)
    words = searcher.verdict.words
    worst = max(searcher.verdict.forecasts, key=lambda f: abs(f.residual))
    assert "unlike those that are known" in words
    assert f"{worst.mean:.3f} ± {worst.std:.3f} was predicted and {worst.observed:.3f} observed" in words
    encoded, scores = made_up(53)
    searcher = guarded(prior, encoded)
    play(searcher, scores, 2 * SLICES)
    assert "times as likely by what earlier tasks taught" in searcher.verdict.words


@pytest.mark.parametrize("evidence", [-1e5, -30.0, 1e5])
def test_overwhelming_evidence_can_be_said(evidence):
    configuration = Configuration({"place": 0})
    verdict = Verdict((Forecast(configuration, 1, 0.5, 0.1, 0.6),), evidence, min(evidence, 0.0))
    assert "over 1,000,000 times as" in verdict.words
    assert verdict.is_unlike is (evidence < 0)


def test_how_low_a_crash_scores_makes_no_difference(prior):
    encoded, scores = made_up(50)
    evidence = []
    for crash in (-10.0, -1e6):
        searcher = guarded(prior, encoded)
        for n in range(4):
            suggestion = searcher.ask()
            searcher.tell(observed(suggestion, np.full_like(scores, crash) if n == 2 else scores))
        assert min(f.observed for f in searcher.verdict.forecasts) > -2.0
        evidence.append(searcher.verdict.evidence)
    assert evidence[0] == evidence[1]


def test_one_earlier_task_is_enough_to_be_unlike():
    tables = [made_up(1)]
    prior = CurvePrior([TaskTable(e, s, np.ones_like(s), np.zeros(N, dtype=bool)) for e, s in tables])
    encoded, scores = made_up(60, -1.0)
    searcher = guarded(prior, encoded)
    play(searcher, scores, 5 * SLICES)
    assert searcher.verdict.is_unlike
    assert searcher.verdict.lowest < -np.log(LIMIT)
