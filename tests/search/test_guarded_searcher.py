"""Transfer with a guard, on made-up tasks: alike ones, and ones on which what was learned is wrong."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher, binomial_variance
from lightning_quicktune.search.forecast import Forecast
from lightning_quicktune.search.guarded_searcher import DOUBT, GuardedSearcher, Verdict
from lightning_quicktune.search.ordered_searcher import OrderedSearcher
from lightning_quicktune.search.pool import shuffled
from lightning_quicktune.surrogate.curves.evidence import CAP, LEAST_STD, WEIGHED
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior
from lightning_quicktune.surrogate.curves.prior import fit_curve_prior
from lightning_quicktune.surrogate.curves.tables import TaskTable
from lightning_quicktune.surrogate.curves.untaught import untaught_prior, without_configurations
from lightning_quicktune.types import Configuration, LearningCurve, Observation, SliceResult, Suggestion

WEIGHTS = np.random.default_rng(0).random(4)
N, SLICES = 40, 8
POOL = tuple(Configuration({"place": i}) for i in range(N))
GROWTH = 1 - 0.5 * np.exp(-4 * np.arange(1, SLICES + 1) / SLICES)


def made_up(seed, sign=1.0):
    """Encoded configurations and their curves; with a sign of -1 the good ones are bad and the bad ones good."""
    generator = np.random.default_rng(seed)
    encoded = generator.random((N, 4))
    weights = WEIGHTS + 0.15 * generator.standard_normal(4)
    final = 0.3 + 0.5 / (1 + np.exp(-4 * sign * (encoded - 0.5) @ weights))
    return encoded, final[:, None] * GROWTH + 0.005 * generator.standard_normal((N, SLICES))


def wide(seed):
    """Encoded configurations, and final scores whose scale is about 0.2."""
    encoded, scores = made_up(seed)
    final = scores[:, -1:]
    return encoded, np.clip(0.5 + 0.234 * (final - final.mean()) / final.std(), 0.02, 0.98)


def learned(tasks):
    nothing = np.zeros(N, dtype=np.bool_)
    return fit_curve_prior([TaskTable(e, s, np.ones_like(s), nothing, np.full(N, s.shape[1])) for e, s in tasks])


@pytest.fixture(scope="module")
def learned_prior():
    """Pauses no training. Takes seconds, once for all tests here."""
    prior = learned([made_up(seed) for seed in range(1, 9)])
    assert prior.shares[prior.first_look] == 1.0
    return prior


@pytest.fixture(scope="module", params=["early", "as learned"])
def prior(request, learned_prior):
    """Looks at scores from the first slice on, or when what was learned says."""
    return replace(learned_prior, first_look=0) if request.param == "early" else learned_prior


class Counted(CurveTransferSearcher):
    """Remembers what it was asked for."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.asked = []

    def ask(self):
        self.asked.append(super().ask())
        return self.asked[-1]


def guarded(prior, encoded, seed=0, length=SLICES, n_records=0):
    pool = shuffled(POOL, seed)
    own = encoded[[configuration.values["place"] for configuration in pool]]
    priors = prior.pool_prior(own), *without(prior, own)
    transfer, *others = (Counted(pool, each, length, n_records=n_records) for each in priors)
    return GuardedSearcher(transfer, others)


def without(prior, encoded):
    """What is believed without experience of configurations, and without any."""
    return without_configurations(prior.pool_prior(encoded)), untaught_prior(encoded, np.arange(4), prior.shares)


def others_asked(searcher):
    return [suggestion for other in searcher._others for suggestion in other.asked]


def observed(suggestion, scores):
    curve = scores[suggestion.configuration.values["place"], : suggestion.fidelity]
    slices = tuple(SliceResult(f, float(s), 1.0, 1.0, 10) for f, s in enumerate(curve, start=1))
    return Observation(suggestion.configuration, LearningCurve(slices), False, float(len(slices)))


def play(searcher, scores, n_slices):
    """Best score after each slice."""
    best, reached = [], {}
    while len(best) < n_slices:
        suggestion = searcher.ask()
        place = suggestion.configuration.values["place"]
        for fidelity in range(reached.get(place, 0), suggestion.fidelity):
            best.append(max([scores[place, fidelity], *best[-1:]]))
        reached[place] = suggestion.fidelity
        searcher.tell(observed(suggestion, scores))
    return np.array(best[:n_slices])


def test_on_alike_tasks_it_costs_nothing(prior):
    """It suggests what transfer alone would, as long as nothing speaks against it."""
    regrets, fallen = {"guarded": [], "alone": []}, []
    for seed in range(50, 70):
        encoded, scores = made_up(seed)
        searcher, alone = guarded(prior, encoded, seed), guarded(prior, encoded, seed)._transfer
        for name, each in (("guarded", searcher), ("alone", alone)):
            regrets[name].append(scores.max() - play(each, scores, 5 * SLICES)[2 * SLICES - 1])
        fallen.append(searcher.verdict.is_unlike)
        assert bool(others_asked(searcher)) is fallen[-1]
        if searcher.verdict.lowest > -DOUBT * searcher.verdict.limit:
            assert searcher._transfer.asked == alone.asked
    assert np.mean(fallen) < 0.2
    assert np.mean(regrets["guarded"]) <= np.mean(regrets["alone"]) + 0.002


def test_alike_tasks_seldom_trip_and_reversed_ones_nearly_always_within_a_dozen_scores(prior):
    """That is one to two trainings. Takes seconds: forty searches."""
    alike, reversed_ = [], []
    for seed in range(50, 70):
        for sign, found in ((1.0, alike), (-1.0, reversed_)):
            encoded, scores = made_up(seed, sign)
            searcher = guarded(prior, encoded)
            while len(searcher.verdict.forecasts) < 12:
                searcher.tell(observed(searcher.ask(), scores))
            found.append(searcher.verdict.is_unlike)
    assert np.mean(alike) <= 0.1
    assert np.mean(reversed_) >= 0.9


def test_on_reversed_tasks_it_is_better_than_random_search_after_two_trainings(prior):
    """After one it is worse: that takes the first trial, which may be a wild one, and some to compare it with.

    Takes seconds: forty searches.
    """
    budgets, regrets = np.array([2, 3, 5]) * SLICES - 1, {"guarded": [], "random": []}
    for seed in range(50, 70):
        encoded, scores = made_up(seed, -1.0)
        orders = {"guarded": guarded(prior, encoded, seed), "random": OrderedSearcher(shuffled(POOL, seed), SLICES)}
        for name, searcher in orders.items():
            regrets[name].append(scores.max() - play(searcher, scores, 5 * SLICES)[budgets])
    difference = np.array(regrets["guarded"]) - np.array(regrets["random"])
    assert np.all(difference.mean(0) < 0)


def test_on_shuffled_configurations_it_falls_back_and_is_better_than_random_search(prior):
    """Scale and shape of the curves are still as they were taught. Takes seconds: forty searches."""
    regrets, fallen = {"guarded": [], "random": []}, []
    for seed in range(50, 70):
        encoded, scores = made_up(seed)
        scores = scores[np.random.default_rng(seed).permutation(N)]
        searcher = guarded(prior, encoded, seed)
        orders = {"guarded": searcher, "random": OrderedSearcher(shuffled(POOL, seed), SLICES)}
        for name, each in orders.items():
            regrets[name].append(scores.max() - play(each, scores, 5 * SLICES)[-1])
        fallen.append(searcher.verdict.is_unlike)
        assert bool(others_asked(searcher)) is fallen[-1]
    assert np.mean(fallen) > 0.8
    assert np.mean(regrets["guarded"]) < np.mean(regrets["random"])


def test_a_scale_that_is_wrong_is_noticed():
    """Final scores of training tasks spread by 0.2; here half are dead and the others within 0.013. Takes seconds."""
    prior, fallen = learned([wide(seed) for seed in range(1, 9)]), []
    assert np.all(prior.scales > 0.15)
    for seed in range(50, 58):
        encoded, scores = wide(seed)
        rank = np.random.default_rng(seed).permutation(N)[:, None]
        scores = np.where(rank < N // 2, 0.1, 0.85 + 0.013 * (rank - N // 2) / (N // 2))
        searcher = guarded(prior, encoded, length=1)
        play(searcher, scores, 20)
        fallen.append(searcher.verdict.is_unlike)
    assert all(fallen)


def test_a_single_wild_surprise_decides_nothing_and_two_do(prior):
    """One far below all that was foretold, and one of another trial far above."""
    encoded, scores = made_up(50)
    for surprises, falls in (((-0.5,), False), ((-0.5, 1.5), True)):
        searcher = guarded(prior, encoded)
        for surprise in surprises:
            searcher.tell(observed(searcher.ask(), np.full_like(scores, surprise)))
        assert searcher.verdict.evidence == pytest.approx(-len(surprises) * CAP)
        assert searcher.verdict.is_unlike is falls


def test_a_single_wild_curve_decides_nothing_either(prior):
    """All of its scores are surprises, one worse than the other."""
    encoded, scores = made_up(50)
    searcher = guarded(prior, encoded)
    wild = searcher.ask()
    searcher.tell(observed(Suggestion(wild.configuration, SLICES), -0.5 * np.arange(SLICES) ** 2 + 0 * scores))
    assert len(searcher.verdict.forecasts) == len(prior.shares)
    assert searcher.verdict.evidence == -CAP
    assert not searcher.verdict.is_unlike


def test_a_long_training_is_shown_at_its_first_knot_and_goes_on_unless_that_brings_doubt(learned_prior):
    encoded, scores = made_up(50)
    for surprise, goes_on in ((0.0, True), (-0.4, False)):
        searcher = guarded(learned_prior, encoded)
        first = searcher.ask()
        assert first.fidelity == 1
        searcher.tell(observed(first, scores + surprise))
        second = searcher.ask()
        assert (second.configuration == first.configuration) is goes_on
        assert second.fidelity == (SLICES if goes_on else 1)


def test_the_order_of_ranks_is_followed_to_the_end_unless_there_is_doubt(learned_prior):
    encoded, scores = made_up(50)
    for surprise, goes_on in ((0.0, True), (-0.4, False)):
        searcher = guarded(replace(learned_prior, n_first=2, first_look=0), encoded)
        order = [searcher.transfer.pool[place] for place in searcher.transfer.prior.first]
        asked = []
        for _ in range(3):
            asked.append(searcher.ask())
            searcher.tell(observed(asked[-1], scores + surprise))
        assert asked[0] == Suggestion(order[0], 1)  # shown at its first knot
        assert (asked[1] == Suggestion(order[0], SLICES)) is goes_on
        assert (asked[2].configuration == order[1]) is goes_on


def test_once_trust_is_earned_nothing_is_paused(learned_prior):
    encoded, scores = made_up(50)
    searcher, begun = guarded(learned_prior, encoded), set()
    for _ in range(40):
        is_trusted, suggestion = searcher.verdict.evidence > 0, searcher.ask()
        if is_trusted and suggestion.configuration not in begun:
            assert suggestion.fidelity == SLICES
            break
        begun.add(suggestion.configuration)
        searcher.tell(observed(suggestion, scores))
    else:
        pytest.fail("no training was begun after trust was earned")


def fallen_back(prior, encoded, scores):
    """After a few first scores that are far below what is expected of any."""
    searcher = guarded(prior, encoded)
    while not searcher.verdict.is_unlike:
        searcher.tell(observed(searcher.ask(), scores[:, ::-1] * 0.5))
    return searcher


def test_transfer_comes_back_once_the_evidence_is_for_it(learned_prior):
    """What comes later is as it was taught; after whole trainings that weren't, it may be too late for that."""
    encoded, scores = made_up(50)
    prior = replace(learned_prior, first_look=0, n_first=0)
    searcher = fallen_back(prior, encoded, scores)
    n = len(searcher._transfer.asked)
    while searcher.verdict.evidence < 0:
        searcher.tell(observed(searcher.ask(), scores))
        assert len(searcher._transfer.asked) == n  # not asked before
    assert searcher.ask() == searcher._transfer.asked[-1]


def test_the_verdict_counts_the_scores_that_it_is_about(learned_prior):
    """That the task was unlike others once is said still, of the scores of which it is true."""
    encoded, scores = made_up(50)
    prior = replace(learned_prior, first_look=0, n_first=0)
    searcher = fallen_back(prior, encoded, scores)
    lowest, n = searcher.verdict.lowest, len(searcher.verdict.forecasts)
    while searcher.verdict.evidence < 0:
        searcher.tell(observed(searcher.ask(), scores))
        if searcher.verdict.lowest < lowest:
            lowest, n = searcher.verdict.lowest, len(searcher.verdict.forecasts)
    assert n < len(searcher.verdict.forecasts)
    assert f"its first {n} scores are {np.exp(-lowest):.3g} times as likely without" in searcher.verdict.words


@pytest.mark.parametrize("n_records", [0, 30])
def test_evidence_is_the_ratio_of_the_likelihoods_of_all_scores_with_and_without_what_was_taught(prior, n_records):
    """Each trial's part within bounds; what predicts best without counts. Here configurations are in another order."""
    encoded, scores = made_up(53, -1.0)
    searcher = guarded(prior, encoded, n_records=n_records)
    play(searcher, scores, 20)
    taught = prior.pool_prior(encoded)
    posteriors, trials, ratios = [CurvePosterior(each) for each in (taught, *without(prior, encoded))], {}, []
    knots = list(np.round(taught.shares * SLICES))
    for forecast in searcher.verdict.forecasts:
        place, knot, logs = forecast.configuration.values["place"], knots.index(forecast.fidelity), []
        error = binomial_variance(scores[place, forecast.fidelity - 1], n_records)
        for posterior in posteriors:
            mean, std = posterior.forecast(place, knot, error)
            logs.append(norm.logpdf(forecast.observed, mean, max(std, LEAST_STD)))
            posterior.observe(place, knot, forecast.observed, error)
        trials.setdefault(place, []).append(logs[0] - np.array(logs[1:]))
        sums = [np.clip(np.sum(of_trial, axis=0), -CAP, CAP) for of_trial in list(trials.values())[:WEIGHED]]
        ratios.append(np.sum(sums, axis=0).min())
    assert CAP in np.abs(sums)
    assert searcher.verdict.evidence == pytest.approx(ratios[-1])
    assert searcher.verdict.lowest == pytest.approx(min(ratios))
    assert searcher.verdict.n_lowest == np.argmin(ratios) + 1


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


def test_everything_is_trained_in_the_end_and_nothing_twice(prior):
    """Whoever is asked: on this task both are."""
    encoded, scores = made_up(51, -1.0)
    searcher, reached = guarded(prior, encoded[:N]), {}
    while (suggestion := searcher.ask()) is not None:
        assert suggestion.fidelity > reached.get(suggestion.configuration, 0)
        reached[suggestion.configuration] = suggestion.fidelity
        searcher.tell(observed(suggestion, scores))
    assert reached == dict.fromkeys(POOL, SLICES)
    assert others_asked(searcher)


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


def test_the_verdict_of_an_unlike_task_says_predicted_and_observed(prior):
    encoded, scores = made_up(53, -1.0)
    searcher = guarded(prior, encoded)
    while not searcher.verdict.is_unlike:
        searcher.tell(observed(searcher.ask(), scores))
    words, n = searcher.verdict.words, len(searcher.verdict.forecasts)
    worst = max(searcher.verdict.forecasts, key=lambda f: abs(f.residual))
    mean = np.clip(worst.mean, 0.0, 1.0)
    assert f"its first {n} scores are {np.exp(-searcher.verdict.lowest):.3g} times as likely without what" in words
    assert f"Furthest off is {worst.configuration.id} at slice {worst.fidelity}: {mean:.3f} ± {worst.std:.3f}" in words
    assert f" was predicted and {worst.observed:.3f} observed" in words


def test_the_verdict_of_a_task_like_others_says_how_much_likelier_it_is_so(prior):
    encoded, scores = made_up(53)
    searcher = guarded(prior, encoded)
    for _ in range(4):
        searcher.tell(observed(searcher.ask(), scores))
    words, n = searcher.verdict.words, len(searcher.verdict.forecasts)
    assert f"The first {n} scores are {np.exp(searcher.verdict.evidence):.3g} times as likely by what earlier" in words
    assert "where no trial counts more than 4.48 times; below 1/20 it would not be used any more" in words


@pytest.mark.parametrize("evidence", [-1e5, -30.0, 1e5])
def test_overwhelming_evidence_can_be_said(evidence):
    forecast = Forecast(Configuration({"place": 0}), 1, 0.5, 0.1, 0.6, 0)
    verdict = Verdict((forecast,), evidence, min(evidence, 0.0), int(evidence < 0))
    assert "over 1,000,000 times as" in verdict.words
    assert "first score is " in verdict.words
    assert verdict.is_unlike is (evidence < 0)


def test_one_earlier_task_is_enough_to_be_unlike():
    """Within five trainings, on most of such tasks: one task tells little of how far another may be from it."""
    prior, fallen = learned([made_up(1)]), []
    for seed in range(60, 70):
        encoded, scores = made_up(seed, -1.0)
        searcher = guarded(prior, encoded)
        play(searcher, scores, 5 * SLICES)
        fallen.append(searcher.verdict.is_unlike)
    assert np.mean(fallen) > 0.6
