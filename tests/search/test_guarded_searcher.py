"""Transfer with a guard, on made-up tasks: alike ones, and ones on which everything learned is wrong."""

import numpy as np
import pytest

from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher
from lightning_quicktune.search.guarded_searcher import GuardedSearcher
from lightning_quicktune.search.ordered_searcher import OrderedSearcher
from lightning_quicktune.search.pool import shuffled
from lightning_quicktune.search.successive_halving_searcher import SuccessiveHalvingSearcher
from lightning_quicktune.surrogate.curves.left_out import PROBES
from lightning_quicktune.surrogate.curves.prior import CurvePrior
from lightning_quicktune.surrogate.curves.surprise import WATCHED, bound_of_chance, surprise, surprise_bound
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
    fallback = SuccessiveHalvingSearcher(shuffled(POOL, seed), SLICES)
    return GuardedSearcher(CurveTransferSearcher(POOL, prior.pool_prior(encoded)), fallback, prior.surprise_bound)


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


def test_training_tasks_that_are_left_out_seldom_trip(prior):
    """The bound is for a task that is not among those it was learned from."""
    trips = []
    for t, own in enumerate(prior.surprises):
        trips.append(own > surprise_bound(np.delete(prior.surprises, t)))
    assert np.mean(trips) <= 0.13  # one of eight


def test_on_reversed_tasks_it_is_no_worse_than_random_search(prior):
    """What it takes to notice counts within one full training, and is within chance of random search even there."""
    budgets, regrets = np.array([1, 2, 3, 5]) * SLICES - 1, {"guarded": [], "random": []}
    for seed in range(50, 90):
        encoded, scores = made_up(seed, -1.0)
        orders = {"guarded": guarded(prior, encoded, seed), "random": OrderedSearcher(shuffled(POOL, seed), SLICES)}
        for name, searcher in orders.items():
            best, _ = play(searcher, scores, 5 * SLICES)
            regrets[name].append(scores.max() - best[budgets])
    difference = np.array(regrets["guarded"]) - np.array(regrets["random"])
    assert np.all(difference.mean(0)[1:] < 0)
    assert difference[:, 0].mean() < 2 * difference[:, 0].std() / np.sqrt(len(difference))


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


def test_probes_are_expected_to_do_worse_and_come_early(prior):
    encoded, scores = made_up(52)
    searcher, mean = guarded(prior, encoded), prior.pool_prior(encoded).mean[:, -1]
    _, told = play(searcher, scores, 12)
    assert all(mean[told[n].configuration.values["place"]] < np.median(mean) for n in PROBES)
    assert max(PROBES) < WATCHED


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
    assert "as predicted from earlier tasks" in searcher.verdict.words


def test_one_task_gives_no_bound_and_few_scores_no_surprise():
    assert surprise_bound(np.array([0.4])) == np.inf
    assert surprise(np.array([9.0, 9.0])) == 0.0
    assert surprise(np.array([1.0, 1.0, 1.0, 1.0, 3.0])) == pytest.approx(13 / 5)


def test_the_bound_is_exceeded_by_a_twentieth_of_tasks_alike():
    generator = np.random.default_rng(0)
    draws = np.exp(generator.normal(1.5, 0.5, (4000, 7)))  # more than chance alone
    bounds = np.array([surprise_bound(row[:6]) for row in draws])
    assert np.mean(draws[:, 6] > bounds) == pytest.approx(0.05, abs=0.012)


def test_how_low_a_crash_scores_makes_no_difference(prior):
    encoded, scores = made_up(50)
    surprises = []
    for crash in (-10.0, -1e6):
        searcher = guarded(prior, encoded)
        for n in range(4):
            suggestion = searcher.ask()
            searcher.tell(observed(suggestion, np.full_like(scores, crash) if n == 2 else scores))
        assert min(f.observed for f in searcher.verdict.forecasts) > -2.0
        surprises.append(searcher.verdict.surprise)
    assert surprises[0] == surprises[1]


def test_the_bound_is_never_below_what_right_predictions_exceed_by_chance():
    assert surprise_bound(np.full(20, 1.0)) == pytest.approx(bound_of_chance())
    draws = np.random.default_rng(1).standard_normal((2000, WATCHED))
    assert np.mean([surprise(row) > bound_of_chance() for row in draws]) == pytest.approx(0.05, abs=0.02)


def test_training_tasks_with_too_few_scores_say_nothing_of_the_bound():
    known = np.array([3.0, 4.0, 5.0])
    assert surprise_bound(np.array([*known, 0.0, 0.0])) == surprise_bound(known)
