"""Transfers learning curves to a new task: asks for the trial whose next slices are worth most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightning_quicktune.search.pool import by_id
from lightning_quicktune.search.progress import Progress
from lightning_quicktune.surrogate.curves.optional_stopping import optional_stopping_index
from lightning_quicktune.surrogate.curves.pool_prior import PoolPrior
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior
from lightning_quicktune.types import Configuration, Observation, Suggestion

Array = NDArray[np.float64]
PROBED = 0.1  # place of a probe among the untried by predicted final score; 0 is the worst


@dataclass(frozen=True)
class Forecast:
    """A score, and what was predicted of it from those before.

    Args:
        configuration: What was trained.
        fidelity: After how many slices.
        mean: Predicted score.
        std: Standard deviation of the prediction, that of measuring included.
        observed: The score; where it is below all that training tasks tell of, the lowest that they do.
    """

    configuration: Configuration
    fidelity: int
    mean: float
    std: float
    observed: float

    @property
    def residual(self) -> float:
        """How far off the prediction was, in its standard deviations."""
        return (self.observed - self.mean) / self.std


class CurveTransferSearcher:
    """Conditions what other tasks taught on all curves seen on the new one; nothing is refitted.

    Each configuration is a paused trial whose next score may be seen for a price. It asks for the one with the largest
    ratio of expected improvement to expected price, where a plan may stop after the next knot.

    Args:
        pool: Distinct configurations, in the order of the prior's rows.
        prior: What other tasks say of the pool's learning curves.
        learns_costs: Whether the seconds that slices took correct what was predicted of others.
        zero_shot_score: Score of the base model without an adapter, which has to be beaten; not a number if unknown.
    """

    def __init__(
        self,
        pool: Sequence[Configuration],
        prior: PoolPrior,
        learns_costs: bool = True,
        zero_shot_score: float = math.nan,
    ) -> None:
        configurations = by_id(pool)
        self._pool, self._places = list(configurations.values()), {c: i for i, c in enumerate(configurations)}
        self.prior, self._posterior = prior, CurvePosterior(prior)
        self._progress = Progress(int(prior.knots[-1]))
        self._following = np.zeros(len(self._pool), dtype=np.int64)  # index of the next knot
        self._reached = np.zeros(len(self._pool), dtype=np.int64)
        self._open = np.ones(len(self._pool), dtype=np.bool_)
        self._log_costs: dict[int, float] = {}
        self.forecasts: list[Forecast] = []  # of every score that was taken in
        self._best = -np.inf
        self._start = float(np.median(self._posterior.moments()[0][:, -1]))  # stands for the best before any score
        self._least = zero_shot_score if math.isfinite(zero_shot_score) else -np.inf
        self._learns_costs = learns_costs

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return self._progress.pending

    def ask(self) -> Suggestion | None:
        """The open configuration with the largest index, up to its next knot."""
        if not self._open.any():
            return None
        mean, covariance = self._posterior.moments()
        incumbent = max(self._least, self._best if np.isfinite(self._best) else self._start)
        index = optional_stopping_index(mean, covariance, self._price(), self._following, incumbent)
        return self._suggest(int(np.argmax(np.where(self._open, index, -np.inf))))

    def place_of(self, forecast: Forecast) -> tuple[int, int]:
        """Index of the configuration of a forecast, and index of its knot."""
        return self._places[forecast.configuration.id], int(np.searchsorted(self.prior.knots, forecast.fidelity))

    def probe(self) -> Suggestion | None:
        """An untried configuration that is expected to do worse than most, not to fail, up to its first knot."""
        untried = np.flatnonzero(self._open & (self._reached == 0))
        if not len(untried):
            return None
        final = self._posterior.moments()[0][untried, -1]
        return self._suggest(int(untried[np.argsort(final, kind="stable")[int(PROBED * (len(untried) - 1))]]))

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion: every knot of the curve that is new."""
        self._progress.record(observation)
        config_id = observation.configuration.id
        scores = self._progress.scores(config_id)
        self._best = max([self._best, *scores])
        place = self._places.get(config_id)
        if place is not None:
            if not self._progress.has_failed(config_id):
                self._observe(place, scores)
            self._reached[place] = len(scores)
            self._open[place] = self._progress.is_open(config_id) and self._following[place] < len(self.prior.knots)
            known = [s.cost_s for s in observation.curve.slices if np.isfinite(s.cost_s) and s.cost_s > 0]
            if known and self._learns_costs:
                self._log_costs[place] = float(np.log(np.mean(known)))

    def _suggest(self, place: int) -> Suggestion:
        self._open[place] = False
        return self._progress.suggest(self._pool[place], int(self.prior.knots[self._following[place]]))

    def _observe(self, place: int, scores: Sequence[float]) -> None:
        knots = self.prior.knots
        while self._following[place] < len(knots) and knots[self._following[place]] <= len(scores):
            knot = int(self._following[place])
            fidelity, predicted = int(knots[knot]), self._posterior.forecast(place, knot)
            observed = max(scores[fidelity - 1], self._posterior.floor())  # how bad a bad score is tells nothing
            self.forecasts.append(Forecast(self._pool[place], fidelity, *predicted, observed))
            self._posterior.observe(place, knot, observed)
            self._following[place] += 1

    def _price(self) -> Array:
        return self.prior.prices(self._log_cost(), self._reached)

    def _log_cost(self) -> Array:
        """Log seconds of a slice: as predicted, corrected by what slices took here."""
        log_cost = self.prior.log_cost.copy()
        if self._log_costs:
            tried, seen = np.array(list(self._log_costs)), np.array(list(self._log_costs.values()))
            log_cost += (seen - log_cost[tried]).mean()
            log_cost[tried] = seen
        return log_cost
