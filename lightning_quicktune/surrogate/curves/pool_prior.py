"""The prior over learning curves at the configurations of one pool."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
RATIO = 1.45  # between neighbouring knots
MOMENTS = (0, 2, 4, 8, 16, 32, 64)  # observations after which predictions were compared with left-out scores


@dataclass(frozen=True, eq=False)
class PoolPrior:
    """Prior of the normalised curves of a pool: ``mean + loadings w + residual``, w standard normal.

    Args:
        mean: Shape ``(C, F)``.
        loadings: Deviations of the training tasks from their mean, scaled, shape ``(C, F, T)``.
        finals: Covariance of the residual's final value between configurations, shape ``(C, C)``.
        shapes: Covariance between configurations of what is left of the residual given its final value, ``(C, C)``.
        following: How the residual follows its final value, 1 at the last fidelity, shape ``(F,)``.
        over_fidelities: Covariance over fidelities of the residual given its final value, shape ``(F, F)``.
        noise: Variance of what no other score of the curve tells.
        locations: Location of each training task, in scores.
        scales: Scale of each training task, in scores.
        log_cost: Predicted log seconds of a slice, up to a constant of the task, shape ``(C,)``.
        knots: Fidelities at which curves are observed and predicted.
        cost_exponent: How much cost counts: 0 not at all, 1 improvement per second.
        temperatures: Factors on reported standard deviations after ``MOMENTS``; see ``temperatures_of``.
    """

    mean: Array
    loadings: Array
    finals: Array
    shapes: Array
    following: Array
    over_fidelities: Array
    noise: float
    locations: Array
    scales: Array
    log_cost: Array
    knots: NDArray[np.int64]
    cost_exponent: float
    temperatures: Array

    def prices(self, log_cost: Array, reached: NDArray[np.int64]) -> Array:
        """Price of training on to each knot: predicted seconds to the power of ``cost_exponent``, 1 for a usual slice.

        Args:
            log_cost: Log seconds of a slice of each configuration, up to a constant of all, shape ``(C,)``.
            reached: Fidelity that each has reached, shape ``(C,)``.

        Returns:
            Shape ``(C, H)``; knots that were reached have no meaningful price.
        """
        slices = np.maximum(self.knots[None] - reached[:, None], 0.5)
        log_seconds = log_cost[:, None] + np.log(slices) - np.median(log_cost)
        return np.asarray(np.exp(self.cost_exponent * log_seconds), dtype=np.float64)

    def without_transfer(self) -> PoolPrior:
        """The prior of somebody who knows the average curve, and how alike neighbours are, but no configuration.

        All have the same mean and cost; what they differ by is all residual, of variance 1.
        """
        return replace(
            self,
            mean=np.broadcast_to(self.mean.mean(axis=0), self.mean.shape).copy(),
            loadings=np.zeros_like(self.loadings),
            finals=self.finals / np.diag(self.finals).mean(),
            log_cost=np.zeros_like(self.log_cost),
        )

    def temperature(self, n_observed: int) -> float:
        """Factor on reported standard deviations after so many observations, between ``MOMENTS`` by their logarithm."""
        return float(np.interp(np.log1p(n_observed), np.log1p(MOMENTS), self.temperatures))


def knots_of(max_fidelity: int) -> NDArray[np.int64]:
    """Fidelities from 1 to ``max_fidelity``, about a constant factor apart."""
    knots = [max_fidelity]
    while knots[-1] > 1:
        knots.append(max(1, min(knots[-1] - 1, round(knots[-1] / RATIO))))
    return np.array(knots[::-1])
