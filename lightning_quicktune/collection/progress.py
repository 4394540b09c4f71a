"""The progress of a collection: rate and time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from lightning_quicktune.collection.known_trials import is_settled
from lightning_quicktune.trials.executors.orders import Result
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.types import Trial

_EVERY_S = 10.0  # at least, between looks at what other processes have run
_SHARE = 0.02  # of the time, at most, that looking takes


class CollectionProgress:
    """One line per trial that has ended or was interrupted, with what all workers have done.

    What was run here is told; all records are only read now and then, since that takes the longer the more there are.

    Args:
        plans: The trials that are to be run here.
    """

    def __init__(self, plans: Sequence[TrialPlan]) -> None:
        self.plans = plans
        self.start = time.monotonic()
        self._open = {plan.key: plan for plan in plans}
        self._look()
        self.done_at_start = self._n_done
        self._say(f"{self.done_at_start} of {len(plans)} trials are recorded already")

    def finished(self, result: Result, trial: Trial) -> None:
        """Says how one trial ended, and when the rest will have.

        Args:
            result: What came of it.
            trial: Its record.
        """
        self._open.pop(trial.key, None)
        if time.monotonic() > self._next_look:
            self._look()
        done = self._n_done
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

    @property
    def _n_done(self) -> int:
        return len(self.plans) - len(self._open)

    def _look(self) -> None:
        """Reads the records of all trials that are not known to be over, as other processes may run them."""
        began = time.monotonic()
        self._open = {key: plan for key, plan in self._open.items() if not is_settled(plan)}
        now = time.monotonic()
        self._next_look = now + max(_EVERY_S, (now - began) / _SHARE)

    def _say(self, line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
