import math
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from lightning_quicktune.search.lengths import Lengths
from lightning_quicktune.search.pool import candidate_pool
from lightning_quicktune.search.transfer_searcher import TransferSearcher


class FakePerformance:
    """Says what it is told to say by letter, and remembers what it was asked."""

    def __init__(self, means, std=0.1):
        self.means, self.std, self.asked = means, std, []

    def predict(self, task, configurations, curves, fidelities):
        letters = [c.values["letter"] for c in configurations]
        self.asked.append(list(zip(letters, map(tuple, curves), fidelities, strict=True)))
        return np.array([self.means[letter] for letter in letters]), np.full(len(letters), self.std)


class FakeCost:
    def __init__(self, costs):
        self.costs, self.calls = costs, 0

    def predict(self, task, configurations, reference_step_s):
        self.calls += 1
        return reference_step_s * np.array([self.costs[c.values["letter"]] for c in configurations])


MEANS = {"a": 0.1, "b": 0.5, "c": 0.4, "d": 0.0, "e": 0.2}
EQUAL = dict.fromkeys("abcde", 1.0)


def searcher_of(five, task, means=MEANS, costs=EQUAL, std=0.1):
    performance, cost = FakePerformance(means, std), FakeCost(costs)
    return TransferSearcher(list(five.values()), task, performance, cost, 0.5, "next"), performance, cost


def ask(searcher):
    suggestion = searcher.ask()
    return suggestion.configuration.values["letter"], suggestion.fidelity


def latent(score):
    return math.log(score / (1 - score)) - math.log(0.2 / 0.8)


def test_the_highest_mean_goes_first_and_a_cheaper_one_before_it(five, task):
    searcher, _, _ = searcher_of(five, task)
    assert [ask(searcher) for _ in range(3)] == [("b", 1), ("c", 1), ("e", 1)]
    searcher, _, _ = searcher_of(five, task, costs={**EQUAL, "c": 0.5})
    assert ask(searcher) == ("c", 1)


def test_candidates_are_told_apart_by_cost_even_where_no_improvement_is_likely(five, task):
    hopeless = dict.fromkeys("abcde", -90.0)
    searcher, _, _ = searcher_of(five, task, means=hopeless, costs={**EQUAL, "d": 0.9})
    assert ask(searcher) == ("d", 1)


def test_on_a_tie_the_first_of_the_pool_wins(five, task):
    searcher, _, _ = searcher_of(five, task, means=dict.fromkeys("abcde", 0.3))
    assert [ask(searcher)[0] for _ in range(5)] == list("abcde")
    assert searcher.ask() is None
    assert searcher.pending == set(five.values())


def test_an_observation_changes_the_input_of_one_candidate_and_only_that_one_is_predicted_again(five, task, tell):
    searcher, performance, cost = searcher_of(five, task)
    assert ask(searcher) == ("b", 1)
    assert performance.asked == [[(letter, (), 1) for letter in "abcde"]]
    searcher.tell(tell(five["b"], [0.3]))
    searcher.ask()
    assert performance.asked[1:] == [[("b", (0.3,), 2)]]
    assert cost.calls == 1


def test_the_incumbent_is_that_of_the_same_fidelity_else_of_the_highest_below_else_zero_shot(five, task, tell):
    searcher, _, _ = searcher_of(five, task)
    np.testing.assert_array_equal(searcher._incumbents(), np.zeros(10))
    searcher.tell(tell(five["a"], [0.3, 0.25]))
    searcher.tell(tell(five["b"], [0.1]))
    expected = [0.0, latent(0.3), latent(0.25), *[latent(0.25)] * 7]
    np.testing.assert_allclose(searcher._incumbents(), expected, atol=1e-12)


def test_a_first_score_below_zero_shot_becomes_the_incumbent_all_the_same(five, task, tell):
    searcher, _, _ = searcher_of(five, task)
    searcher.tell(tell(five["a"], [0.1]))
    np.testing.assert_allclose(searcher._incumbents()[1], latent(0.1))


def test_failed_and_fully_trained_configurations_are_not_suggested(five, task, tell):
    searcher, _, _ = searcher_of(five, task)
    searcher.tell(tell(five["b"], [0.3], failed=True))
    searcher.tell(tell(five["c"], [0.3] * task.max_fidelity))
    assert {ask(searcher)[0] for _ in range(3)} == {"a", "d", "e"}
    assert searcher.ask() is None


def test_an_observation_from_outside_the_pool_counts_for_the_incumbent(five, task, tell):
    searcher, _, _ = searcher_of({k: v for k, v in five.items() if k != "e"}, task)
    searcher.tell(tell(five["e"], [0.6]))
    np.testing.assert_allclose(searcher._incumbents()[1], latent(0.6))


def test_told_again_a_new_searcher_suggests_what_the_first_would(five, task, tell):
    first, _, _ = searcher_of(five, task)
    told = []
    for step in range(6):
        suggestion = first.ask()
        told.append(tell(suggestion.configuration, [0.2 + 0.01 * step] * suggestion.fidelity))
        first.tell(told[-1])
    lost = first.ask()
    second, _, _ = searcher_of(five, task)
    for observation in told:
        second.tell(observation)
    assert second.ask() == lost


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"means": {**MEANS, "c": math.nan}}, r"predicts nan for configuration \w{12}, .*not a mean score.*Train the"),
        ({"std": -1.0}, r"predicts -1.0 .*not a standard deviation"),
        ({"costs": {**EQUAL, "b": 0.0}}, r"predicts 0.0 .*not a cost \(seconds, above 0\)"),
    ],
)
def test_a_broken_surrogate_is_named(five, task, options, message):
    searcher, _, _ = searcher_of(five, task, **options)
    with pytest.raises(RuntimeError, match=message):
        searcher.ask()


def test_at_the_final_fidelity_what_is_left_of_the_training_is_paid_for(five, task, tell):
    performance, cost = FakePerformance(dict.fromkeys("abcde", 0.4)), FakeCost(EQUAL)
    searcher = TransferSearcher(list(five.values()), task, performance, cost, 0.5, acquisition="final")
    searcher.tell(tell(five["c"], [0.25] * 6))
    assert ask(searcher) == ("c", 7)  # all promise the same, and it has the least to go
    assert {fidelity for asked in performance.asked for _, _, fidelity in asked} == {task.max_fidelity}
    searcher.tell(tell(five["b"], [0.3]))
    searcher.ask()
    assert performance.asked[1:] == [[("b", (0.3,), task.max_fidelity)]]


def test_a_random_horizon_is_the_same_for_all_and_another_at_each_suggestion(five, task, tell):
    performance = FakePerformance(MEANS)
    searcher = TransferSearcher(list(five.values()), task, performance, FakeCost(EQUAL), 0.5, "random_horizon", seed=0)
    searcher.tell(tell(five["a"], [0.25] * 3))
    assert ask(searcher) == ("b", 1)  # the highest mean has the highest probability
    horizons = []
    for asked in performance.asked:
        targets = {letter: fidelity for letter, _, fidelity in asked}
        horizons.append(targets["b"])
        assert targets["a"] == min(3 + targets["b"], task.max_fidelity)
    thresholds = [searcher._random_threshold() for _ in range(100)]
    low, high = (latent(0.25 + share * 0.75) for share in (1e-4, 0.1))
    assert low <= min(thresholds) < max(thresholds) <= high
    assert len({int(searcher._random.integers(1, 10)) for _ in range(50)}) == 9


@pytest.mark.parametrize("acquisition", ["next", "final", "random_horizon"])
def test_every_acquisition_spends_the_whole_pool(five, task, tell, acquisition):
    searcher = TransferSearcher(list(five.values()), task, FakePerformance(MEANS), FakeCost(EQUAL), 0.5, acquisition)
    n_asked = 0
    while (suggestion := searcher.ask()) is not None:
        n_asked += 1
        searcher.tell(tell(suggestion.configuration, [0.3] * suggestion.fidelity))
    assert n_asked == 5 * task.max_fidelity


def test_a_suggestion_over_512_candidates_takes_milliseconds_beside_the_surrogate(space, task, tell, surface):
    class Instant:
        def predict(self, task, configurations, *args):
            n = len(configurations)
            return (np.linspace(0, 1, n), np.full(n, 0.1)) if len(args) == 2 else np.ones(n)

    searcher = TransferSearcher(candidate_pool(space, 511, seed=0), task, Instant(), Instant(), 1.0)
    searcher.ask()
    times, seen = [], Counter()
    for _ in range(50):
        began = time.perf_counter()
        suggestion = searcher.ask()
        times.append(time.perf_counter() - began)
        seen[suggestion.configuration.id] += 1
        scores = [surface.score(suggestion.configuration, f) for f in range(1, suggestion.fidelity + 1)]
        searcher.tell(tell(suggestion.configuration, scores))
    assert np.median(times) < 0.02  # about 1 ms with run-time type checks


def test_without_a_zero_shot_score_it_starts_from_what_half_of_the_pool_is_predicted_to_reach(five, task):
    costs = {**EQUAL, "b": 1.35}  # improvement over 0 is dearer than that of c, improvement over 0.2 is cheaper
    searcher, _, _ = searcher_of(five, task, costs=costs)
    assert ask(searcher) == ("c", 1)
    searcher, _, _ = searcher_of(five, replace(task, zero_shot_score=math.nan), costs=costs)
    assert ask(searcher) == ("b", 1)


class Knowing(FakePerformance):
    """Remembers the lengths that it is told, and predicts more the nearer the end of the own training."""

    def predict(self, task, configurations, curves, fidelities, lengths=None):
        self.lengths = lengths
        mean, std = super().predict(task, configurations, curves, fidelities)
        return mean, std


def test_each_training_has_its_own_end_and_the_surrogate_is_told_of_it(five, task):
    lengths = Lengths(9, {five["b"].id: 2, five["c"].id: 18})
    performance = Knowing(MEANS)
    whole = list(five.values())
    searcher = TransferSearcher(whole, task, performance, FakeCost(EQUAL), 0.5, "final", lengths=lengths)
    assert ask(searcher) == ("b", 1)  # the highest mean, and the shortest way to it
    assert performance.lengths == [9, 2, 18, 9, 9]
    assert [fidelity for _, _, fidelity in performance.asked[-1]] == [9, 2, 18, 9, 9]


def test_scores_are_compared_at_equal_shares_of_own_trainings(five, task, tell):
    """Half of b's two slices is nine of c's eighteen, and not its first."""
    lengths = Lengths(9, {five["b"].id: 2, five["c"].id: 18})
    searcher = TransferSearcher(list(five.values()), task, Knowing(MEANS), FakeCost(EQUAL), 0.5, "next", 0, lengths)
    searcher.tell(tell(five["b"], [0.6]))
    searcher.tell(tell(five["c"], [0.5, 0.55]))
    incumbents = searcher._incumbents()
    np.testing.assert_allclose(incumbents[[0, 1, 2, 8, 9, 18]], [latent(s) for s in (0.2, 0.5, 0.55, 0.55, 0.6, 0.6)])
    searcher.tell(tell(five["b"], [0.6, 0.6]))
    assert five["b"] not in {searcher.ask().configuration for _ in range(4)}  # it is at its end
