"""The progress of a collection: rate and time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from lightning_quicktune.collection.known_trials import is_settled
from lightning_quicktune.trials.executors.orders import Result
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.types import Trial


class CollectionProgress:
    """One line per trial that has ended or was interrupted, with what all workers have done.

    Args:
        plans: The trials that are to be run here.
    """

    def __init__(self, plans: Sequence[TrialPlan]) -> None:
        self.plans = plans
        self.start = time.monotonic()
        self._open = list(plans)
        self.done_at_start = self._done()
        self._say(f"{self.done_at_start} of {len(plans)} trials are recorded already")

    def finished(self, result: Result, trial: Trial) -> None:
        """Says how one trial ended, and when the rest will have.

        Args:
            result: What came of it.
            trial: Its record.
        """
        done = self._done()
        rate = max(done - self.done_at_start, 1) / (time.monotonic() - self.start)
        minutes_left = (len(self.plans) - done) / rate / 60
        outcome = trial.failure or f"{trial.metric} {max(trial.curve.scores):.3f}"
        if trial.status == "interrupted":
            outcome = f"interrupted by an {trial.failure}"
        seconds = f"{result.seconds:.1f} s" + (f" for {result.n_trained} at once" if result.n_trained > 1 else "")
        self._say(
            f"[{done}/{len(self.plans)}] {trial.task} {trial.configuration.id}: {outcome}, {seconds}; "
            f"{rate * 3600:.0f} trials/h, {minutes_left:.0f} min left"
        )

    def _done(self) -> int:
        self._open = [plan for plan in self._open if not is_settled(plan)]
        return len(self.plans) - len(self._open)

    def _say(self, line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
