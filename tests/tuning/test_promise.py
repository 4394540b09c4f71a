"""A whole tuning in simulated time: describing, comparing, searching, testing and the report fit the budget."""

import pytest

from lightning_quicktune.search.loop import Live, run_search
from lightning_quicktune.search.successive_halving_searcher import SuccessiveHalvingSearcher
from lightning_quicktune.tuning.pace import Pace
from lightning_quicktune.tuning.timekeeper import Timekeeper
from lightning_quicktune.types import Budget, LearningCurve, Observation, SliceResult

DESCRIBING_S, TEST_S, REPORT_S = 9.0, 4.0, 5.0


class Machine:
    """Trains in simulated time; slices take their rank's share of ``slice_s``, and a fifth more or less by chance."""

    capacity, n_ended = 1, 0

    def __init__(self, slice_s):
        self.now, self.slice_s, self.curves, self.queue = 0.0, slice_s, {}, []

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
        self.now += each_s * (fidelity - before)
        self.curves[configuration.id] = fidelity
        slices = tuple(SliceResult(f, 0.01 * f, each_s, each_s, 1) for f in range(1, fidelity + 1))
        return Observation(configuration, LearningCurve(slices), False, each_s * (fidelity - before))


@pytest.mark.parametrize("budget_s", [60.0, 150.0, 600.0])
@pytest.mark.parametrize("foretold", [0.3, 1.0, 3.0])
def test_no_second_is_spent_that_was_not_asked_for_and_few_are_left(small_space, tmp_path, budget_s, foretold):
    """However wrong the first guess of what slices cost is."""
    machine = Machine(slice_s=budget_s / 40)
    keeper = Timekeeper(budget_s, tmp_path / "time.json", clock=machine)
    pace = Pace(keeper, lambda configuration: foretold * budget_s / 40, REPORT_S)
    machine.now += DESCRIBING_S + TEST_S
    pace.saw_test(TEST_S)

    def told(observation, state):
        known = reached.get(observation.configuration, 0)
        pace.saw_slices(observation.configuration, observation.curve.fidelity - known, observation.cost_s)
        reached[observation.configuration] = observation.curve.fidelity

    reached = {}
    searcher = SuccessiveHalvingSearcher(small_space.sample(200, seed=0), 9)
    live = Live(pace.cut, lambda suggestion: None, lambda suggestion: None)
    result = run_search(searcher, machine, Budget(seconds=budget_s), None, told, clock=machine, live=live)
    machine.now += TEST_S + REPORT_S
    assert result.entries
    assert 0.9 * budget_s <= keeper.spent_s <= 1.02 * budget_s
