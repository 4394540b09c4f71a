"""Search by transferred curves, on priors that are small enough to see through."""

import math
from dataclasses import replace

import numpy as np
import pytest

from lightning_quicktune.search import curve_transfer_searcher
from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher, binomial_variance
from lightning_quicktune.search.left import Left
from lightning_quicktune.search.lengths import Lengths
from lightning_quicktune.surrogate.curves.pool_prior import MOMENTS, PoolPrior
from lightning_quicktune.surrogate.curves.tables import knots_of
from lightning_quicktune.types import Configuration, LearningCurve, Observation, SliceResult, Suggestion

LENGTH = 4
SHARES = np.array([0.25, 0.5, 1.0])


def pool(n):
    return tuple(Configuration({"lr": float(i + 1)}) for i in range(n))


def flat_prior(final, log_cost=None, shares=SHARES):
    """A prior whose mean curve rises to ``final``; configurations vary independently, around 0.5 and by 0.1."""
    final, n, h = np.asarray(final, dtype=np.float64), len(final), len(shares)
    return PoolPrior(
        mean=final[:, None] - 0.5 * (1.0 - shares),
        loadings=np.zeros((n, h, 2)),
        finals=0.2 * np.eye(n),
        shapes=np.eye(n),
        following=np.ones(h),
        given_final=0.01 * np.diag(1.0 - shares),
        offsets=np.zeros((h, h)),
        noise=np.full(h, 1e-4),
        floor=np.full(h, -3.0),
        locations=np.array([0.5, 0.5]),
        scales=np.array([0.1, 0.1]),
        log_cost=np.zeros(n) if log_cost is None else np.asarray(log_cost, dtype=np.float64),
        shares=shares,
        cost_exponent=0.5,
        temperatures=np.ones(len(MOMENTS)),
    )


def searcher_of(prior, lengths=LENGTH, **options):
    return CurveTransferSearcher(pool(len(prior.mean)), prior, lengths, **options)


def told(configuration, scores, failed=False, cost_s=1.0):
    slices = tuple(SliceResult(f, float(s), cost_s, cost_s, 10) for f, s in enumerate(scores, start=1))
    return Observation(configuration, LearningCurve(slices), failed, cost_s * len(scores))


def answer(searcher, suggestion, score=0.5):
    searcher.tell(told(suggestion.configuration, [score] * suggestion.fidelity))


def test_it_starts_with_what_is_expected_to_end_best():
    searcher = searcher_of(flat_prior([0.0, 2.0, 1.0]))
    suggestion = searcher.ask()
    assert (suggestion.configuration, suggestion.fidelity) == (pool(3)[1], 1)
    assert searcher.pending == {suggestion.configuration}


def test_no_training_is_paused_before_the_first_look():
    prior = replace(flat_prior([0.0, 2.0, 1.0]), first_look=1)
    searcher = searcher_of(prior, lengths=Lengths(8, {pool(3)[2].id: 1}))
    first = searcher.ask()
    assert (first.configuration, first.fidelity) == (pool(3)[1], 4)
    answer(searcher, first)
    assert searcher.posterior.n_observed == 2  # what comes by on the way tells something too
    later = [searcher.ask() for _ in range(3)]
    assert {s.configuration: s.fidelity for s in later} == {pool(3)[0]: 4, pool(3)[1]: 8, pool(3)[2]: 1}


def test_what_the_prior_names_is_trained_to_the_end_before_any_other():
    searcher = searcher_of(replace(flat_prior([0.0, 2.0, 1.0, 1.5]), first=(2, 0)))
    asked = [searcher.ask(), searcher.ask()]
    assert asked == [Suggestion(searcher.pool[2], LENGTH), Suggestion(searcher.pool[0], LENGTH)]
    assert searcher.ask().configuration == searcher.pool[1]  # while they are pending, as it would without them
    for suggestion in asked:
        answer(searcher, suggestion, 0.4)
    assert searcher.ask().configuration not in (searcher.pool[2], searcher.pool[0])


def test_what_the_prior_names_is_not_begun_while_it_is_doubted():
    searcher = searcher_of(replace(flat_prior([0.0, 2.0, 1.0]), first=(0,)))
    assert searcher.looks(searcher.pool[0]) == (1, LENGTH)
    searcher.looks_early = True
    assert searcher.ask() == Suggestion(searcher.pool[1], 1)


@pytest.mark.parametrize(("seconds", "place"), [(36.1, 2), (27.1, 2), (26.9, 1), (math.inf, 2)])
def test_what_the_prior_names_is_begun_only_if_its_end_is_within_the_budget(seconds, place):
    """A training has four slices, each of 9 s where a usual one takes 1; three are half of the way from the last look.

    The second one in order only makes up for the first.
    """
    prior = replace(flat_prior([0.0, 2.0, 1.0, 1.5], log_cost=[0.0, 0.0, math.log(9.0), 0.0]), first=(2, 0))
    searcher = searcher_of(prior, left=Left(seconds=seconds, usual_slice_s=1.0))
    assert searcher.ask().configuration == pool(4)[place]


@pytest.mark.parametrize(("slices", "place"), [(4, 0), (3, 0), (2, 1), (1, 1), (math.inf, 0)])
def test_an_end_that_is_out_of_reach_counts_for_nothing(slices, place):
    slow_quick_bad = [[-2.0, -1.0, 2.0], [0.4, 0.5, 0.6], [0.0, 0.0, 0.0]]
    prior = replace(flat_prior([0.0, 0.0, 0.0]), mean=np.array(slow_quick_bad))
    searcher = searcher_of(prior, left=Left(slices=slices))
    assert searcher.ask().configuration == pool(3)[place]


def test_the_last_slices_go_where_they_are_seen():
    """With one slice left, what needs four for its next score is left alone, whatever it may become."""
    for slices, expected in ((2, Suggestion(pool(3)[0], 8)), (1, Suggestion(pool(3)[1], 2))):
        searcher = searcher_of(flat_prior([2.0, 0.5, 0.4]), lengths=8, left=Left(slices=slices))
        searcher.tell(told(pool(3)[0], [0.5, 0.5, 0.55, 0.55]))
        assert searcher.ask() == expected


@pytest.mark.parametrize(("seconds", "is_begun"), [(8.9, False), (9.1, True)])
def test_seconds_are_those_that_slices_took_here(seconds, is_begun):
    left = Left(seconds=100.0, usual_slice_s=1.0)
    searcher = searcher_of(replace(flat_prior([2.0, 1.9, 0.4]), first=(0, 1)), left=left)
    first = searcher.ask()
    searcher.tell(told(first.configuration, [0.3], cost_s=3.0))  # three times as slow as was foretold
    left.seconds = seconds
    assert (searcher.ask() == Suggestion(pool(3)[1], LENGTH)) == is_begun


def test_what_already_runs_leaves_the_others_no_worse_order():
    """One slice is enough for a training of one; while it runs, of the others there is too little for any."""
    lengths = Lengths(16, {pool(4)[0].id: 1})
    searcher = searcher_of(flat_prior([0.0, 0.5, 2.0, 1.0]), lengths, left=Left(slices=1))
    assert [searcher.ask().configuration for _ in range(2)] == [pool(4)[0], pool(4)[2]]


def test_a_first_look_that_is_out_of_reach_is_taken_earlier():
    prior = replace(flat_prior([0.0, 2.0, 1.0]), first_look=1)
    for slices, fidelity in ((1, 1), (2, 2), (math.inf, 2)):
        assert searcher_of(prior, left=Left(slices=slices)).ask() == Suggestion(pool(3)[1], fidelity)


def test_where_there_is_too_little_left_for_any_score_it_chooses_as_ever():
    for left in (Left(slices=0), Left(seconds=0.1, usual_slice_s=1.0), Left(seconds=0.1)):
        assert searcher_of(flat_prior([0.0, 2.0, 1.0]), left=left).ask() == Suggestion(pool(3)[1], 1)


def test_of_two_alike_it_starts_with_the_cheaper():
    prior = flat_prior([1.0, 1.0, 0.0, 0.0], log_cost=[2.0, 0.0, 0.0, 0.0])
    assert searcher_of(prior).ask().configuration == pool(4)[1]


def test_what_is_expected_over_the_median_counts_for_its_price():
    """Of four times the cost, which counts by its root, twice the gain is the limit."""
    for gain, place in ((1.9, 1), (2.1, 0)):
        prior = flat_prior([gain, 1.0, 0.0, 0.0, 0.0], log_cost=[np.log(4.0), 0.0, 0.0, 0.0, 0.0])
        assert searcher_of(prior).ask().configuration == pool(5)[place]


def test_where_the_base_model_is_better_than_what_is_expected_it_takes_a_chance():
    prior = replace(flat_prior([1.5, 1.0, 0.5]), finals=np.diag([0.01, 0.01, 1.0]))
    for zero_shot, place in ((np.nan, 1), (0.2, 1), (0.95, 2)):
        searcher = searcher_of(prior, zero_shot_score=zero_shot)
        searcher.tell(told(searcher.ask().configuration, [0.3], failed=True))
        assert searcher.ask().configuration == pool(3)[place]


def test_a_bad_score_sends_it_elsewhere_and_a_good_one_on():
    for score, goes_on in ((0.05, False), (0.68, True)):
        searcher = searcher_of(flat_prior([1.0, 1.05, 1.0]))
        first = searcher.ask()
        answer(searcher, first, score)
        assert (searcher.ask().configuration == first.configuration) is goes_on


def test_all_is_trained_in_the_end_and_nothing_twice():
    searcher, fidelities = searcher_of(flat_prior([0.0, 1.0, 0.5])), {}
    while suggestion := searcher.ask():
        assert suggestion.fidelity > fidelities.get(suggestion.configuration, 0)
        fidelities[suggestion.configuration] = suggestion.fidelity
        answer(searcher, suggestion)
    assert fidelities == dict.fromkeys(pool(3), LENGTH)


def test_each_is_trained_to_its_own_end_by_its_own_knots():
    one, two, three, four = pool(4)
    lengths = Lengths(LENGTH, {one.id: 1, two.id: 2, three.id: 12})
    searcher, fidelities = searcher_of(flat_prior([0.0, 1.0, 0.5, 0.2]), lengths), {}
    while suggestion := searcher.ask():
        fidelities.setdefault(suggestion.configuration, []).append(suggestion.fidelity)
        answer(searcher, suggestion)
    assert fidelities == {one: [1], two: [1, 2], three: [3, 6, 12], four: [1, 2, 4]}
    assert [f.knot for f in searcher.forecasts if f.configuration == two] == [1, 2]  # at half and at the end


@pytest.mark.parametrize("seed", range(4))
def test_knots_that_are_never_met_make_no_difference(seed):
    """Trainings of 2 slices meet two of the knots that trainings of 51 were seen at."""
    generator, shares = np.random.default_rng(seed), knots_of(51) / 51
    prior, met = flat_prior(generator.standard_normal(12), shares=shares), [-3, -1]
    prior = replace(
        prior, given_final=0.2 * np.diag(1.0 - shares), finals=np.eye(12), log_cost=generator.normal(size=12)
    )
    assert np.argmin(np.abs(shares - 0.5)) == len(shares) + met[0]
    short = replace(
        prior,
        mean=prior.mean[:, met],
        loadings=prior.loadings[:, met],
        following=prior.following[met],
        given_final=prior.given_final[np.ix_(met, met)],
        offsets=prior.offsets[np.ix_(met, met)],
        noise=prior.noise[met],
        floor=prior.floor[met],
        shares=prior.shares[met],
    )
    asked = []
    for each in (prior, short):
        searcher, scores, suggestions = searcher_of(each, 2), np.random.default_rng(seed).normal(0.5, 0.1, 40), []
        for score in scores:
            if (suggestion := searcher.ask()) is not None:
                suggestions.append(suggestion)
                answer(searcher, suggestion, score)
        asked.append(suggestions)
    assert asked[0] == asked[1]


def test_several_may_be_pending_and_a_failed_one_never_comes_again():
    searcher = searcher_of(flat_prior([1.0, 0.5]))
    first, second = searcher.ask(), searcher.ask()
    assert {first.configuration, second.configuration} == searcher.pending == set(pool(2))
    assert searcher.ask() is None
    searcher.tell(told(first.configuration, [], failed=True))
    assert searcher.ask() is None
    answer(searcher, second)
    assert searcher.ask().configuration == second.configuration
    searcher.tell(told(second.configuration, [0.5], failed=True))
    assert searcher.ask() is None
    assert searcher.pending == frozenset()


def test_where_nothing_is_left_to_improve_it_still_suggests_what_is_open():
    searcher, asked = searcher_of(flat_prior([0.0, 1.0, 0.5])), []
    while suggestion := searcher.ask():
        asked.append((suggestion.configuration, suggestion.fidelity))
        answer(searcher, suggestion, 1.0)
    assert len(asked) == len(set(asked)) == 3 * len(SHARES)


def test_an_interrupted_search_goes_on_when_it_is_told_again():
    whole, again = (searcher_of(flat_prior([0.1, 1.0, 0.9, 0.4])) for _ in range(2))
    generator, past = np.random.default_rng(0), []
    for _ in range(5):
        suggestion = whole.ask()
        past.append(told(suggestion.configuration, 0.4 + 0.2 * generator.random(suggestion.fidelity)))
        whole.tell(past[-1])
    for observation in past:
        again.tell(observation)
    assert again.ask() == whole.ask()


def test_what_another_searcher_trained_is_taken_in():
    searcher = searcher_of(flat_prior([1.0, 1.0, 0.9]))
    one, two, three = pool(3)
    searcher.tell(told(one, [0.3, 0.4, 0.5]))  # on the way to its last knot
    searcher.tell(told(two, [0.1, 0.1, 0.1, 0.1]))
    assert [(f.configuration, f.fidelity) for f in searcher.forecasts] == [
        (one, 1),
        (one, 2),
        (two, 1),
        (two, 2),
        (two, 4),
    ]
    left = {(s.configuration, s.fidelity) for s in (searcher.ask(), searcher.ask())}
    assert left == {(one, 4), (three, 1)}
    assert searcher.ask() is None


def test_a_good_score_outside_of_the_pool_has_to_be_beaten():
    prior = replace(flat_prior([1.5, 1.0, 0.5]), finals=np.diag([0.01, 0.01, 1.0]))
    searcher = searcher_of(prior)
    searcher.tell(told(Configuration({"lr": 99.0}), [0.95]))
    searcher.tell(told(pool(3)[0], [0.3], failed=True))
    assert searcher.forecasts[0].configuration == pool(3)[0]
    assert searcher.ask().configuration == pool(3)[2]


@pytest.fixture
def beaten(monkeypatch):
    """What had to be beaten at each question."""
    found, index = [], curve_transfer_searcher.optional_stopping_index

    def watched(mean, covariance, price, following, incumbent):
        found.append((mean, incumbent))
        return index(mean, covariance, price, following, incumbent)

    monkeypatch.setattr(curve_transfer_searcher, "optional_stopping_index", watched)
    return found


def test_others_have_to_beat_what_the_most_promising_begun_trial_would_gain_for_their_money(beaten):
    searcher = searcher_of(flat_prior([1.0, 1.0, 0.0]), lengths=4)
    searcher.tell(told(pool(3)[0], [0.5]))
    searcher.ask()
    ((mean, incumbent),) = beaten
    ahead = mean[0, -1] - 0.5
    assert ahead > 0
    np.testing.assert_array_equal(incumbent[0], 0.5)  # it competes with the best score so far
    seconds = np.array([1.0, 2.0, 4.0])  # to each knot; the leader has 3 s to its end
    np.testing.assert_allclose(incumbent[1:], np.tile(0.5 + ahead * np.minimum(seconds / 3.0, 1.0), (2, 1)))


def test_where_no_begun_trial_is_open_only_the_best_score_has_to_be_beaten(beaten):
    searcher = searcher_of(flat_prior([1.0, 1.0, 0.0]))
    searcher.tell(told(pool(3)[0], [0.5], failed=True))
    searcher.ask()
    np.testing.assert_array_equal(beaten[0][1], 0.5)


def test_seconds_that_slices_took_correct_what_was_predicted():
    """The first took ten times as long as predicted, in comparison with the second."""
    for learns_costs, place in ((True, 1), (False, 0)):
        searcher = searcher_of(replace(flat_prior([1.05, 1.0, 0.0]), learns_costs=learns_costs))
        searcher.tell(told(pool(3)[0], [0.55], cost_s=10.0))
        searcher.tell(told(pool(3)[1], [0.55], cost_s=1.0))
        searcher.tell(told(pool(3)[2], [0.3], failed=True))
        assert searcher.ask().configuration == pool(3)[place]


def test_forecasts_say_what_was_predicted_and_observed():
    searcher = searcher_of(flat_prior([1.0, 0.5]))
    suggestion = searcher.ask()
    mean, std = searcher.posterior.forecast(0, 0)
    answer(searcher, suggestion, 0.7)
    (forecast,) = searcher.forecasts
    assert (forecast.mean, forecast.std, forecast.observed) == (mean, std, 0.7)
    assert forecast.residual == pytest.approx((0.7 - mean) / std)
    assert searcher.place_of(forecast) == (0, 0)


def test_how_bad_a_bad_score_is_makes_no_difference():
    searcher = searcher_of(flat_prior([1.0, 0.5, 0.2]))
    searcher.tell(told(pool(3)[0], [0.55]))
    floor = searcher.posterior.floor(0)
    assert 0.0 < floor < 0.4
    searcher.tell(told(pool(3)[1], [0.0]))
    assert searcher.forecasts[-1].observed == floor


def test_a_bad_score_is_bad_for_the_later_ones_of_its_own_training_alone():
    configurations = pool(3)
    bad, worse = (searcher_of(flat_prior([1.0, 0.5, 0.2])) for _ in range(2))
    for searcher in (bad, worse):
        searcher.tell(told(configurations[0], [0.55]))
    floor = bad.posterior.floor(0)
    bad.tell(told(configurations[1], [floor]))
    worse.tell(told(configurations[1], [0.0]))
    carried = worse.posterior.carried(1, 0)
    assert 0.0 < carried[-1] < carried[0] <= 1.0
    last = LENGTH
    before, after = (searcher.expected(configurations[1], last) for searcher in (bad, worse))
    assert after[0] == pytest.approx(before[0] - floor * carried[-1])
    assert after[1] == pytest.approx(before[1], rel=0.1)
    ends = [searcher.ends(configurations[1:2])[0] for searcher in (bad, worse)]
    assert ends[1] == pytest.approx(ends[0] - floor * carried[-1])
    assert worse.expected(configurations[2], last) == pytest.approx(bad.expected(configurations[2], last))
    worse.tell(told(configurations[1], [0.0, 0.6]))  # it has recovered
    assert worse.expected(configurations[1], last)[0] > 0.4


def test_scores_measured_on_few_records_are_less_exact():
    exact, rough = (searcher_of(flat_prior([1.0, 0.5]), n_records=n) for n in (0, 50))
    for each in (exact, rough):
        each.tell(told(pool(2)[0], [0.6]))
    assert [each.forecasts[0].error for each in (exact, rough)] == [0.0, pytest.approx(0.6 * 0.4 / 50)]
    stds = [each.forecasts[0].std for each in (exact, rough)]
    assert stds[1] ** 2 == pytest.approx(stds[0] ** 2 + 0.6 * 0.4 / 50)
    moved = [each.posterior.forecast(0, 0)[0] - each.forecasts[0].mean for each in (exact, rough)]
    assert abs(moved[1]) < abs(moved[0])
    assert binomial_variance(0.25, 100) == pytest.approx(0.25 * 0.75 / 100)
    assert binomial_variance(0.25, 0) == 0.0
