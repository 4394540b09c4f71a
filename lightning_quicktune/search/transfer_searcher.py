"""Search by transfer alone: the paper's method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from lightning_quicktune.search.acquisition import log_expected_improvement
from lightning_quicktune.search.pool import by_id
from lightning_quicktune.search.progress import Progress
from lightning_quicktune.surrogate.interface import CostPredictor, PerformancePredictor
from lightning_quicktune.surrogate.scale import to_latent
from lightning_quicktune.types import Configuration, Observation, Suggestion, TaskInfo


class TransferSearcher:
    """Trains whichever configuration's next slice promises the most improvement per second.

    The surrogates are never refitted: the new task's observations enter only as the learning curve of the
    configuration they belong to. So an observation changes the prediction of one candidate, and only that one is
    predicted again.

    Improvement at a fidelity is over the best score any configuration had at that same fidelity; where none has come
    so far, over the best at the highest fidelity reached; before any observation, over the zero-shot score. All of it
    in the surrogate's latent scale, and by logarithms, so that candidates are told apart even when none is likely to
    improve.

    Args:
        pool: Distinct configurations; on a tie the first wins.
        task: The new task, with its meta-features.
        performance: Predicts the latent score at the next fidelity.
        cost: Predicts the seconds of one slice.
        reference_step_s: Seconds of one fixed step of the base model on the present device.

    References:
        Strangmann, Purucker, Franke, Rapant, Ferreira and Hutter (2024), Transfer Learning for Finetuning Large
        Language Models. Arango, Ferreira, Kadra, Hutter and Grabocka (2024), Quick-Tune.
    """

    def __init__(
        self,
        pool: Sequence[Configuration],
        task: TaskInfo,
        performance: PerformancePredictor,
        cost: CostPredictor,
        reference_step_s: float,
    ) -> None:
        configurations = by_id(pool)
        self._pool, self._ids = list(configurations.values()), list(configurations)
        self._places = {config_id: place for place, config_id in enumerate(self._ids)}
        self._task, self._performance, self._cost = task, performance, cost
        self._reference_step_s = reference_step_s
        self._progress = Progress(task.max_fidelity)
        self._best = np.full(task.max_fidelity + 1, -np.inf)  # latent, by fidelity
        self._best[0] = 0.0  # zero-shot
        self._mean, self._std = np.zeros(len(self._pool)), np.ones(len(self._pool))
        self._log_cost: Float[np.ndarray, " N"] | None = None
        self._reached = np.zeros(len(self._pool), dtype=np.int64)
        self._open = np.full(len(self._pool), task.max_fidelity > 0)
        self._stale = set(range(len(self._pool)))

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return self._progress.pending

    def ask(self) -> Suggestion | None:
        """The open configuration with the largest expected improvement per second, one slice further."""
        candidates = np.flatnonzero(self._open)
        if not len(candidates):
            return None
        log_cost = self._refresh()
        targets = self._reached[candidates] + 1
        improvement = log_expected_improvement(
            self._mean[candidates], self._std[candidates], self._incumbents()[targets]
        )
        place = int(candidates[np.argmax(improvement - log_cost[candidates])])
        self._open[place] = False
        return self._progress.suggest(self._pool[place], int(self._reached[place]) + 1)

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion: one more point of its configuration's curve."""
        self._progress.record(observation)
        config_id = observation.configuration.id
        scores = self._progress.scores(config_id)[: self._task.max_fidelity]
        if scores:
            latent = to_latent(np.asarray(scores, dtype=np.float64), self._task.zero_shot_score)
            reached = slice(1, len(scores) + 1)
            self._best[reached] = np.maximum(self._best[reached], latent)
        place = self._places.get(config_id)
        if place is not None:
            self._reached[place] = len(scores)
            self._open[place] = self._progress.is_open(config_id)
            self._stale.add(place)

    def _incumbents(self) -> Float[np.ndarray, " F"]:
        """What a score at each fidelity, from 0 on, has to beat."""
        last_seen = np.maximum.accumulate(np.where(np.isfinite(self._best), np.arange(len(self._best)), 0))
        return np.asarray(self._best[last_seen])

    def _refresh(self) -> Float[np.ndarray, " N"]:
        """Predicts what has changed, and returns the logarithm of each candidate's seconds per slice."""
        if self._log_cost is None:
            cost_s = self._cost.predict(self._task, self._pool, self._reference_step_s)
            self._check(
                np.isfinite(cost_s) & (cost_s > 0), cost_s, list(range(len(cost_s))), "a cost (seconds, above 0)"
            )
            self._log_cost = np.log(cost_s)
        places = sorted(p for p in self._stale if self._open[p])
        if places:
            mean, std = self._performance.predict(
                self._task,
                [self._pool[p] for p in places],
                [self._progress.scores(self._ids[p]) for p in places],
                [int(self._reached[p]) + 1 for p in places],
            )
            self._check(np.isfinite(mean), mean, places, "a mean score (finite)")
            self._check(np.isfinite(std) & (std >= 0), std, places, "a standard deviation (at least 0)")
            self._mean[places], self._std[places] = mean, std
            self._stale -= set(places)
        return self._log_cost

    def _check(self, good: np.ndarray, values: np.ndarray, places: list[int], wanted: str) -> None:
        if not good.all():
            bad = int(np.argmin(good))
            raise RuntimeError(
                f"The surrogate predicts {values[bad]} for configuration {self._ids[places[bad]]}, which is not "
                f"{wanted}, so candidates can't be compared. Train the surrogate again and check its validation "
                "loss, and that the task's meta-features are finite."
            )
