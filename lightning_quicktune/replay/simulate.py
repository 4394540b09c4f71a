"""The simulation of a search on the recorded trials of a task, in simulated time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from lightning_quicktune.replay.observed import Observed
from lightning_quicktune.replay.pool import TaskPool
from lightning_quicktune.replay.recorded import PaidOverheads, Recorded
from lightning_quicktune.search.left import Left
from lightning_quicktune.search.loop import run_search
from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.types import Budget, Configuration, LearningCurve, Observation, Suggestion


class SimulatedClock:
    """Time that recorded costs move forward."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        """Seconds since the clock was made."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Lets ``seconds`` pass."""
        self._now += seconds


class TimedSearcher:
    """A searcher whose thinking is measured, and paid for if wanted.

    CPU seconds of the process count, so that other processes on the machine don't: thinking on one thread takes as
    many wall seconds on a machine of its own.

    Args:
        searcher: The searcher.
        clock: Moved forward by its thinking; none if thinking is free.
    """

    def __init__(self, searcher: Searcher, clock: SimulatedClock | None) -> None:
        self._searcher, self._clock = searcher, clock
        self.thinking_s = 0.0
        self.n_suggestions = 0

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return self._searcher.pending

    def ask(self) -> Suggestion | None:
        """What to train next."""
        began = time.process_time()
        suggestion = self._searcher.ask()
        self._count(began)
        self.n_suggestions += suggestion is not None
        return suggestion

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion."""
        began = time.process_time()
        self._searcher.tell(observation)
        self._count(began)

    def _count(self, began: float) -> None:
        seconds = time.process_time() - began
        self.thinking_s += seconds
        if self._clock is not None:
            self._clock.advance(seconds)


class ReplayExecutor:
    """Answers suggestions from recorded trials; what was trained before a pause is not paid again.

    A trial that failed gives the slices it has, at their cost, and fails when more are asked for, which
    costs what it took until then.

    Args:
        trials: The recorded trial of each configuration, by its id.
        clock: Moved forward by the recorded costs.
        overheads: What starting and resuming a trial cost.
        at_once: Trials that are trained at once, which takes as long as the longest of them alone.
    """

    def __init__(
        self,
        trials: Mapping[str, Recorded],
        clock: SimulatedClock,
        overheads: PaidOverheads | None = None,
        at_once: int = 1,
    ) -> None:
        self.trials = trials
        self.clock = clock
        self.observed: list[Observed] = []
        self._overheads = overheads or PaidOverheads()
        self._queue: deque[tuple[str, Suggestion]] = deque()
        self._reached: dict[str, int] = {}
        self._ended: deque[Observation] = deque()
        self._at_once = at_once

    @property
    def capacity(self) -> int:
        """Trials that are trained at once."""
        return self._at_once

    @property
    def n_ended(self) -> int:
        """Suggestions that were played beside the last one."""
        return len(self._ended)

    def submit(self, suggestion: Suggestion) -> None:
        """Queues a suggestion.

        Raises:
            ValueError: If no trial of its configuration was recorded.
        """
        config_id = suggestion.configuration.id
        if config_id not in self.trials:
            raise ValueError(
                f"Configuration {config_id} was suggested, but no trial of it was recorded on this "
                f"task; {len(self.trials)} others were. A replay can only choose among these: give the searcher the "
                "task's own pool."
            )
        self._queue.append((config_id, suggestion))

    def wait(self) -> Observation:
        """Plays all that waits, unless something has ended that was not fetched yet."""
        if not self._ended:
            self._ended.extend(self._play(*waiting) for waiting in self._queue)
            self._queue.clear()
            self.clock.advance(max(observation.cost_s for observation in self._ended))
        return self._ended.popleft()

    def _play(self, config_id: str, suggestion: Suggestion) -> Observation:
        trial, before = self.trials[config_id], self._reached.get(config_id)
        began = self.clock()
        ready = began + (self._overheads.start_s if before is None else self._overheads.resume_s)
        reached = before or 0
        after = max(reached, min(suggestion.fidelity, len(trial.slices)))
        paid_s = trial.ends_s[reached]
        for fidelity in range(reached + 1, after + 1):
            at_s = ready + trial.ends_s[fidelity] - paid_s
            score = trial.slices[fidelity - 1].score
            self.observed.append(Observed(at_s, config_id, trial.seed, fidelity, score))
        failed = suggestion.fidelity > len(trial.slices)
        cost_s = ready - began + trial.ends_s[after] - paid_s + failed * trial.failing_s
        self._reached[config_id] = after
        return Observation(suggestion.configuration, LearningCurve(trial.slices[:after]), failed, cost_s)


@dataclass(frozen=True)
class Played:
    """What a replayed search saw and took.

    Args:
        observed: Every score, in the order of time; the last may lie behind the horizon.
        thinking_s: CPU seconds the searcher took to choose.
        n_suggestions: How often it chose.
    """

    observed: list[Observed]
    thinking_s: float
    n_suggestions: int


def replay(
    searcher: Searcher,
    pool: TaskPool,
    trials: Mapping[str, Recorded],
    horizon_s: float,
    charge_thinking: bool,
    description_s: float = 0.0,
    at_once: int = 1,
    left: Left | None = None,
) -> Played:
    """Lets a searcher spend a budget on recorded trials.

    Args:
        searcher: The method, new.
        pool: The task.
        trials: The recorded trial of each configuration, by its id.
        horizon_s: Budget in simulated seconds.
        charge_thinking: Whether thinking is spent from the budget too.
        description_s: Seconds that go for describing the task before the search begins.
        at_once: Trials that are trained at once.
        left: Told what may still be spent; none if the searcher isn't to know.
    """
    clock = SimulatedClock()
    clock.advance(description_s)
    executor = ReplayExecutor(trials, clock, pool.overheads, at_once)
    timed = TimedSearcher(searcher, clock if charge_thinking else None)
    if horizon_s > description_s:
        run_search(timed, executor, Budget(seconds=horizon_s - description_s), journal=None, clock=clock, left=left)
    observed = sorted(executor.observed, key=lambda seen: seen.at_s)  # those trained at once were played one by one
    return Played(observed, timed.thinking_s, timed.n_suggestions)
