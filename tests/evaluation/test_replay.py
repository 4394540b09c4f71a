import pytest

from lightning_quicktune.evaluation.pool import task_pool
from lightning_quicktune.evaluation.replay import ReplayExecutor, SimulatedClock, replay
from lightning_quicktune.search.default_searcher import DefaultSearcher
from lightning_quicktune.search.random_searcher import RandomSearcher
from lightning_quicktune.search.successive_halving_searcher import SuccessiveHalvingSearcher
from lightning_quicktune.types import Configuration, Suggestion


@pytest.fixture
def pool(with_scores, table_of, space):
    good, bad = space.default, space.sample(1, seed=0)[0]
    trials = [
        with_scores([0.3, 0.4, 0.5, 0.6], 2.0, good),
        with_scores([0.2, 0.1], 5.0, bad, status="failed", failure="diverged"),
    ]
    return task_pool(table_of(trials), "t0", "cost_s")


@pytest.fixture
def executor(pool):
    return ReplayExecutor(pool.draw(0), SimulatedClock(), "cost_s")


def run(executor, configuration, fidelity):
    executor.submit(Suggestion(configuration, fidelity))
    return executor.wait()


def test_a_resumed_trial_pays_only_for_new_slices(executor, pool):
    good = pool.configurations[0]
    first, second = run(executor, good, 1), run(executor, good, 3)
    assert (first.cost_s, second.cost_s) == (2.0, 4.0)
    assert (first.curve.scores, second.curve.scores) == ((0.3,), (0.3, 0.4, 0.5))
    assert [(o.at_s, o.fidelity, o.score) for o in executor.observed] == [(2, 1, 0.3), (4, 2, 0.4), (6, 3, 0.5)]
    assert executor.clock() == 6.0


def test_a_failed_trial_costs_what_it_recorded(executor, pool):
    bad = pool.configurations[1]
    first = run(executor, bad, 1)
    assert (first.failed, first.cost_s) == (False, 5.0)
    second = run(executor, bad, 4)
    assert (second.failed, second.cost_s, second.curve.scores) == (True, 5.0, (0.2, 0.1))


def test_cpu_seconds_may_be_the_cost(pool):
    executor = ReplayExecutor(pool.draw(0), SimulatedClock(), "cost_cpu_s")
    assert run(executor, pool.configurations[0], 4).cost_s == 16.0


def test_a_configuration_that_was_not_recorded_is_refused(executor):
    with pytest.raises(ValueError, match=r"was suggested, but no trial of it was recorded.*task's own pool"):
        executor.submit(Suggestion(Configuration({"lr": 0.5}), 1))


def test_a_search_ends_with_its_budget_or_when_nothing_is_left(pool):
    def play(searcher, horizon):
        return replay(searcher, pool, pool.draw(0), horizon, SimulatedClock())

    assert pool.full_training_s == 8.0
    assert play(DefaultSearcher(pool.configurations[0], 4), 9.0)[-1].at_s == 8.0
    assert play(RandomSearcher(pool.configurations, 4, 0), 9.0)[-1].at_s == 18.0
    halving = play(SuccessiveHalvingSearcher(pool.configurations, 4), 1.0)
    assert [o.at_s for o in halving] == [2.0, 4.0, 9.0, 14.0]  # begun within the 8 s, so waited for; then no more


def test_what_describing_the_task_costs_comes_first(pool):
    searcher = DefaultSearcher(pool.configurations[0], 4)
    observed = replay(searcher, pool, pool.draw(0), 2.0, SimulatedClock(), description_s=3.0)
    assert [o.at_s for o in observed] == [5.0, 7.0, 9.0, 11.0]
    broke = replay(DefaultSearcher(pool.configurations[0], 4), pool, pool.draw(0), 1.0, SimulatedClock(), 8.0)
    assert broke == []


def test_thinking_is_paid_on_a_clock_that_counts_it(pool):
    ticks = iter(range(1000))  # every look at the clock takes a second
    searcher = DefaultSearcher(pool.configurations[0], 4)
    observed = replay(searcher, pool, pool.draw(0), 9.0, SimulatedClock(lambda: float(next(ticks))))
    assert observed[0].at_s > 4.0
    assert observed[1].at_s - observed[0].at_s == 2.0
