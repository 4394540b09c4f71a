"""Search by transferred learning curves: trains on the trial whose next slices are worth most."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightning_quicktune.acquisition.leader import to_beat
from lightning_quicktune.acquisition.optional_stopping import HOPELESS, optional_stopping_index
from lightning_quicktune.search.forecast import Forecast
from lightning_quicktune.search.left import Left
from lightning_quicktune.search.lengths import Lengths
from lightning_quicktune.search.pool import by_id
from lightning_quicktune.search.progress import Progress
from lightning_quicktune.surrogate.curves.pool_prior import KnotPlan, PoolPrior, prices
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior
from lightning_quicktune.types import Configuration, Observation, Suggestion

Array = NDArray[np.float64]


class CurveTransferSearcher:
    """Conditions what other tasks taught on all curves seen on the new one; nothing is refitted.

    The prior may name configurations that are trained to the end before any other (``PoolPrior.first``); where it names
    none, the first one is whatever is expected to end best, over the median and for its price. From then on each
    configuration is a paused trial whose next score may be seen for a price, and it asks for the one with the largest
    ratio of expected improvement to expected price, where a plan may stop after the next knot (the first one as late as
    the prior says). What has to be beaten is the best score so far, or what the leader gains for the same money.

    A score below the lowest that training tasks tell of counts as that one, since how bad it is tells nothing of other
    configurations; of its own later scores it does (``CurvePosterior.carried``).

    Where it is told what is left of a budget, a knot that can't be reached, nor half of the way there from the one
    before, is worth nothing, and nothing is begun for an end that is out of reach.

    A guard that doubts the prior sets ``looks_early``: trainings may then be paused at their first knot, and none is
    begun only because the prior named it.

    Args:
        pool: Distinct configurations, in the order of the prior's rows.
        prior: What other tasks say of the pool's learning curves.
        zero_shot_score: Score of the base model without an adapter, which has to be beaten; not a number if unknown.
        lengths: Slices of each configuration's own full training; a number if all are alike.
        n_records: Records that scores are measured on, which limits how exact they are; 0 if unknown.
        left: What may still be spent; none to plan as if anything could be.
    """

    def __init__(
        self,
        pool: Sequence[Configuration],
        prior: PoolPrior,
        lengths: Lengths | int,
        zero_shot_score: float = math.nan,
        n_records: int = 0,
        left: Left | None = None,
    ) -> None:
        configurations = by_id(pool)
        self._pool, self._places = list(configurations.values()), {c: i for i, c in enumerate(configurations)}
        self.prior, self.posterior = prior, CurvePosterior(prior)
        self._progress = Progress(lengths)
        own = np.array([self._progress.lengths.of(config_id) for config_id in configurations], dtype=np.int64)
        self._plan = KnotPlan.of(prior.shares, own)
        self._following = self._plan.first()  # index of the next knot
        self._first, self._first_look = self._plan.first(), self._plan.first(prior.first_look)
        self.looks_early = False
        self._reached = np.zeros(len(self._pool), dtype=np.int64)
        self._shortfall = np.zeros(self._plan.slices.shape)  # of later scores, where one was below all that is told of
        self._open = np.ones(len(self._pool), dtype=np.bool_)
        self._log_costs: dict[int, float] = {}
        self.forecasts: list[Forecast] = []  # of every score that was taken in
        self._best = zero_shot_score if math.isfinite(zero_shot_score) else -np.inf
        self._n_records, self._left = n_records, left or Left()

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return self._progress.pending

    @property
    def pool(self) -> tuple[Configuration, ...]:
        """All candidates."""
        return tuple(self._pool)

    def ask(self) -> Suggestion | None:
        """The open configuration with the largest index, up to its next knot."""
        return self._best_of(self._open)

    def ask_new(self) -> Suggestion | None:
        """The same among those that were not begun, if there are any."""
        new = self._open & (self._reached == 0)
        return self._best_of(new if new.any() else self._open)

    def looks(self, configuration: Configuration) -> tuple[int, int]:
        """Slices at a configuration's first knot, and until which it isn't paused; 0 if it isn't in the pool."""
        place = self._places.get(configuration.id)
        if place is None:
            return 0, 0
        first, look, end = self._plan.slices[place, [self._first[place], self._first_look[place], -1]]
        return int(first), int(end if place in self.prior.first else look)

    def _best_of(self, among: NDArray[np.bool_]) -> Suggestion | None:
        if not among.any():
            return None
        log_cost, slices = self._log_cost(), self._plan.slices
        within = self._within_reach(log_cost, among)
        named = [place for place in self.prior.first if among[place] and not self._reached[place]]
        if named and not self.looks_early and within[named[0], -1]:  # each makes up for those before it
            return self._suggest(named[0], self._plan.slices.shape[1] - 1)
        mean, covariance = self._moments()
        price = prices(log_cost, slices, self._reached, self.prior.cost_exponent)
        seen = self._plan.met & within & (np.arange(slices.shape[1]) >= self._following[:, None])
        ends = slices.shape[1] - 1 - seen[:, ::-1].argmax(1)  # the last that is seen
        looks = np.maximum(self._following, self._first if self.looks_early else self._first_look)
        looks = np.where(seen.any(1), np.minimum(looks, ends), looks)
        if self._reached.any():
            begun = np.flatnonzero(self._open & (self._reached > 0))
            beaten = to_beat(mean, prices(log_cost, slices, self._reached, 1.0), begun, self._best, ends)
            price = np.where(seen, price, np.inf)  # what is never seen is worth nothing
            value = optional_stopping_index(mean, covariance, price, looks, beaten)
        else:
            value = (mean[:, -1] - np.median(mean[:, -1])) / price[:, -1]
            if not within[np.where(among, value, -np.inf).argmax(), -1]:
                value = np.where(seen, mean, -np.inf).max(1)
        place = int(np.argmax(np.where(among, np.maximum(value, HOPELESS), -np.inf)))
        return self._suggest(place, int(looks[place]))

    def _within_reach(self, log_cost: Array, among: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which knots there is enough left for, shape ``(C, H)``, or for half of the way there from the one before.

        All are if there is too little for any of those that are chosen among.
        """
        if not self._left.is_limited:
            return np.ones_like(self._plan.met)
        usual_s, slice_s = self._left.usual_slice_s, np.exp(log_cost)  # in seconds as soon as any were seen
        if not self._log_costs:
            slice_s *= usual_s / np.median(slice_s) if usual_s > 0 else 0.0
        affordable = np.floor(np.minimum(self._left.slices, self._left.seconds / np.maximum(slice_s, 1e-9)))
        slices, reached = self._plan.slices, self._reached[:, None]
        before = np.maximum(np.hstack([np.zeros_like(reached), slices[:, :-1]]), reached)
        within = affordable[:, None] >= (slices + before) / 2 - reached
        return within if (within & (slices > reached))[among].any() else np.ones_like(within)

    def _suggest(self, place: int, knot: int) -> Suggestion:
        self._open[place] = False
        return self._progress.suggest(self._pool[place], int(self._plan.slices[place, knot]))

    def place_of(self, forecast: Forecast) -> tuple[int, int]:
        """Index of the configuration of a forecast, and index of its knot."""
        return self._places[forecast.configuration.id], forecast.knot

    def expected(self, configuration: Configuration, fidelity: int) -> tuple[float, float] | None:
        """Mean and standard deviation of a score of a configuration, as believed now; none if it isn't in the pool.

        Args:
            configuration: What would be trained.
            fidelity: Slices; the nearest knot is asked.
        """
        place = self._places.get(configuration.id)
        if place is None:
            return None
        knot = int(np.argmin(np.abs(self._plan.slices[place] - fidelity)))
        mean, std = self.posterior.reported(place, knot)
        return mean - float(self._shortfall[place, knot]), std

    def unfinished(self) -> list[tuple[Configuration, int]]:
        """Configurations that may be trained on, and the slices that each has, the best expected end first."""
        ends = self._moments()[0][:, -1]
        order = [int(i) for i in np.argsort(-ends, kind="stable") if self._open[i]]
        return [(self._pool[i], int(self._reached[i])) for i in order]

    def ends(self, configurations: Sequence[Configuration]) -> tuple[Array, Array]:
        """Mean of final scores, shape ``(N,)``, and their covariance, shape ``(N, N)``, as believed now.

        Args:
            configurations: Members of the pool.
        """
        places = [self._places[c.id] for c in configurations]
        mean, covariance = self.posterior.joint([(place, len(self.prior.shares) - 1) for place in places])
        return mean - self._shortfall[places, -1], covariance

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion: every knot of the curve that is new."""
        self._progress.record(observation)
        config_id = observation.configuration.id
        scores = self._progress.scores(config_id)
        self._best = max([self._best, *scores])
        place = self._places.get(config_id)
        if place is not None:
            self._observe(place, scores)
            self._reached[place] = len(scores)
            self._open[place] = self._progress.is_open(config_id) and self._following[place] < len(self.prior.shares)
            known = [s.cost_s for s in observation.curve.slices if np.isfinite(s.cost_s) and s.cost_s > 0]
            if known and self.prior.learns_costs:
                self._log_costs[place] = float(np.log(np.mean(known)))

    def _observe(self, place: int, scores: Sequence[float]) -> None:
        while self._following[place] < len(self.prior.shares):
            knot = int(self._following[place])
            fidelity = int(self._plan.slices[place, knot])
            if fidelity > len(scores):
                return
            error = binomial_variance(scores[fidelity - 1], self._n_records)
            observed = max(scores[fidelity - 1], self.posterior.floor(knot))
            self._shortfall[place] = (observed - scores[fidelity - 1]) * self.posterior.carried(place, knot)
            predicted = self.posterior.forecast(place, knot, error)
            self.forecasts.append(Forecast(self._pool[place], fidelity, *predicted, observed, knot, error))
            self.posterior.observe(place, knot, observed, error)
            self._following[place] = self._plan.after(place, knot)

    def _moments(self) -> tuple[Array, Array]:
        """Means and covariances of all scores, where a bad one is followed by other bad ones."""
        mean, covariance = self.posterior.moments()
        return mean - self._shortfall, covariance

    def _log_cost(self) -> Array:
        """Log seconds of a slice: as predicted, corrected by what slices took here."""
        log_cost = self.prior.log_cost.copy()
        if self._log_costs:
            tried, seen = np.array(list(self._log_costs)), np.array(list(self._log_costs.values()))
            log_cost += (seen - log_cost[tried]).mean()
            log_cost[tried] = seen
        return log_cost


def binomial_variance(score: float, n_records: int) -> float:
    """Variance of a share of records that are right, which the mean of any scores in [0, 1] has at most.

    Args:
        score: The share.
        n_records: Records that it was measured on; 0 if unknown, which gives 0.
    """
    return score * (1.0 - score) / n_records if n_records else 0.0
