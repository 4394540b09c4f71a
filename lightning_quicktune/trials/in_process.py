"""The executor of suggestions in this process: base model and tokenized data are loaded once."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.task_setup import TaskSetup
from lightning_quicktune.types import Configuration, Observation, Suggestion, Trial

log = logging.getLogger(__name__)
_PATIENCE = 2  # errors that may interrupt a trial before it is given up


class InProcessExecutor:
    """Trains one suggestion after the other on one task; what an error interrupts is tried once more.

    Args:
        setup: The task.
        space: The search space of the suggestions.
        folder: Each trial gets a folder in it.
        seed: Seed of every trial.
        on_record: Called with a trial's folder whenever its record has changed.
        on_step: Called with a configuration's id, a batch's number in its slice, from 1, and how many there are.
    """

    def __init__(
        self,
        setup: TaskSetup,
        space: SearchSpace,
        folder: Path,
        seed: int = 0,
        on_record: Callable[[Path], object] | None = None,
        on_step: Callable[[str, int, int], None] | None = None,
    ) -> None:
        self.setup = setup
        self.space = space
        self.folder = folder
        self.seed = seed
        self.on_record = on_record
        self.on_step = on_step
        self._queue: deque[Suggestion] = deque()
        self._interruptions: Counter[Configuration] = Counter()

    @property
    def capacity(self) -> int:
        """One at a time."""
        return 1

    @property
    def n_ended(self) -> int:
        """None: what is submitted is trained by ``wait``."""
        return 0

    def submit(self, suggestion: Suggestion) -> None:
        """Queues a suggestion; it is trained by ``wait``."""
        self._queue.append(suggestion)

    def wait(self) -> Observation:
        """Trains the suggestion that has waited longest."""
        suggestion = self._queue.popleft()
        start = time.perf_counter()
        trial = self.train(suggestion)
        seconds = time.perf_counter() - start
        return Observation(suggestion.configuration, trial.curve, trial.status in ("failed", "interrupted"), seconds)

    def train(self, suggestion: Suggestion) -> Trial:
        """Trains a suggestion; if an error interrupts its trial for the first time, it goes on from the last slice.

        Args:
            suggestion: What to train, and how far.
        """
        return self.train_plan(self.plan(suggestion.configuration), suggestion.fidelity)

    def train_plan(self, plan: TrialPlan, fidelity: int) -> Trial:
        """The same of a trial that need not be of the search space.

        Args:
            plan: What to train.
            fidelity: Slices to reach.
        """
        configuration, on_step = plan.configuration, self.on_step
        told = None if on_step is None else partial(on_step, configuration.id)
        trial = run_trial(plan, fidelity, self.on_record, told)
        while trial.status == "interrupted":
            self._interruptions[configuration] += 1
            if self._interruptions[configuration] >= _PATIENCE:
                log.warning("Trial %s is given up: errors have interrupted it %d times.", trial.key, _PATIENCE)
                break
            log.warning("Trial %s is tried once more.", trial.key)
            trial = run_trial(plan, fidelity, self.on_record, told)
        return trial

    def plan(self, configuration: Configuration) -> TrialPlan:
        """What it takes to train a configuration on this task."""
        folder = self.folder / f"{configuration.id}-{self.seed}"
        return TrialPlan(self.setup.info, self.setup.fit, self.space, configuration, self.seed, folder)
