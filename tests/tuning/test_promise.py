"""A whole tuning in simulated time: describing, comparing, searching, testing and the report fit the budget."""

import pytest

from lightning_quicktune.search.loop import Live, run_search
from lightning_quicktune.search.successive_halving_searcher import SuccessiveHalvingSearcher
from lightning_quicktune.tuning.pace import Pace, new_slices_s
from lightning_quicktune.tuning.timekeeper import Timekeeper
from lightning_quicktune.types import Budget, LearningCurve, Observation, SliceResult

DESCRIBING_S, TEST_S, REPORT_S = 9.0, 4.0, 5.0


class Machine:
    """Trains in simulated time; slices take their rank's share of ``slice_s``, and a fifth more or less by chance."""

    capacity, n_ended = 1, 0

    def __init__(self, slice_s, stall_s=0.0):
        self.now, self.slice_s, self.curves, self.queue, self.stall_s = 0.0, slice_s, {}, [], stall_s

    def __call__(self):
        return self.now

    def cost_s(self, configuration):
        lr = configuration.values["lr"]
        return self.slice_s * (1.0 if configuration.values["lora_rank"] == 4 else 0.7) * (0.8 + 0.4 * (lr * 1e5 % 1))

    def submit(self, suggestion):
        self.queue.append(suggestion)

    def wait(self):
        configuration, fidelity = (s := self.queue.pop()).configuration, s.fidelity
        before, each_s = self.curves.get(configuration.id, 0), self.cost_s(configuration)
        stalled = self.stall_s if not self.curves else 0.0  # in the first slice of all
        self.now += each_s * (fidelity - before) + stalled
        self.curves[configuration.id] = fidelity
        costs_s = [each_s + stalled, *[each_s] * (fidelity - 1)]
        slices = tuple(SliceResult(f, 0.01 * f, cost_s, cost_s, 1) for f, cost_s in enumerate(costs_s, start=1))
        return Observation(configuration, LearningCurve(slices), False, each_s * (fidelity - before) + stalled)


def spent(space, folder, machine, budget_s, foretold_s):
    """Searches in simulated time: the result, and the seconds until after the report."""
    keeper = Timekeeper(budget_s, folder / "time.json", clock=machine)
    pace = Pace(keeper, lambda configuration: foretold_s, REPORT_S)
    machine.now += DESCRIBING_S + TEST_S
    pace.saw_test(TEST_S)

    def told(observation, state):
        n_new = observation.curve.fidelity - reached.get(observation.configuration, 0)
        pace.saw_slices(observation.configuration, new_slices_s(observation.curve, n_new, observation.cost_s))
        reached[observation.configuration] = observation.curve.fidelity

    reached = {}
    searcher = SuccessiveHalvingSearcher(space.sample(200, seed=0), 9)
    live = Live(pace.cut, lambda suggestion: None, lambda suggestion: None)
    result = run_search(searcher, machine, Budget(seconds=budget_s), None, told, clock=machine, live=live)
    machine.now += TEST_S + REPORT_S
    return result, keeper.spent_s


@pytest.mark.parametrize("budget_s", [60.0, 150.0, 600.0])
@pytest.mark.parametrize("foretold", [0.3, 1.0, 3.0])
def test_no_second_is_spent_that_was_not_asked_for_and_few_are_left(small_space, tmp_path, budget_s, foretold):
    """However wrong the first guess of what slices cost is."""
    machine = Machine(slice_s=budget_s / 40)
    result, spent_s = spent(small_space, tmp_path, machine, budget_s, foretold * budget_s / 40)
    assert result.entries
    assert 0.9 * budget_s <= spent_s <= 1.02 * budget_s


@pytest.mark.parametrize("budget_s", [60.0, 600.0])
def test_a_first_slice_that_takes_a_quarter_of_the_budget_ends_no_search(small_space, tmp_path, budget_s):
    machine = Machine(slice_s=budget_s / 40, stall_s=budget_s / 4)
    result, spent_s = spent(small_space, tmp_path, machine, budget_s, budget_s / 40)
    assert result.state.slices > 10
    assert 0.9 * budget_s <= spent_s <= 1.02 * budget_s
