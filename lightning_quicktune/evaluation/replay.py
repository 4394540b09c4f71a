"""Replays searches on the recorded trials of a task, in simulated time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from lightning_quicktune.evaluation.pool import TaskPool, costs_of
from lightning_quicktune.evaluation.regret import Observed
from lightning_quicktune.evaluation.settings import CostName
from lightning_quicktune.metadataset.table import CurveRow
from lightning_quicktune.search.loop import run_search
from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.types import Budget, LearningCurve, Observation, SliceResult, Suggestion


class SimulatedClock:
    """Time that recorded costs move forward.

    Args:
        thinking: Real clock whose seconds count too, so that a method pays for its thinking; none to count only costs.
    """

    def __init__(self, thinking: Callable[[], float] | None = None) -> None:
        self._thinking = thinking
        self._began = thinking() if thinking else 0.0
        self._moved = 0.0

    def __call__(self) -> float:
        """Seconds since the clock was made."""
        return self._moved + (self._thinking() - self._began if self._thinking else 0.0)

    def advance(self, seconds: float) -> None:
        """Lets ``seconds`` pass."""
        self._moved += seconds


class ReplayExecutor:
    """Answers suggestions from recorded trials; what was trained before a pause is not paid again.

    A trial that failed gives the slices it has, at their cost, and fails when more are asked for. Starting, pausing
    and resuming cost nothing.

    Args:
        trials: The recorded trial of each configuration, by its id.
        clock: Moved forward by the recorded costs.
        cost: Which of the recorded costs.
    """

    def __init__(self, trials: Mapping[str, CurveRow], clock: SimulatedClock, cost: CostName) -> None:
        self.trials = trials
        self.clock = clock
        self.cost = cost
        self.observed: list[Observed] = []
        self._queue: deque[Suggestion] = deque()
        self._reached: dict[str, int] = {}

    @property
    def capacity(self) -> int:
        """One at a time."""
        return 1

    def submit(self, suggestion: Suggestion) -> None:
        """Queues a suggestion.

        Raises:
            ValueError: If no trial of its configuration was recorded.
        """
        if suggestion.configuration.id not in self.trials:
            raise ValueError(
                f"Configuration {suggestion.configuration.id} was suggested, but no trial of it was recorded on this "
                f"task; {len(self.trials)} others were. A replay can only choose among these: give the searcher the "
                "task's own pool."
            )
        self._queue.append(suggestion)

    def wait(self) -> Observation:
        """Plays the suggestion that has waited longest."""
        suggestion = self._queue.popleft()
        row = self.trials[suggestion.configuration.id]
        before = self._reached.get(suggestion.configuration.id, 0)
        after = min(suggestion.fidelity, row.fidelity)
        now = began = self.clock()
        for fidelity in range(before + 1, after + 1):
            now += costs_of(row, self.cost)[fidelity - 1]
            self.observed.append(
                Observed(now, suggestion.configuration.id, row.seed, fidelity, row.scores[fidelity - 1])
            )
        self.clock.advance(now - began)
        self._reached[suggestion.configuration.id] = max(before, after)
        failed = suggestion.fidelity > row.fidelity
        return Observation(suggestion.configuration, _curve(row, after), failed, now - began)


def replay(
    searcher: Searcher,
    pool: TaskPool,
    trials: Mapping[str, CurveRow],
    horizon: float,
    clock: SimulatedClock,
    description_s: float = 0.0,
) -> list[Observed]:
    """Lets a searcher spend a budget on recorded trials.

    Args:
        searcher: The method, new.
        pool: The task.
        trials: The recorded trial of each configuration, by its id.
        horizon: Budget in full trainings.
        clock: A new one.
        description_s: Seconds that go for describing the task before the search begins.

    Returns:
        Every score it saw, in the order of time; the last may lie behind the horizon.
    """
    clock.advance(description_s)
    left = horizon * pool.full_training_s - clock()
    executor = ReplayExecutor(trials, clock, pool.cost)
    if left > 0:
        run_search(searcher, executor, Budget(seconds=left), journal=None, clock=clock)
    return executor.observed


def _curve(row: CurveRow, fidelity: int) -> LearningCurve:
    slices = zip(row.scores[:fidelity], row.costs_s, row.costs_cpu_s, strict=False)
    return LearningCurve(
        tuple(
            SliceResult(number, score, cost_s, cost_cpu_s, cost_tokens=0)  # searchers never ask for tokens
            for number, (score, cost_s, cost_cpu_s) in enumerate(slices, start=1)
        )
    )
