"""The prior over learning curves at the configurations of one pool."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

MOMENTS = (0, 2, 4, 8, 16, 32, 64)  # observations after which predictions were compared with left-out scores
LEAST_LIMIT = math.log(20.0)  # of how many times as likely as by what was taught scores may be without


@dataclass(frozen=True, eq=False)
class PoolPrior:
    """Prior of a pool's curves, in locations and scales of the new task: ``mean + loadings w + residual``.

    w is standard normal; the residual is ``following x final + shape``; and all curves share an offset at each knot.

    Args:
        mean: Shape ``(C, H)``.
        loadings: Deviations of the training tasks from their mean, scaled, shape ``(C, H, L)``.
        finals: Covariance of the residual's final value between configurations, shape ``(C, C)``.
        shapes: Covariance between configurations of what is left of the residual given its final value, ``(C, C)``.
        following: How the residual follows its final value, 1 at the last knot, shape ``(H,)``.
        given_final: Covariance over knots of the residual given the final value, shape ``(H, H)``.
        offsets: Covariance over knots of what all configurations share beyond the mean, 0 at the end, ``(H, H)``.
        noise: Variance of what no other score of the curve tells, at each knot, shape ``(H,)``.
        floor: Value at each knot below which curves are all alike, shape ``(H,)``.
        locations: Location of each training task, in scores, shape ``(T,)``.
        scales: Scale of each training task, in scores, shape ``(T,)``.
        log_cost: Predicted log seconds of a slice, up to a constant of the task, shape ``(C,)``.
        shares: Knots as shares of a full training, rising to 1, shape ``(H,)``.
        cost_exponent: How much cost counts: 0 not at all, 1 improvement per second.
        temperatures: Factors on reported standard deviations after ``MOMENTS``; see ``temperatures_of``.
        first_look: Knot before which no training is paused: where early scores say little of final ones, looking at
            them costs more than it tells.
        learns_costs: Whether the seconds that slices took correct what is predicted of others.
        limit: Log of how many times likelier scores may be without what was taught before it is given up.
        first: Places of the configurations that are trained to the end before any other, in that order.
    """

    mean: Float[np.ndarray, "C H"]
    loadings: Float[np.ndarray, "C H L"]
    finals: Float[np.ndarray, "C C"]
    shapes: Float[np.ndarray, "C C"]
    following: Float[np.ndarray, " H"]
    given_final: Float[np.ndarray, "H H"]
    offsets: Float[np.ndarray, "H H"]
    noise: Float[np.ndarray, " H"]
    floor: Float[np.ndarray, " H"]
    locations: Float[np.ndarray, " T"]
    scales: Float[np.ndarray, " T"]
    log_cost: Float[np.ndarray, " C"]
    shares: Float[np.ndarray, " H"]
    cost_exponent: float
    temperatures: Float[np.ndarray, " M"]
    first_look: int = 0
    learns_costs: bool = True
    limit: float = LEAST_LIMIT
    first: tuple[int, ...] = ()

    def equal_costs(self) -> PoolPrior:
        """The same where every slice is taken to cost the same, whatever some have cost."""
        return replace(self, log_cost=np.zeros_like(self.log_cost), learns_costs=False)

    def final_scores_only(self) -> PoolPrior:
        """The same where nothing is seen before the end of a training."""
        last = slice(-1, None)
        return replace(
            self,
            mean=self.mean[:, last],
            loadings=self.loadings[:, last],
            following=self.following[last],
            given_final=self.given_final[last, last],
            offsets=self.offsets[last, last],
            noise=self.noise[last],
            floor=self.floor[last],
            shares=self.shares[last],
            first_look=0,
        )

    def temperature(self, n_observed: int) -> float:
        """Factor on reported standard deviations after so many observations, between ``MOMENTS`` by their logarithm."""
        return float(np.interp(np.log1p(n_observed), np.log1p(MOMENTS), self.temperatures))


@dataclass(frozen=True, eq=False)
class KnotPlan:
    """At which fidelity each configuration of a pool meets each knot: a share of its own full training.

    Args:
        slices: Fidelity of each knot, shape ``(C, H)``; neighbours are equal in short trainings.
        met: Whether it is met there: of several knots at one fidelity, the nearest by its share is, shape ``(C, H)``.
    """

    slices: Int[np.ndarray, "C H"]
    met: Bool[np.ndarray, "C H"]

    @classmethod
    def of(cls, shares: Float[np.ndarray, " H"], lengths: Int[np.ndarray, " C"]) -> KnotPlan:
        """The plan of a pool.

        Args:
            shares: Knots as shares of a full training, rising to 1.
            lengths: Slices of each configuration's own full training.
        """
        slices = np.maximum(1, np.round(shares * lengths[:, None])).astype(np.int64)
        apart, rows = np.abs(shares - slices / lengths[:, None]), np.arange(len(lengths))
        met = np.zeros(slices.shape, dtype=np.bool_)
        for fidelity in np.unique(slices):
            here = slices == fidelity
            some = here.any(1)
            met[rows[some], np.where(here, apart, np.inf).argmin(1)[some]] = True
        return cls(slices, met)

    def first(self, knot: int = 0) -> Int[np.ndarray, " C"]:
        """The first knot that each configuration meets, at or after a given one."""
        return np.asarray(knot + self.met[:, knot:].argmax(1))

    def after(self, place: int, knot: int) -> int:
        """The next knot that a configuration meets, as many as there are if none is left."""
        later = np.flatnonzero(self.met[place, knot + 1 :])
        return knot + 1 + int(later[0]) if len(later) else self.met.shape[1]

    def reached(self, place: int, fidelity: int) -> list[int]:
        """Knots that a configuration has met by a fidelity, in order."""
        return [int(knot) for knot in np.flatnonzero(self.met[place] & (self.slices[place] <= fidelity))]


def prices(
    log_cost: Float[np.ndarray, " C"], slices: Int[np.ndarray, "C H"], reached: Int[np.ndarray, " C"], exponent: float
) -> Float[np.ndarray, "C H"]:
    """Price of training on to each knot: predicted seconds to the power of ``exponent``, 1 for a usual slice.

    Args:
        log_cost: Log seconds of a slice of each configuration, up to a constant of all.
        slices: Fidelity of each knot.
        reached: Fidelity that each has reached.
        exponent: See ``PoolPrior.cost_exponent``.

    Returns:
        Prices; knots that were reached have no meaningful one.
    """
    ahead = np.maximum(slices - reached[:, None], 0.5)
    return np.asarray(np.exp(exponent * (log_cost[:, None] + np.log(ahead) - np.median(log_cost))), dtype=np.float64)
