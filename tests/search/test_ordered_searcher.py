from lightning_quicktune.search.ordered_searcher import OrderedSearcher
from lightning_quicktune.search.pool import shuffled
from lightning_quicktune.types import Suggestion


def test_random_search_trains_every_configuration_to_the_end_once(five, tell):
    searcher = OrderedSearcher(shuffled(list(five.values()), 0), lengths=4)
    asked = []
    while (suggestion := searcher.ask()) is not None:
        asked.append(suggestion)
        searcher.tell(tell(suggestion.configuration, [0.1] * 4))
    assert {s.configuration for s in asked} == set(five.values())
    assert [s.fidelity for s in asked] == [4] * 5


def test_random_orders_differ_by_seed_and_repeat(five):
    def order(seed):
        searcher = OrderedSearcher(shuffled(list(five.values()), seed), 4)
        return [searcher.ask().configuration for _ in range(5)]

    assert order(0) == order(0)
    assert len({tuple(c.id for c in order(s)) for s in range(5)}) > 1


def test_random_search_never_suggests_what_is_pending_or_failed(five, tell):
    searcher = OrderedSearcher(shuffled(list(five.values()), 0), 4)
    first, second = searcher.ask(), searcher.ask()
    assert first.configuration != second.configuration
    assert searcher.pending == {first.configuration, second.configuration}
    searcher.tell(tell(first.configuration, [0.1], failed=True))
    rest = [searcher.ask().configuration for _ in range(3)]
    assert set(rest) == set(five.values()) - {first.configuration, second.configuration}
    assert searcher.ask() is None


def test_the_default_is_trained_to_the_end_and_then_nothing(five, tell):
    searcher = OrderedSearcher([five["a"]], lengths=3)
    assert searcher.ask() == Suggestion(five["a"], 3)
    assert searcher.ask() is None
    assert searcher.pending == {five["a"]}
    searcher.tell(tell(five["a"], [0.1, 0.2]))
    assert searcher.ask() == Suggestion(five["a"], 3)
    searcher.tell(tell(five["a"], [0.1, 0.2, 0.3]))
    assert searcher.ask() is None


def test_a_failed_default_is_not_tried_again(five, tell):
    searcher = OrderedSearcher([five["a"]], lengths=3)
    searcher.tell(tell(five["a"], [], failed=True))
    assert searcher.ask() is None
