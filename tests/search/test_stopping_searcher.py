import random

import pytest

from lightning_quicktune.search.lengths import Lengths
from lightning_quicktune.search.stopping_searcher import StoppingSearcher
from lightning_quicktune.types import Configuration


@pytest.fixture
def searcher(five):
    return StoppingSearcher(list(five.values()), 9)


def ask(searcher, five):
    suggestion = searcher.ask()
    return next(letter for letter, c in five.items() if c == suggestion.configuration), suggestion.fidelity


def run(searcher, five, tell, final, n):
    asked = []
    for _ in range(n):
        letter, fidelity = ask(searcher, five)
        asked.append((letter, fidelity))
        searcher.tell(tell(five[letter], [final[letter]] * fidelity))
    return asked


def test_stops_follow_a_hand_worked_example(searcher, five, tell):
    final = {"a": 0.3, "b": 0.1, "c": 0.5, "d": 0.4, "e": 0.2}
    assert run(searcher, five, tell, final, 13) == [
        *[("a", 1), ("a", 3), ("a", 9)],  # alone, so the best
        ("b", 1),  # the worse of two
        *[("c", 1), ("c", 3), ("c", 9)],  # the best of three, of two and of two
        *[("d", 1), ("d", 3)],  # the second of four, of which two go on (4 / 3, rounded up); of three, one does
        ("e", 1),  # the fourth of five
        *[("d", 9), ("e", 9), ("b", 9)],  # all were started: the best ones go on
    ]


def test_once_all_were_started_all_are_trained_to_the_end(searcher, five, tell):
    final = {"a": 0.3, "b": 0.1, "c": 0.5, "d": 0.4, "e": 0.2}
    asked = run(searcher, five, tell, final, 13)
    assert searcher.ask() is None
    assert {letter for letter, fidelity in asked if fidelity == 9} == set(five)


def test_a_failed_one_counts_as_the_worst_and_is_never_asked_for_again(searcher, five, tell):
    searcher.tell(tell(five["a"], [0.9], failed=True))
    assert run(searcher, five, tell, {"b": 0.1, "c": 0.1, "d": 0.1, "e": 0.1}, 4)[:2] == [("b", 1), ("c", 1)]
    assert five["a"] not in searcher.pending


def test_rungs_are_shares_of_own_trainings(five, tell):
    searcher = StoppingSearcher(list(five.values()), Lengths(9, {five["a"].id: 2, five["b"].id: 27}))
    assert run(searcher, five, tell, {"a": 0.1, "b": 0.2, "c": 0.3}, 8) == [
        *[("a", 1), ("a", 2)],  # at 1, 1, 1 and 2 of 2 slices
        *[("b", 1), ("b", 3), ("b", 9), ("b", 27)],
        *[("c", 1), ("c", 3)],
    ]


def test_parallel_asks_differ_and_what_was_cut_short_goes_on(searcher, five, tell):
    assert [ask(searcher, five) for _ in range(2)] == [("a", 1), ("b", 1)]
    assert searcher.pending == {five["a"], five["b"]}
    searcher.tell(tell(five["a"], [0.5]))
    assert ask(searcher, five) == ("a", 3)
    searcher.tell(tell(five["a"], [0.5, 0.5]))
    assert ask(searcher, five) == ("a", 3)


@pytest.mark.parametrize("seed", range(3))
def test_told_again_a_new_searcher_suggests_what_the_first_would(tell, seed):
    rng, pool, told = random.Random(seed), [Configuration({"i": i}) for i in range(12)], []
    first = StoppingSearcher(pool, 9)
    for _ in range(20):
        suggestion = first.ask()
        scores = [round(rng.random(), 1) for _ in range(9)]
        told.append(tell(suggestion.configuration, scores[: suggestion.fidelity], failed=rng.random() < 0.1))
        first.tell(told[-1])
    again = StoppingSearcher(pool, 9)
    for observation in told:
        again.tell(observation)
    assert again.ask() == first.ask()
