import random
import time

import numpy as np
import pytest

from lightning_quicktune.search.lengths import Lengths
from lightning_quicktune.search.successive_halving_searcher import SuccessiveHalvingSearcher, rung_shares
from lightning_quicktune.types import Configuration


@pytest.mark.parametrize(
    ("max_fidelity", "eta", "rungs"),
    [(27, 3, (1, 3, 9, 27)), (9, 3, (1, 3, 9)), (10, 3, (2, 4, 10)), (1, 3, (1,)), (8, 2, (1, 2, 4, 8)), (2, 3, (2,))],
)
def test_rungs_are_powers_of_eta_below_the_top_rounded_up(max_fidelity, eta, rungs):
    shares = rung_shares(max_fidelity, eta)
    assert tuple(Lengths(max_fidelity).at_share("any", share) for share in shares) == rungs


def test_eta_below_2_says_what_to_set():
    with pytest.raises(ValueError, match=r"`eta` is 1, .*at least 2. Set `eta: 3`"):
        rung_shares(9, 1)


def searcher_of(five, **options):
    return SuccessiveHalvingSearcher(list(five.values()), lengths=9, **options)


def ask(searcher, five):
    suggestion = searcher.ask()
    letter = next(letter for letter, c in five.items() if c == suggestion.configuration)
    return letter, suggestion.fidelity


def run(searcher, five, tell, final, n):
    asked = []
    for _ in range(n):
        letter, fidelity = ask(searcher, five)
        asked.append((letter, fidelity))
        searcher.tell(tell(five[letter], [final[letter]] * fidelity))
    return asked


def test_promotions_follow_a_hand_worked_example(five, tell):
    final = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4, "e": 0.5}
    assert run(searcher_of(five), five, tell, final, 9) == [
        *[("a", 1), ("b", 1), ("c", 1)],
        ("c", 3),  # best of three
        *[("d", 1), ("d", 3)],  # best of four, of which floor(4 / 3) = 1 may go on
        *[("e", 1), ("e", 3)],
        ("e", 9),  # best of the three at fidelity 3; the highest rung is looked at first
    ]


def test_once_all_have_started_the_best_go_on_until_all_are_trained(five, tell):
    final = {"a": 0.2, "b": 0.6, "c": 0.4, "d": 0.9, "e": 0.1}
    searcher = searcher_of(five)
    assert run(searcher, five, tell, final, 15) == [
        *[("a", 1), ("b", 1), ("c", 1), ("b", 3), ("d", 1), ("d", 3), ("e", 1)],
        *[("d", 9), ("b", 9), ("c", 3), ("c", 9), ("a", 3), ("a", 9), ("e", 3), ("e", 9)],
    ]
    assert searcher.ask() is None


def test_parallel_asks_differ_and_one_promotion_is_given_once(five, tell):
    searcher = searcher_of(five)
    for letter, score in {"a": 0.3, "b": 0.2, "c": 0.1}.items():
        searcher.tell(tell(five[letter], [score]))  # never asked for, as after a restart
    assert [ask(searcher, five) for _ in range(3)] == [("a", 3), ("d", 1), ("e", 1)]
    assert searcher.pending == {five["a"], five["d"], five["e"]}


def test_a_failed_configuration_counts_as_the_worst_of_its_rung_and_is_never_promoted(five, tell):
    searcher = searcher_of(five)
    searcher.tell(tell(five["a"], [], failed=True))
    searcher.tell(tell(five["b"], [0.1]))
    assert ask(searcher, five) == ("c", 1)
    searcher.tell(tell(five["c"], [0.2]))
    assert ask(searcher, five) == ("c", 3)
    searcher.tell(tell(five["c"], [0.2, 0.2], failed=True))
    assert run(searcher, five, tell, {"b": 0.1, "d": 0.05, "e": 0.3}, 4) == [("d", 1), ("e", 1), ("e", 3), ("e", 9)]


def test_a_trial_stopped_between_two_rungs_goes_on_to_the_upper_one(five, tell):
    searcher = searcher_of(five)
    for letter, scores in {"a": [0.9, 0.9], "b": [0.2], "c": [0.1]}.items():
        searcher.tell(tell(five[letter], scores))
    assert ask(searcher, five) == ("a", 3)


def test_what_another_searcher_has_begun_below_the_first_rung_comes_before_new_ones(five, tell):
    searcher = searcher_of(five, eta=2)
    searcher.tell(tell(five["c"], [0.3]))
    assert [ask(searcher, five) for _ in range(2)] == [("c", 2), ("a", 2)]


def test_the_given_order_is_kept_and_a_smaller_eta_promotes_sooner(five, tell):
    searcher = searcher_of(dict(reversed(five.items())), eta=2)
    assert run(searcher, five, tell, {"e": 0.1, "d": 0.2}, 3) == [("e", 2), ("d", 2), ("d", 3)]


def test_rungs_are_shares_of_own_trainings_and_scores_are_compared_there(five, tell):
    """Rungs are at 1, 3 and 9 of 9 slices, at 1, 2 and 4 of 4, and at 1, 1 and 2 of 2."""
    lengths = Lengths(9, {five["c"].id: 2, five["d"].id: 4})
    searcher = SuccessiveHalvingSearcher(list(five.values()), lengths, eta=3)
    assert run(searcher, five, tell, {"a": 0.1, "b": 0.5, "c": 0.7, "d": 0.6, "e": 0.2}, 10) == [
        *[("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1)],  # the best of the first rung is at its second already
        *[("c", 2), ("d", 2), ("d", 4), ("b", 3), ("b", 9)],
    ]


def sorted_each_time(rungs, pool, curves, failed, pending):
    """What to suggest, by the definition: every rung is ranked anew."""

    def is_open(c):
        return c not in pending and c not in failed and len(curves.get(c, ())) < rungs[-1]

    def promotion(eta):
        for rung in reversed(range(len(rungs) - 1)):
            fidelity, below = rungs[rung], (0, *rungs)[rung]
            ranked = {}
            for c in pool:
                curve = curves.get(c, ())
                if len(curve) >= fidelity:
                    ranked[c] = curve[fidelity - 1]
                elif c in failed and len(curve) >= below:
                    ranked[c] = -1.0
            order = sorted(ranked, key=lambda c: -ranked[c])
            for c in order[: len(order) // eta]:
                if is_open(c) and len(curves[c]) < rungs[rung + 1]:
                    return c, rungs[rung + 1]
        return None

    new = [(c, rungs[0]) for c in pool if is_open(c) and len(curves.get(c, ())) < rungs[0]]
    return promotion(3) or (new[0] if new else None) or promotion(1)


@pytest.mark.parametrize("seed", range(4))
def test_keeping_rungs_in_order_suggests_the_same_as_sorting_them_each_time(tell, seed):
    rng, pool = random.Random(seed), [Configuration({"i": i}) for i in range(15)]
    searcher = SuccessiveHalvingSearcher(pool, lengths=9)
    curves, failed, pending = {}, set(), {}
    while True:
        expected = sorted_each_time((1, 3, 9), pool, curves, failed, pending)
        if expected is not None and (len(pending) < 3 or rng.random() < 0.3):
            suggestion = searcher.ask()
            assert (suggestion.configuration, suggestion.fidelity) == expected
            pending[suggestion.configuration] = suggestion.fidelity
        elif pending:
            c = rng.choice(list(pending))
            fails = rng.random() < 0.1
            n = rng.randrange(len(curves.get(c, ())) + (not fails), pending.pop(c) + 1)  # perhaps cut short
            curves[c] = (*curves.get(c, ()), *(round(rng.random(), 1) for _ in range(n)))[:n]
            failed |= {c} if fails else set()
            searcher.tell(tell(c, curves[c], failed=fails))
        else:
            break
    assert searcher.ask() is None


def test_a_step_over_400_configurations_costs_far_less_than_a_millisecond(tell):
    pool = [Configuration({"i": i}) for i in range(400)]
    searcher, times, rng = SuccessiveHalvingSearcher(pool, lengths=51), [], random.Random(0)
    for _ in range(700):
        began = time.perf_counter()
        suggestion = searcher.ask()
        asked = time.perf_counter()
        observation = tell(suggestion.configuration, [rng.random()] * suggestion.fidelity)
        told = time.perf_counter()
        searcher.tell(observation)
        times.append(time.perf_counter() - told + asked - began)
    assert np.median(times) < 1e-3  # about 0.1 ms, with run-time type checks
