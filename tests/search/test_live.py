"""What a search of live trials does besides: budgets of trials and scores, time for its end, a person who stops it."""

import pytest

from lightning_quicktune.search.few_trials_searcher import FewTrialsSearcher
from lightning_quicktune.search.journal import Journal
from lightning_quicktune.search.loop import Live, run_search
from lightning_quicktune.search.ordered_searcher import OrderedSearcher
from lightning_quicktune.search.successive_halving_searcher import SuccessiveHalvingSearcher
from lightning_quicktune.types import Budget, Observation, Suggestion

from .conftest import curve_of


@pytest.fixture
def new_searcher(space):
    return lambda: SuccessiveHalvingSearcher(space.sample(12, seed=0), 9)


def live(cut=lambda suggestion, reached, promised: suggestion, salvage=lambda suggestion: None):
    begun = []
    return Live(cut, begun.append, salvage), begun


def test_no_more_configurations_are_tried_than_may_be(new_searcher, new_executor, clock):
    result = run_search(new_searcher(), new_executor(), Budget(trials=3), None, clock=clock)
    assert len({e.suggestion.configuration for e in result.entries}) == 3
    assert result.stopped_by == "budget"


def test_of_few_trials_the_best_is_trained_to_its_end(new_searcher, new_executor, clock):
    executor = new_executor()
    searcher = FewTrialsSearcher(new_searcher(), 3, 9)
    result = run_search(searcher, executor, Budget(trials=3), None, clock=clock)
    assert len(executor.reached) == 3
    assert executor.reached[result.incumbent.configuration.id] == 9
    assert result.stopped_by in ("exhausted", "budget")


def test_a_score_that_is_enough_ends_the_search(new_searcher, new_executor, clock):
    result = run_search(new_searcher(), new_executor(), Budget(target=0.6, slices=500), None, clock=clock)
    assert result.stopped_by == "target"
    assert result.incumbent.score >= 0.6
    assert all(max(e.observation.curve.scores) < 0.6 for e in result.entries[:-1])


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ({}, r"no budget: set `budget.seconds`.*`budget.trials`.*`budget.target`"),
        ({"trials": 0}, r"`budget.trials` is 0, but a search needs more than 0"),
        ({"target": 1.5}, r"`budget.target` is 1.5, but scores are between 0 and 1"),
    ],
)
def test_a_budget_of_nothing_is_refused(budget, words):
    with pytest.raises(ValueError, match=words):
        Budget(**budget)


def test_who_keeps_time_cuts_suggestions_and_ends_the_search(new_executor, clock, five):
    searcher = OrderedSearcher(list(five.values()), 9)
    executor = new_executor()
    executor.surface.score = lambda configuration, fidelity: 0.1 * fidelity
    executor.surface.cost_s = lambda configuration: 1.0
    executor.surface.diverges = lambda configuration: False
    asked = []

    def cut(suggestion, reached, promised):
        asked.append((suggestion.configuration, reached, promised))
        return None if len(asked) > 2 else Suggestion(suggestion.configuration, reached + 4)

    watched, begun = live(cut)
    result = run_search(searcher, executor, Budget(slices=99), None, clock=clock, live=watched)
    assert [s.fidelity for s in begun] == [4, 8] == [e.observation.curve.fidelity for e in result.entries]
    assert asked[1] == (five["a"], 4, 0)
    assert result.stopped_by == "budget"


def test_what_others_are_promised_is_told_to_who_keeps_time(new_searcher, new_executor, clock):
    promised = []
    watched, _ = live(lambda suggestion, reached, n: promised.append(n) or suggestion)
    run_search(new_searcher(), new_executor(capacity=3), Budget(slices=9), None, clock=clock, live=watched)
    assert promised[:3] == [0, 1, 2]


def test_a_person_ends_the_search_and_what_was_trained_counts(new_searcher, new_executor, clock, tmp_path):
    executor = new_executor(kill_after=3)
    salvaged = []

    def salvage(suggestion):
        salvaged.append(suggestion.configuration)
        return Observation(suggestion.configuration, curve_of([0.95] * suggestion.fidelity), False, 1.0)

    watched, _ = live(salvage=salvage)
    journal = Journal(tmp_path, {"task": "towns"})
    result = run_search(new_searcher(), executor, Budget(slices=99), journal, clock=clock, live=watched)
    assert result.stopped_by == "interrupted"
    assert len(result.entries) == 4 == len(journal.entries)
    assert result.incumbent.configuration == salvaged[0]
    goes_on = run_search(new_searcher(), new_executor(), Budget(slices=6), Journal(tmp_path, {"task": "towns"}))
    assert goes_on.entries[:4] == result.entries
    assert goes_on.stopped_by == "budget"


def test_without_anybody_to_tell_an_interruption_stays_one(new_searcher, new_executor, clock):
    with pytest.raises(KeyboardInterrupt):
        run_search(new_searcher(), new_executor(kill_after=1), Budget(slices=9), None, clock=clock)
