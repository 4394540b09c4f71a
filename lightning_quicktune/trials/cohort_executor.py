"""The executor of several suggestions at once, in one pass over the frozen base model."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.cohort_rules import can_join
from lightning_quicktune.trials.cohort_runner import run_cohort
from lightning_quicktune.trials.in_process import InProcessExecutor
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.storage import read_trial
from lightning_quicktune.trials.task_setup import TaskSetup
from lightning_quicktune.types import LearningCurve, Observation, Overheads, Suggestion, Trial

MOST_IN_SEARCH = 8  # more choices at once know too little of each other


class CohortExecutor(InProcessExecutor):
    """Trains all suggestions that wait at once; those that can't be in a cohort, and what errors interrupt, alone.

    Args:
        setup: The task.
        space: The search space of the suggestions.
        folder: Each trial gets a folder in it.
        seed: Seed of every trial.
        on_record: Called with a trial's folder whenever its record has changed.
        on_step: As of ``InProcessExecutor``; a batch of several trials is told of each.
        capacity: Suggestions that are trained at once, at least 1.
    """

    def __init__(
        self,
        setup: TaskSetup,
        space: SearchSpace,
        folder: Path,
        seed: int = 0,
        on_record: Callable[[Path], object] | None = None,
        on_step: Callable[[str, int, int], None] | None = None,
        capacity: int = 1,
    ) -> None:
        super().__init__(setup, space, folder, seed, on_record, on_step)
        self._capacity = capacity
        self._ended: deque[Observation] = deque()

    @property
    def capacity(self) -> int:
        """Suggestions that are trained at once."""
        return self._capacity

    @property
    def n_ended(self) -> int:
        """Suggestions that were trained beside the last one."""
        return len(self._ended)

    def wait(self) -> Observation:
        """Trains all that waits, unless something has ended that was not fetched yet."""
        if not self._ended:
            if len(self._queue) == 1:
                return super().wait()
            self._train_waiting()
        return self._ended.popleft()

    def _train_waiting(self) -> None:
        suggestions = list(self._queue)
        self._queue.clear()
        plans = {s.configuration.id: self.plan(s.configuration) for s in suggestions}
        at_once = [s for s in suggestions if can_join(plans[s.configuration.id]) is None]
        chosen = [plans[s.configuration.id] for s in at_once]
        before = [_paid_s(read_trial(plan.folder)) for plan in chosen]
        start = time.perf_counter()
        trials = run_cohort(chosen, [s.fidelity for s in at_once], self.on_record, self.on_step)
        seconds = time.perf_counter() - start
        paid = [_paid_s(trial) - known for trial, known in zip(trials, before, strict=True)]
        shares = _shares(seconds, paid)
        for suggestion, trial, share in zip(at_once, trials, shares, strict=True):
            self._ended.append(self._observation(suggestion, trial, share))
        for suggestion in (s for s in suggestions if s not in at_once):
            self._queue.append(suggestion)
            self._ended.append(super().wait())

    def _observation(self, suggestion: Suggestion, trial: Trial, seconds: float) -> Observation:
        if trial.status == "interrupted":
            start = time.perf_counter()
            trial = self.train(suggestion)
            seconds += time.perf_counter() - start
        failed = trial.status in ("failed", "interrupted")
        return Observation(suggestion.configuration, trial.curve, failed, seconds)


def _paid_s(trial: Trial | None) -> float:
    """Seconds that a record has booked."""
    curve, overheads = (trial.curve, trial.overheads) if trial is not None else (LearningCurve(), Overheads())
    return sum(curve.costs_s) + sum(float(seconds) for seconds in asdict(overheads).values())


def _shares(seconds: float, paid: Sequence[float]) -> list[float]:
    """Seconds that were spent together, by what each trial has booked of them."""
    total = sum(paid)
    return [seconds * one / total if total > 0 else seconds / len(paid) for one in paid]


def executor_capacity(cohort: int | str, plans: Sequence[TrialPlan]) -> int:
    """Trials of a search to train at once.

    Args:
        cohort: How many, or ``auto``: as many as memory holds, one on a CPU, and at most ``MOST_IN_SEARCH``.
        plans: Trials that the search may ask for.
    """
    if cohort != "auto":
        return int(cohort)
    from lightning_quicktune.trials.cohort_size import fitting_cohort

    return min(MOST_IN_SEARCH, fitting_cohort(plans, 1))
