"""Trials of one task that a worker trains at once, and those that it trains alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Literal

from lightning_quicktune.trials.cohort_size import fitting_cohort
from lightning_quicktune.trials.executors.orders import Order, Result
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.storage import read_trial
from lightning_quicktune.types import LearningCurve, Overheads, Trial

log = logging.getLogger(__name__)


class Cohorts:
    """Trains trials of a task, up to ``cohort`` at once; what can't be in a cohort is trained alone.

    Args:
        cohort: How many at once, or ``auto`` for as many as memory holds, one on a CPU.
        n_processes: Processes that share the memory.
        on_record: Called with a trial's folder whenever its record has changed.
        on_step: Called with a configuration's id, a batch's number in its slice, from 1, and how many there are, of
            each trial of a batch.
        devices: Devices that train a trial together; with several, ``cohort`` is 1.
    """

    def __init__(
        self,
        cohort: int | Literal["auto"],
        n_processes: int,
        on_record: Callable[[Path], object] | None = None,
        on_step: Callable[[str, int, int], None] | None = None,
        devices: int = 1,
    ) -> None:
        self.cohort = cohort
        self.n_processes = n_processes
        self.on_record = on_record
        self.on_step = on_step
        self.devices = devices
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

    def train(self, orders: Sequence[Order]) -> Iterator[Result]:
        """Trains each as far as it is ordered.

        Args:
            orders: Trials of one task, which no other process works on.

        Yields:
            What came of each, in the order in which they end.

        Raises:
            KeyboardInterrupt: If the user stopped it; all are then paused.
        """
        together = [order for order in orders if not order.alone and self._joins(order.plan)] if len(orders) > 1 else []
        if len(together) > 1:
            yield from self._train_at_once(together)
        for order in orders if len(together) < 2 else [o for o in orders if o not in together]:
            on_step = None if self.on_step is None else partial(self.on_step, order.plan.configuration.id)
            start = time.perf_counter()
            trial = run_trial(order.plan, order.fidelity, self.on_record, on_step, self.devices)
            seconds = time.perf_counter() - start
            yield Result(order, trial, seconds, 1, seconds)

    def _train_at_once(self, orders: Sequence[Order]) -> Iterator[Result]:
        from lightning_quicktune.trials.cohort_runner import run_cohort

        plans = [order.plan for order in orders]
        known = [read_trial(plan.folder) for plan in plans]
        start = time.perf_counter()
        trials = run_cohort(plans, [order.fidelity for order in orders], self.on_record, self.on_step)
        seconds = time.perf_counter() - start
        n_before = [trial.curve.fidelity if trial is not None else 0 for trial in known]
        slices = [s for n, trial in zip(n_before, trials, strict=True) for s in trial.curve.slices[n:]]
        held = max((s.cohort_size for s in slices), default=len(plans))
        if held < len(plans):  # memory ran out: the next ones are as many as it has held
            self._sizes[plans[0].task.name] = held
        paid = [_paid_s(trial) - _paid_s(before) for trial, before in zip(trials, known, strict=True)]
        for order, trial, share in zip(orders, trials, _shares(seconds, paid), strict=True):
            yield Result(order, trial, seconds, len(plans), share)

    def _joins(self, plan: TrialPlan) -> bool:
        from lightning_quicktune.trials.cohort_runner import can_join

        reason = can_join(plan)
        if reason is not None and reason not in self._said:
            self._said.add(reason)
            log.warning("Trials such as %s are trained alone: %s.", plan.key, reason.rstrip("."))
        return reason is None


def _paid_s(trial: Trial | None) -> float:
    """Seconds that a record has booked."""
    curve, overheads = (trial.curve, trial.overheads) if trial is not None else (LearningCurve(), Overheads())
    return sum(curve.costs_s) + sum(float(seconds) for seconds in asdict(overheads).values())


def _shares(seconds: float, paid: Sequence[float]) -> list[float]:
    """Seconds that were spent together, by what each trial has booked of them."""
    total = sum(paid)
    return [seconds * one / total if total > 0 else seconds / len(paid) for one in paid]
