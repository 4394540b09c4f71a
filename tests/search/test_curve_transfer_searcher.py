from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from lightning_quicktune.acquisition.optional_stopping import expected_improvement, optional_stopping_index
from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher
from lightning_quicktune.surrogate.curves.pool_prior import MOMENTS, PoolPrior
from lightning_quicktune.types import Configuration, LearningCurve, Observation, SliceResult

KNOTS = np.array([1, 2, 4])


def pool(n):
    return tuple(Configuration({"lr": float(i + 1)}) for i in range(n))


def flat_prior(final, log_cost=None):
    """A prior whose mean curve rises to ``final``; configurations vary independently."""
    final, n = np.asarray(final, dtype=np.float64), len(final)
    return PoolPrior(
        mean=final[:, None] - np.array([0.5, 0.3, 0.1, 0.0]),
        loadings=np.zeros((n, 4, 1)),
        finals=0.2 * np.eye(n),
        shapes=0.01 * np.eye(n),
        following=np.ones(4),
        over_fidelities=0.01 * np.eye(4),
        noise=1e-4,
        locations=np.array([0.5, 0.5]),
        scales=np.array([0.1, 0.1]),
        log_cost=np.zeros(n) if log_cost is None else np.asarray(log_cost, dtype=np.float64),
        knots=KNOTS,
        cost_exponent=0.5,
        temperatures=np.ones(len(MOMENTS)),
    )


def told(suggestion, scores, failed=False):
    slices = tuple(SliceResult(f, s, 1.0, 1.0, 10) for f, s in enumerate(scores, start=1))
    return Observation(suggestion.configuration, LearningCurve(slices), failed, float(len(scores)))


def test_it_starts_with_what_other_tasks_found_best():
    searcher = CurveTransferSearcher(pool(3), flat_prior([0.0, 2.0, 1.0]))
    suggestion = searcher.ask()
    assert suggestion.configuration == pool(3)[1]
    assert suggestion.fidelity == 1
    assert searcher.pending == {suggestion.configuration}


def test_of_two_alike_it_takes_the_cheaper():
    searcher = CurveTransferSearcher(pool(2), flat_prior([1.0, 1.0], log_cost=[2.0, 0.0]))
    assert searcher.ask().configuration == pool(2)[1]


def test_where_the_base_model_is_better_than_what_is_expected_it_takes_a_chance():
    prior = replace(flat_prior([1.0, 0.0]), finals=np.diag([0.01, 1.0]))
    for zero_shot, place in ((np.nan, 0), (0.2, 0), (0.9, 1)):
        searcher = CurveTransferSearcher(pool(2), prior, zero_shot_score=zero_shot)
        assert searcher.ask().configuration == pool(2)[place]


def test_a_bad_score_sends_it_elsewhere_and_a_good_one_on():
    for score, goes_on in ((0.05, False), (0.68, True)):
        searcher = CurveTransferSearcher(pool(3), flat_prior([1.0, 1.05, 1.0]))
        first = searcher.ask()
        searcher.tell(told(first, [score]))
        assert (searcher.ask().configuration == first.configuration) is goes_on


def test_all_is_trained_in_the_end_and_nothing_twice():
    searcher, fidelities = CurveTransferSearcher(pool(3), flat_prior([0.0, 1.0, 0.5])), {}
    while suggestion := searcher.ask():
        assert suggestion.fidelity > fidelities.get(suggestion.configuration, 0)
        fidelities[suggestion.configuration] = suggestion.fidelity
        searcher.tell(told(suggestion, [0.5] * suggestion.fidelity))
    assert fidelities == dict.fromkeys(pool(3), 4)


def test_several_may_be_pending_and_a_failed_one_never_comes_again():
    searcher = CurveTransferSearcher(pool(2), flat_prior([1.0, 0.5]))
    first, second = searcher.ask(), searcher.ask()
    assert {first.configuration, second.configuration} == set(pool(2))
    assert searcher.ask() is None
    searcher.tell(told(first, [], failed=True))
    assert searcher.ask() is None
    searcher.tell(told(second, [0.4]))
    assert searcher.ask().configuration == second.configuration


def test_an_interrupted_search_goes_on_when_it_is_told_again():
    whole, again = (CurveTransferSearcher(pool(4), flat_prior([0.1, 1.0, 0.9, 0.4])) for _ in range(2))
    generator, past = np.random.default_rng(0), []
    for _ in range(5):
        suggestion = whole.ask()
        past.append(told(suggestion, list(0.4 + 0.2 * generator.random(suggestion.fidelity))))
        whole.tell(past[-1])
    for observation in past:
        again.tell(observation)
    assert again.ask() == whole.ask()


def test_expected_improvement_is_that_of_sampling():
    sample = np.random.default_rng(0).normal(0.3, 0.2, 400_000)
    (exact,) = expected_improvement(np.array([0.3]), np.array([0.2]), 0.5)
    assert exact == pytest.approx(np.maximum(sample - 0.5, 0).mean(), rel=0.02)


def test_the_option_to_stop_is_worth_something_and_without_later_knots_it_is_plain_improvement():
    mean, price, covariance = np.zeros((1, 2)), np.array([[1.0, 10.0]]), np.array([[[1.0, 0.99], [0.99, 1.0]]])
    both = optional_stopping_index(mean, covariance, price, np.array([0]), 0.0)
    plain = norm.pdf(0)  # expected improvement of the next knot at price 1
    assert both[0] >= np.log(plain) - 1e-9
    last = optional_stopping_index(mean[:, :1], covariance[:, :1, :1], price[:, :1], np.array([0]), 0.0)
    assert last[0] == pytest.approx(np.log(plain), rel=0.05)
    assert optional_stopping_index(mean, covariance, price, np.array([2]), 0.0)[0] == -np.inf
