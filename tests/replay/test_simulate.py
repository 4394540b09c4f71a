import pytest

from lightning_quicktune.replay.pool import task_pool
from lightning_quicktune.replay.recorded import PaidOverheads
from lightning_quicktune.replay.simulate import ReplayExecutor, SimulatedClock, TimedSearcher, replay
from lightning_quicktune.search.ordered_searcher import OrderedSearcher
from lightning_quicktune.search.pool import shuffled
from lightning_quicktune.search.successive_halving_searcher import SuccessiveHalvingSearcher
from lightning_quicktune.types import Configuration, Overheads, Suggestion


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
    return ReplayExecutor(pool.draw(0), SimulatedClock())


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


def test_the_slice_in_which_a_trial_failed_is_paid(with_scores, table_of, space):
    failed = with_scores(
        [0.3], 2.0, space.default, status="failed", failure="diverged", overheads=Overheads(unfinished_s=1.5)
    )
    executor = ReplayExecutor(task_pool(table_of([failed]), "t0", "cost_s").draw(0), SimulatedClock())
    assert run(executor, space.default, 1).cost_s == 2.0
    assert run(executor, space.default, 4).cost_s == 1.5


def test_searchers_see_the_cost_that_is_paid(with_scores, table_of, space):
    table = table_of([with_scores([0.3, 0.4, 0.5, 0.6], 2.0, space.default)])
    executor = ReplayExecutor(task_pool(table, "t0", "cost_cpu_s").draw(0), SimulatedClock())
    observation = run(executor, space.default, 4)
    assert (observation.cost_s, observation.curve.costs_s) == (16.0, (4.0,) * 4)


def test_starting_and_resuming_are_paid(pool):
    executor = ReplayExecutor(pool.draw(0), SimulatedClock(), PaidOverheads(start_s=0.5, resume_s=0.25))
    good = pool.configurations[0]
    first, second = run(executor, good, 1), run(executor, good, 3)
    assert (first.cost_s, second.cost_s) == (2.5, 4.25)
    assert [o.at_s for o in executor.observed] == [2.5, 4.75, 6.75]


def test_a_configuration_that_was_not_recorded_is_refused(executor):
    with pytest.raises(ValueError, match=r"was suggested, but no trial of it was recorded.*task's own pool"):
        executor.submit(Suggestion(Configuration({"lr": 0.5}), 1))


def test_a_search_ends_with_its_budget_or_when_nothing_is_left(pool):
    def play(searcher, horizon_s):
        return replay(searcher, pool, pool.draw(0), horizon_s, charge_thinking=False).observed

    assert pool.full_training_s == 8.0
    assert play(OrderedSearcher(pool.configurations[:1], 4), 72.0)[-1].at_s == 8.0
    assert play(OrderedSearcher(shuffled(pool.configurations, 0), 4), 72.0)[-1].at_s == 18.0
    halving = play(SuccessiveHalvingSearcher(pool.configurations, 4), 8.0)
    assert [o.at_s for o in halving] == [2.0, 4.0, 9.0, 14.0]  # begun within the 8 s, so waited for; then no more


def test_what_describing_the_task_costs_comes_first(pool):
    def play(horizon_s, description_s):
        searcher = OrderedSearcher(pool.configurations[:1], 4)
        return replay(searcher, pool, pool.draw(0), horizon_s, False, description_s).observed

    assert [o.at_s for o in play(16.0, 3.0)] == [5.0, 7.0, 9.0, 11.0]
    assert play(8.0, 8.0) == []


class Thinker(OrderedSearcher):
    """Takes a second of CPU time for each answer, by a clock of its own."""

    seconds = 0.0

    def ask(self):
        type(self).seconds += 1.0
        return super().ask()

    def tell(self, observation):
        type(self).seconds += 0.5
        super().tell(observation)


@pytest.mark.parametrize("charge", [True, False])
def test_thinking_is_measured_and_paid_if_wanted(pool, monkeypatch, charge):
    monkeypatch.setattr("time.process_time", lambda: Thinker.seconds)
    played = replay(Thinker(pool.configurations[:1], 4), pool, pool.draw(0), 72.0, charge_thinking=charge)
    assert played.observed[0].at_s == (3.0 if charge else 2.0)
    assert (played.thinking_s, played.n_suggestions) == (2.5, 1)  # the second answer is that nothing is left


def test_a_timed_searcher_hides_nothing(pool):
    searcher = TimedSearcher(OrderedSearcher(pool.configurations[:1], 4), None)
    suggestion = searcher.ask()
    assert searcher.pending == {suggestion.configuration}
