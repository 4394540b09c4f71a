from lightning_quicktune.search.ordered_searcher import OrderedSearcher
from lightning_quicktune.search.untaught_searcher import LookingFirstSearcher
from lightning_quicktune.types import Configuration, LearningCurve, Observation, SliceResult

A, B, C = (Configuration({"lr": lr}) for lr in (0.1, 0.2, 0.3))


def seen(configuration, n, failed=False):
    curve = LearningCurve(tuple(SliceResult(f, 0.1 * f, 1.0, 1.0, 1) for f in range(1, n + 1)))
    return Observation(configuration, curve, failed, float(n))


def test_each_of_the_first_is_looked_at_before_the_other_searcher_goes_on():
    searcher = LookingFirstSearcher((C, B), OrderedSearcher((A, B, C), 6), 6)
    asked = []
    while (suggestion := searcher.ask()) is not None:
        asked.append((suggestion.configuration, suggestion.fidelity))
        searcher.tell(seen(suggestion.configuration, suggestion.fidelity))
    assert asked == [(C, 2), (B, 2), (A, 6), (B, 6), (C, 6)]


def test_what_is_pending_is_not_asked_twice_and_a_failure_is_the_end():
    searcher = LookingFirstSearcher((C,), OrderedSearcher((C, A), 4), 4)
    assert searcher.ask().fidelity == 2
    assert searcher.pending == {C}
    assert searcher.ask().configuration == A
    searcher.tell(seen(C, 1, failed=True))
    searcher.tell(seen(A, 4))
    assert searcher.ask() is None


def test_a_look_that_was_cut_short_goes_on():
    searcher = LookingFirstSearcher((C,), OrderedSearcher((A,), 6), 6)
    searcher.ask()
    searcher.tell(seen(C, 1))
    assert (searcher.ask().configuration, searcher.pending) == (C, {C})
