import math
from dataclasses import replace

import numpy as np
import pytest

from lightning_quicktune.search.journal import Journal
from lightning_quicktune.search.left import Left
from lightning_quicktune.search.loop import run_search
from lightning_quicktune.search.ordered_searcher import OrderedSearcher
from lightning_quicktune.search.pool import candidate_pool, shuffled
from lightning_quicktune.search.successive_halving_searcher import SuccessiveHalvingSearcher
from lightning_quicktune.search.transfer_searcher import TransferSearcher
from lightning_quicktune.types import Budget

IDENTITY = {"task": "towns"}


class GoodPerformance:
    """A surrogate that knows the surface except for a constant, and extrapolates a curve that has begun."""

    def __init__(self, surface):
        self.surface = surface

    def predict(self, task, configurations, curves, fidelities):
        scores = []
        for c, curve, f in zip(configurations, curves, fidelities, strict=True):
            shift = curve[-1] - self.surface.score(c, len(curve)) if curve else -0.05
            scores.append(self.surface.score(c, f) + shift)
        p = np.clip(scores, 1e-4, 1 - 1e-4)
        zero = task.zero_shot_score
        return np.log(p / (1 - p)) - math.log(zero / (1 - zero)), np.full(len(p), 0.05)


class GoodCost:
    def __init__(self, surface):
        self.surface = surface

    def predict(self, task, configurations, reference_step_s):
        return np.array([self.surface.cost_s(c) for c in configurations])


@pytest.fixture
def searchers(space, task, surface):
    """A new searcher of each kind over the same pool."""
    pool = candidate_pool(space, 40, seed=0)
    top = task.max_fidelity
    return {
        "transfer": lambda: TransferSearcher(pool, task, GoodPerformance(surface), GoodCost(surface), 1.0),
        "random": lambda: OrderedSearcher(shuffled(pool, 0), top),
        "successive_halving": lambda: SuccessiveHalvingSearcher(shuffled(pool, 0), top),
        "default": lambda: OrderedSearcher([space.default], top),
    }


NAMES = ["transfer", "random", "successive_halving", "default"]


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_search_stays_in_its_budget_and_finds_the_best_it_has_seen(searchers, new_executor, clock, name):
    executor = new_executor()
    result = run_search(searchers[name](), executor, Budget(slices=60), None, clock=clock)
    scores = [s.score for e in result.entries for s in e.observation.curve.slices]
    assert result.incumbent.score == max(scores)
    assert executor.surface.score(result.incumbent.configuration, result.incumbent.fidelity) == max(scores)
    assert result.state.slices == sum(executor.reached.values())
    assert result.stopped_by == ("exhausted" if name == "default" else "budget")
    assert result.state.slices == (9 if name == "default" else 60)


def test_transfer_from_a_good_surrogate_finds_the_best_of_the_pool_within_two_full_trainings(
    searchers, new_executor, clock, space, surface
):
    best = max(surface.score(c, 9) for c in candidate_pool(space, 40, seed=0))
    found = {
        name: run_search(searchers[name](), new_executor(), Budget(slices=18), None, clock=clock).incumbent.score
        for name in NAMES
    }
    assert found["transfer"] == pytest.approx(best)
    assert found["transfer"] > max(found["random"], found["default"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kill_after", [0, 1, 4, 13])
def test_a_killed_and_resumed_search_equals_an_uninterrupted_one(
    searchers, new_executor, clock, tmp_path, name, kill_after
):
    budget = Budget(slices=40)
    whole = run_search(searchers[name](), new_executor(), budget, None, clock=clock)
    executor = new_executor(kill_after=kill_after)
    if kill_after < len(whole.entries):
        with pytest.raises(KeyboardInterrupt):
            run_search(searchers[name](), executor, budget, Journal(tmp_path, IDENTITY), clock=clock)
        clock.now += 1000  # the machine was away; that time is not spent
    resumed_executor = new_executor()
    resumed_executor.reached = {
        e.observation.configuration.id: e.observation.curve.fidelity for e in Journal(tmp_path, IDENTITY).entries
    }
    resumed = run_search(searchers[name](), resumed_executor, budget, Journal(tmp_path, IDENTITY), clock=clock)
    assert [replace(e, elapsed_s=0.0) for e in resumed.entries] == [replace(e, elapsed_s=0.0) for e in whole.entries]
    assert [e.elapsed_s for e in resumed.entries] == pytest.approx([e.elapsed_s for e in whole.entries])
    assert resumed.incumbent == whole.incumbent
    assert resumed.state.slices == whole.state.slices


def test_time_is_counted_over_sessions_and_nothing_starts_once_it_is_over(searchers, new_executor, clock, tmp_path):
    budget = Budget(seconds=20)
    with pytest.raises(KeyboardInterrupt):
        run_search(searchers["random"](), new_executor(kill_after=1), budget, Journal(tmp_path, IDENTITY), clock=clock)
    spent = Journal(tmp_path, IDENTITY).entries[-1].elapsed_s
    assert spent > 0
    clock.now += 500
    result = run_search(searchers["random"](), new_executor(), budget, Journal(tmp_path, IDENTITY), clock=clock)
    assert result.stopped_by == "budget"
    assert result.entries[-2].elapsed_s < 20 <= result.state.elapsed_s
    executor = new_executor()
    again = run_search(searchers["random"](), executor, budget, Journal(tmp_path, IDENTITY), clock=clock)
    assert executor.submitted == []
    assert again.incumbent == result.incumbent
    more = run_search(searchers["random"](), executor, Budget(seconds=40), Journal(tmp_path, IDENTITY), clock=clock)
    assert len(more.entries) > len(result.entries)


def test_slices_that_are_repeated_are_spent_like_new_ones(searchers, new_executor, clock, space, tmp_path):
    """The only candidate, trained for 4 slices, has lost its checkpoint."""
    run_search(searchers["default"](), new_executor(), Budget(slices=4), Journal(tmp_path, IDENTITY), clock=clock)
    lost, executor = {space.default.id: 4}, new_executor()
    journal = Journal(tmp_path, IDENTITY)
    result = run_search(searchers["default"](), executor, Budget(slices=10), journal, clock=clock, to_repeat=lost)
    assert executor.submitted == [(space.default.id, 6)]
    assert (result.entries[-1].repeated, result.state.slices) == (4, 10)
    again = run_search(
        searchers["default"](), new_executor(), Budget(slices=10), Journal(tmp_path, IDENTITY), clock=clock
    )
    assert again.state.slices == 10


def test_a_search_ends_where_too_few_slices_are_left_to_repeat(searchers, new_executor, clock, space, tmp_path, caplog):
    run_search(searchers["default"](), new_executor(), Budget(slices=4), Journal(tmp_path, IDENTITY), clock=clock)
    lost, executor = {space.default.id: 4}, new_executor()
    journal = Journal(tmp_path, IDENTITY)
    result = run_search(searchers["default"](), executor, Budget(slices=8), journal, clock=clock, to_repeat=lost)
    assert executor.submitted == []
    assert (result.state.slices, result.stopped_by) == (4, "budget")
    assert "must repeat 4 slices before it goes on, and 4 are left, so the search ends. Raise `budget." in caplog.text


def test_whichever_budget_ends_first_counts(searchers, new_executor, clock):
    by_time = run_search(searchers["random"](), new_executor(), Budget(20, 1000), None, clock=clock)
    by_slices = run_search(searchers["random"](), new_executor(), Budget(1000, 5), None, clock=clock)
    assert by_time.state.slices > 5
    assert by_slices.state.slices == 5
    assert by_slices.entries[0].suggestion.fidelity == 5  # shortened to what was left


@pytest.mark.parametrize("name", ["transfer", "random", "successive_halving"])
def test_several_trials_run_at_once_without_repeating_or_overspending(searchers, new_executor, clock, name):
    executor = new_executor(capacity=3)
    searcher = searchers[name]()
    seen_pending = []
    result = run_search(
        searcher,
        executor,
        Budget(slices=50),
        None,
        on_observation=lambda observation, state: seen_pending.append(len(searcher.pending)),
        clock=clock,
    )
    assert result.state.slices == 50
    assert max(seen_pending) == 2  # of three, one has just ended
    assert len(set(executor.submitted)) == len(executor.submitted)
    assert searcher.pending == frozenset()
    assert result.state.elapsed_s < sum(e.observation.cost_s for e in result.entries)


def test_failures_are_counted_and_the_search_goes_on(searchers, new_executor, clock):
    result = run_search(searchers["random"](), new_executor(), Budget(slices=1000), None, clock=clock)
    failed = [e.observation for e in result.entries if e.observation.failed]
    assert result.state.n_failed == len(failed) > 0
    assert len({o.configuration for o in failed}) == len(failed)
    assert result.stopped_by == "exhausted"
    assert result.state.n_observations == len(result.entries) == 41


def test_thinking_is_charged_to_the_suggestion_it_led_to(new_executor, clock, five):
    class SlowSearcher(OrderedSearcher):
        def ask(self):
            clock.now += 3
            return super().ask()

        def tell(self, observation):
            clock.now += 2
            super().tell(observation)

    class TwoSteps:
        capacity = 1
        n_ended = 0

        def __init__(self, executor):
            self.executor = executor

        def submit(self, suggestion):
            reached = sum(self.executor.reached.values())
            self.executor.submit(replace(suggestion, fidelity=reached + 1))

        def wait(self):
            return self.executor.wait()

    config = replace(five["a"], values={"lr": 1e-3, "big": False})
    told = []
    result = run_search(
        SlowSearcher([config], 2),
        TwoSteps(new_executor()),
        Budget(slices=2),
        None,
        on_observation=lambda observation, state: told.append((observation.cost_s, state.elapsed_s)),
        clock=clock,
    )
    assert [e.thinking_s for e in result.entries] == [3, 5]
    assert told == [(1 + 3, 4), (1 + 5, 10)]
    assert result.state.elapsed_s == 12  # the last tell included


def test_thinking_past_the_end_starts_nothing(new_executor, clock, space):
    class SlowSearcher(OrderedSearcher):
        def ask(self):
            clock.now += 30
            return super().ask()

    executor = new_executor()
    result = run_search(SlowSearcher([space.default], 9), executor, Budget(seconds=20), None, clock=clock)
    assert executor.submitted == []
    assert (result.stopped_by, result.incumbent) == ("budget", None)


def test_an_executor_that_returns_something_else_is_named(searchers, new_executor, clock, tell, five):
    executor = new_executor()
    executor.wait = lambda: tell(five["a"], [0.5])
    with pytest.raises(RuntimeError, match=r"returned configuration \w{12}, but the search is waiting for \w{12}\."):
        run_search(searchers["random"](), executor, Budget(slices=5), None, clock=clock)


def test_an_executor_that_neither_trains_nor_fails_does_not_hang_the_search(
    searchers, new_executor, clock, tell, space
):
    executor = new_executor()
    executor.wait = lambda: tell(space.default, [])
    with pytest.raises(RuntimeError, match=r"with 0 slices, no more than before, .*asked for 9.*`failed=True`"):
        run_search(searchers["default"](), executor, Budget(slices=50), None, clock=clock)


def test_all_that_has_ended_is_told_before_anything_is_asked(searchers, new_executor, clock):
    class Cohort:
        """Ends all that was submitted at once."""

        capacity = 4

        def __init__(self, executor):
            self.executor, self.ended = executor, []

        @property
        def n_ended(self):
            return len(self.ended)

        def submit(self, suggestion):
            self.executor.submit(suggestion)

        def wait(self):
            if not self.ended:
                self.ended = [self.executor.wait() for _ in range(len(self.executor.queue))]
            return self.ended.pop(0)

    class Watched:
        def __init__(self, searcher):
            self.searcher, self.calls = searcher, []

        @property
        def pending(self):
            return self.searcher.pending

        def ask(self):
            self.calls.append("ask")
            return self.searcher.ask()

        def tell(self, observation):
            self.calls.append("tell")
            self.searcher.tell(observation)

    watched, executor = Watched(searchers["transfer"]()), new_executor(capacity=4)
    result = run_search(watched, Cohort(executor), Budget(slices=24), None, clock=clock)
    assert watched.calls == (["ask"] * 4 + ["tell"] * 4) * 6
    assert result.state.slices == 24
    rounds = [executor.submitted[n : n + 4] for n in range(0, 24, 4)]
    assert all(len({config_id for config_id, _ in submitted}) == 4 for submitted in rounds)


class Listening(OrderedSearcher):
    """Writes down what it is told of the budget whenever it is asked."""

    def __init__(self, pool, length, left):
        super().__init__(pool, length)
        self.left, self.heard = left, []

    def ask(self):
        self.heard.append((self.left.seconds, self.left.slices))
        return super().ask()


def test_a_searcher_is_told_what_is_left_before_each_question(space, task, new_executor, clock):
    pool, left = candidate_pool(space, 3, seed=0), Left()
    searcher = Listening(pool, task.max_fidelity, left)
    run_search(searcher, new_executor(), Budget(seconds=100, slices=20), None, clock=clock, left=left)
    seconds, slices = zip(*searcher.heard, strict=True)
    assert (seconds[0], slices[0]) == (100, 20)
    assert list(seconds) == sorted(seconds, reverse=True)
    assert seconds[1] < 100
    assert slices[:3] == (20, 11, 2)


def test_without_a_limit_nothing_is_said_to_be_left(space, task, new_executor, clock):
    left = Left(slices=3)
    searcher = Listening(candidate_pool(space, 2, seed=0), task.max_fidelity, left)
    run_search(searcher, new_executor(), Budget(trials=2), None, clock=clock, left=left)
    assert searcher.heard[0] == (math.inf, math.inf)
    assert not left.is_limited
