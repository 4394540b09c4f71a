"""Trials of one task that a worker trains at once, and those that it trains alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lightning_quicktune.trials.cohort_size import fitting_cohort
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.storage import read_trial
from lightning_quicktune.types import Trial

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """A trial that has ended or was interrupted.

    Args:
        trial: Its record.
        seconds: What it and those beside it took.
        n_trained: Trials that were trained at once, this one counted.
    """

    trial: Trial
    seconds: float
    n_trained: int


class Cohorts:
    """Trains trials of a task to their ends, up to ``cohort`` at once; what can't be in a cohort is trained alone.

    Args:
        cohort: How many at once, or ``auto`` for as many as memory holds, one on a CPU.
        n_processes: Processes that share the memory.
        on_record: Called with a trial's folder whenever its record has changed.
    """

    def __init__(
        self, cohort: int | Literal["auto"], n_processes: int, on_record: Callable[[Path], object] | None = None
    ) -> None:
        self.cohort = cohort
        self.n_processes = n_processes
        self.on_record = on_record
        self._sizes: dict[str, int] = {}  # by task, where memory has told
        self._said: set[str] = set()

    def size(self, plans: Sequence[TrialPlan]) -> int:
        """Trials of a task to train at once.

        Args:
            plans: All that might be, at least one.
        """
        if self.cohort == 1:
            return 1
        task = plans[0].task.name
        if task not in self._sizes:
            self._sizes[task] = fitting_cohort(plans, self.n_processes) if self.cohort == "auto" else self.cohort
            if self.cohort == "auto":
                log.info("%s: `cohort: auto` trains %d at once.", task, self._sizes[task])
        return self._sizes[task]

    def train(self, plans: Sequence[TrialPlan]) -> Iterator[Result]:
        """Trains each as far as its task's slices go.

        Args:
            plans: Trials of one task, which no other process works on.

        Yields:
            What came of each, in the order in which they end.

        Raises:
            KeyboardInterrupt: If the user stopped it; all are then paused.
        """
        together = [plan for plan in plans if self._joins(plan)] if len(plans) > 1 else []
        if len(together) > 1:
            yield from self._train_at_once(together)
        begun = {plan.key for plan in together} if len(together) > 1 else set()
        for plan in (p for p in plans if p.key not in begun):
            start = time.perf_counter()
            trial = run_trial(plan, plan.task.max_fidelity, self.on_record)
            yield Result(trial, time.perf_counter() - start, 1)

    def _train_at_once(self, plans: Sequence[TrialPlan]) -> Iterator[Result]:
        from lightning_quicktune.trials.cohort_runner import run_cohort

        before = {plan.key: _n_slices(plan) for plan in plans}
        start = time.perf_counter()
        trials = run_cohort(plans, [plan.task.max_fidelity for plan in plans], self.on_record)
        seconds = time.perf_counter() - start
        slices = [s for trial in trials for s in trial.curve.slices[before[trial.key] :]]
        held = max((s.cohort_size for s in slices), default=len(plans))
        if held < len(plans):  # memory ran out: the next ones are as many as it has held
            self._sizes[plans[0].task.name] = held
        yield from (Result(trial, seconds, len(plans)) for trial in trials)

    def _joins(self, plan: TrialPlan) -> bool:
        from lightning_quicktune.trials.cohort_runner import can_join

        reason = can_join(plan)
        if reason is not None and reason not in self._said:
            self._said.add(reason)
            log.warning("Trials such as %s are trained alone: %s.", plan.key, reason.rstrip("."))
        return reason is None


def _n_slices(plan: TrialPlan) -> int:
    trial = read_trial(plan.folder)
    return trial.curve.fidelity if trial is not None else 0
