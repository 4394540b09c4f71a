"""The executor of a search's suggestions: live trials on one task, by whatever executor trains them."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.executors.orders import Order, Result, TrialExecutor
from lightning_quicktune.trials.executors.pool import LOST
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.task_setup import TaskSetup
from lightning_quicktune.types import Configuration, Observation, Suggestion, Trial

log = logging.getLogger(__name__)
_PATIENCE = 2  # errors that may interrupt a trial before it is given up
_PAUSE_S = 1.0  # between looks at a trial that another process runs
_LONGEST_S = 900.0  # to wait for that process, which pauses at its next step if its search is gone


class SuggestedTrials:
    """Trains suggestions on one task; what an error interrupts is tried once more, alone, from its last slice.

    Args:
        executor: Trains trials.
        setup: The task.
        space: The search space of the suggestions.
        folder: Each trial gets a folder in it.
        seed: Seed of every trial.
    """

    def __init__(
        self, executor: TrialExecutor, setup: TaskSetup, space: SearchSpace, folder: Path, seed: int = 0
    ) -> None:
        self.executor = executor
        self.setup = setup
        self.space = space
        self.folder = folder
        self.seed = seed
        self._interruptions: Counter[Configuration] = Counter()
        self._spent_s: defaultdict[Configuration, float] = defaultdict(float)  # on tries that brought no result yet
        self._waits_since: dict[str, float] = {}  # for another process, by the order's key

    @property
    def capacity(self) -> int:
        """Suggestions that are trained at the same time."""
        return self.executor.capacity

    @property
    def n_ended(self) -> int:
        """Suggestions that have ended."""
        return self.executor.n_ended

    def submit(self, asked: Suggestion) -> None:
        """Starts or queues a suggestion."""
        self.executor.submit(Order(self.plan(asked.configuration), asked.fidelity))

    def wait(self) -> Observation:
        """Blocks until any suggestion has ended."""
        trial, seconds = self._next()
        return Observation(trial.configuration, trial.curve, trial.status in ("failed", "interrupted"), seconds)

    def train_plan(self, plan: TrialPlan, fidelity: int) -> tuple[Trial, float]:
        """Trains one trial, which need not be of the search space, while nothing else runs.

        Args:
            plan: What to train.
            fidelity: Slices to reach.

        Returns:
            Its record, and the seconds that it took, without those of starting a worker.
        """
        self.executor.submit(Order(plan, fidelity))
        return self._next()

    def plan(self, configuration: Configuration) -> TrialPlan:
        """What it takes to train a configuration on this task."""
        folder = self.folder / f"{configuration.id}-{self.seed}"
        return TrialPlan(self.setup.info, self.setup.fit, self.space, configuration, self.seed, folder)

    def close(self) -> None:
        """Pauses what runs, as the executor does."""
        self.executor.close()

    def _next(self) -> tuple[Trial, float]:
        """The next trial that has ended for good, and the seconds that it took over all tries."""
        while True:
            result = self.executor.wait()
            configuration = result.order.plan.configuration
            self._spent_s[configuration] += result.cost_s
            if result.trial is None:
                self._wait_for(result.order)
                continue
            self._waits_since.pop(result.order.key, None)
            if self._is_tried_again(result, result.trial):
                self.executor.submit(Order(result.order.plan, result.order.fidelity, alone=True))
            else:
                return result.trial, self._spent_s.pop(configuration)

    def _wait_for(self, order: Order) -> None:
        """Puts an order back whose trial another process runs, such as a worker that outlived its search.

        Raises:
            RuntimeError: If that process doesn't end.
        """
        now = time.monotonic()
        waited_s = now - self._waits_since.setdefault(order.key, now)
        if waited_s > _LONGEST_S:
            raise RuntimeError(
                f"Another process has held {order.plan.folder / 'lock'} for {waited_s:.0f} s, so this trial can't go "
                "on. End that process (`fuser` names it), then run the same command again, which goes on from here."
            )
        if waited_s == 0:
            sys.stderr.write(f"Another process runs {order.plan.key}; waiting for it.\n")
        time.sleep(_PAUSE_S)
        self.executor.submit(order)

    def _is_tried_again(self, result: Result, trial: Trial) -> bool:
        if trial.status != "interrupted":
            return False
        configuration = result.order.plan.configuration
        self._interruptions[configuration] += 1
        n_times = self._interruptions[configuration]
        if n_times >= _PATIENCE or (trial.failure or "").startswith(LOST):
            how_often = "once" if n_times == 1 else f"{n_times} times"
            log.warning("Trial %s is given up: errors have interrupted it %s.", trial.key, how_often)
            return False
        log.warning("Trial %s is tried once more.", trial.key)
        return True
