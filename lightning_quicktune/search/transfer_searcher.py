"""Search by transfer alone: the paper's method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from lightning_quicktune.acquisition.improvement import log_expected_improvement, log_probability_of_improvement
from lightning_quicktune.search.lengths import Lengths, as_lengths
from lightning_quicktune.search.names import DEFAULT_ACQUISITION, Acquisition
from lightning_quicktune.search.pool import by_id
from lightning_quicktune.search.progress import Progress
from lightning_quicktune.surrogate.interface import CostPredictor, PerformancePredictor
from lightning_quicktune.surrogate.scale import to_latent, to_score
from lightning_quicktune.types import Configuration, Observation, Suggestion, TaskInfo


class TransferSearcher:
    """Trains one slice of whichever configuration promises the most improvement per second.

    The surrogates are never refitted: the new task's observations enter only as the learning curve of the
    configuration they belong to. So an observation changes the prediction of one candidate, and only that one is
    predicted again.

    What is promised is by ``acquisition``: ``next`` is the expected improvement at the next fidelity, as in the papers;
    ``final`` that at the end of the training, per second of all that is left of it; ``random_horizon`` is the
    probability to exceed, some random number of slices ahead, the best score so far by a random share of what is
    missing to a score of 1, both drawn anew for each suggestion.

    Improvement at the next fidelity is over the best score any configuration had after that same share of its training;
    where none has come so far, over the best at the largest share reached. Otherwise it is over the best of all. Before
    any observation, it is over the zero-shot score, or, where that is unknown, over what half of the pool is predicted
    to reach. All of it in the surrogate's latent scale, and by logarithms, so that candidates are told apart even when
    none is likely to improve.

    Args:
        pool: Distinct configurations; on a tie the first wins.
        task: The new task, with its meta-features.
        performance: Predicts the latent score at the next fidelity.
        cost: Predicts the seconds of one slice.
        reference_step_s: Seconds of one fixed step of the base model on the present device.
        acquisition: What a candidate is worth, see above.
        seed: Seed of random horizons and thresholds.
        lengths: Slices of each full training; all as the task says if not given.

    References:
        Strangmann, Purucker, Franke, Rapant, Ferreira and Hutter (2024), Transfer Learning for Finetuning Large
        Language Models. Arango, Ferreira, Kadra, Hutter and Grabocka (2024), Quick-Tune.
        Rakotoarison, Adriaensen, Mallik, Garibov, Bergman and Hutter (2024), In-Context Freeze-Thaw Bayesian
        Optimization for Hyperparameter Optimization: the random horizon and threshold.
    """

    def __init__(
        self,
        pool: Sequence[Configuration],
        task: TaskInfo,
        performance: PerformancePredictor,
        cost: CostPredictor,
        reference_step_s: float,
        acquisition: Acquisition = DEFAULT_ACQUISITION,
        seed: int = 0,
        lengths: Lengths | None = None,
    ) -> None:
        configurations = by_id(pool)
        self._pool, self._ids = list(configurations.values()), list(configurations)
        self._places = {config_id: place for place, config_id in enumerate(self._ids)}
        self._task, self._performance, self._cost = task, performance, cost
        self._reference_step_s, self._acquisition = reference_step_s, acquisition
        self._random = np.random.default_rng(seed)
        self._lengths = as_lengths(lengths or task.max_fidelity)
        self._progress, self._longest = Progress(self._lengths), self._lengths.longest
        self._ends = np.array([self._lengths.of(config_id) for config_id in self._ids], dtype=np.int64)
        self._best = np.full(self._longest + 1, -np.inf)  # latent, by share of a training in slices of the longest
        if np.isfinite(task.zero_shot_score):
            self._best[0] = 0.0
        self._mean, self._std = np.zeros(len(self._pool)), np.ones(len(self._pool))
        self._log_cost: Float[np.ndarray, " N"] | None = None
        self._reached = np.zeros(len(self._pool), dtype=np.int64)
        self._open = self._ends > 0
        self._predicted_for = np.zeros(len(self._pool), dtype=np.int64)  # fidelity; 0 where nothing holds

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return self._progress.pending

    def ask(self) -> Suggestion | None:
        """The open configuration with the largest acquisition value, one slice further."""
        candidates = np.flatnonzero(self._open)
        if not len(candidates):
            return None
        if not np.isfinite(self._best[0]):  # no zero-shot score is known
            self._best[0] = np.median(self._predict(np.arange(len(self._pool)), self._ends)[0])
        value = self._value(candidates) - self._log_costs()[candidates]
        place = int(candidates[np.argmax(value)])
        self._open[place] = False
        return self._progress.suggest(self._pool[place], int(self._reached[place]) + 1)

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion: one more point of its configuration's curve."""
        self._progress.record(observation)
        config_id = observation.configuration.id
        end = self._lengths.of(config_id)
        scores = self._progress.scores(config_id)[:end]
        if scores:
            latent = to_latent(np.asarray(scores, dtype=np.float64), self._task.zero_shot_score)
            shares = self._shares(np.arange(1, len(scores) + 1), np.full(len(scores), end))
            self._best[shares] = np.maximum(self._best[shares], latent)
        place = self._places.get(config_id)
        if place is not None:
            self._reached[place] = len(scores)
            self._open[place] = self._progress.is_open(config_id)
            self._predicted_for[place] = 0

    def _shares(self, fidelities: Int[np.ndarray, " N"], ends: Int[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
        """Fidelities of trainings of some lengths, in slices of the longest one, rounded up."""
        return np.asarray(-(-fidelities * self._longest // np.maximum(ends, 1)))

    def _incumbents(self) -> Float[np.ndarray, " F"]:
        """What a score at each share, from 0 on, has to beat."""
        last_seen = np.maximum.accumulate(np.where(np.isfinite(self._best), np.arange(len(self._best)), 0))
        return np.asarray(self._best[last_seen])

    def _value(self, candidates: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        """Logarithm of what each candidate promises, per slice that it takes to get there."""
        reached, ends = self._reached[candidates], self._ends[candidates]
        if self._acquisition == "next":
            mean, std = self._predict(candidates, reached + 1)
            return log_expected_improvement(mean, std, self._incumbents()[self._shares(reached + 1, ends)])
        if self._acquisition == "final":
            mean, std = self._predict(candidates, ends)
            best = np.full(len(candidates), self._best_of_all())
            return np.asarray(log_expected_improvement(mean, std, best) - np.log(ends - reached))
        horizon, threshold = self._random.integers(1, self._longest + 1), self._random_threshold()
        ahead = -(-horizon * ends // self._longest)  # the same share of each training, rounded up
        mean, std = self._predict(candidates, np.minimum(reached + ahead, ends))
        return log_probability_of_improvement(mean, std, threshold)

    def _random_threshold(self) -> float:
        zero_shot = self._task.zero_shot_score
        best = float(to_score(np.array([self._best_of_all()]), zero_shot)[0])
        wanted = best + 10 ** self._random.uniform(-4.0, -1.0) * (1.0 - best)
        return float(to_latent(np.array([wanted]), zero_shot)[0])

    def _best_of_all(self) -> float:
        seen = float(self._best[1:].max())
        return seen if np.isfinite(seen) else float(self._best[0])

    def _log_costs(self) -> Float[np.ndarray, " N"]:
        """Logarithm of each pool member's seconds per slice, predicted once."""
        if self._log_cost is None:
            cost_s = self._cost.predict(self._task, self._pool, self._reference_step_s)
            everywhere = np.arange(len(cost_s))
            self._check(np.isfinite(cost_s) & (cost_s > 0), cost_s, everywhere, "a cost (seconds, above 0)")
            self._log_cost = np.asarray(np.log(cost_s))
        return self._log_cost

    def _predict(
        self, candidates: Int[np.ndarray, " N"], fidelities: Int[np.ndarray, " N"]
    ) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
        """Mean and standard deviation of each candidate at a fidelity; only what has changed is predicted again."""
        changed = self._predicted_for[candidates] != fidelities
        if changed.any():
            places = candidates[changed]
            mean, std = self._performance.predict(
                self._task,
                [self._pool[p] for p in places],
                [self._progress.scores(self._ids[p]) for p in places],
                fidelities[changed].tolist(),
                **self._own_lengths(places),
            )
            self._check(np.isfinite(mean), mean, places, "a mean score (finite)")
            self._check(np.isfinite(std) & (std >= 0), std, places, "a standard deviation (at least 0)")
            self._mean[places], self._std[places], self._predicted_for[places] = mean, std, fidelities[changed]
        return self._mean[candidates], self._std[candidates]

    def _own_lengths(self, places: Int[np.ndarray, " N"]) -> dict[str, Any]:
        """Slices of each full training for the surrogate, where they are not all as the task says."""
        return {"lengths": self._ends[places].tolist()} if self._lengths.differ else {}

    def use(self, performance: PerformancePredictor, cost: CostPredictor) -> None:
        """Goes on with other surrogates."""
        self._performance, self._cost = performance, cost
        self._predicted_for[:] = 0
        self._log_cost = None

    def _check(
        self, good: Bool[np.ndarray, " N"], values: Float[np.ndarray, " N"], places: Int[np.ndarray, " N"], wanted: str
    ) -> None:
        if not good.all():
            bad = int(np.argmin(good))
            raise RuntimeError(
                f"The surrogate predicts {values[bad]} for configuration {self._ids[places[bad]]}, which is not "
                f"{wanted}, so candidates can't be compared. Train the surrogate again and check its validation "
                "loss, and that the task's meta-features are finite."
            )
