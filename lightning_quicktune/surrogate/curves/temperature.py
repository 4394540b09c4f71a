"""How much wider or narrower reported intervals must be than a posterior's own to hold what they say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from lightning_quicktune.acquisition.optional_stopping import HOPELESS, optional_stopping_index
from lightning_quicktune.surrogate.curves.pool_prior import MOMENTS, PoolPrior, prices
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior
from lightning_quicktune.surrogate.intervals import width_factor

Array = NDArray[np.float64]
BOUNDS = (0.3, 3.0)


def left_out_errors(prior: PoolPrior, scores: Float[np.ndarray, "C H"]) -> list[Array]:
    """Errors of the final scores still to come on a training task, over their predicted standard deviations.

    The task is searched, in short, as a new one is.

    Args:
        prior: What the other tasks say of its configurations.
        scores: Its learning curves at the knots.

    Returns:
        One array for each of ``MOMENTS``, empty where the task has too few scores.
    """
    posterior, found = CurvePosterior(prior), {moment: np.zeros(0) for moment in MOMENTS}
    n_knots = scores.shape[1]
    slices = np.broadcast_to(np.maximum(np.round(prior.shares / prior.shares[0]), 1).astype(np.int64), scores.shape)
    following, reached, best = np.zeros((len(scores),), np.int64), np.zeros((len(scores),), np.int64), -np.inf
    for n in range(min(MOMENTS[-1] + 1, scores.size)):
        mean, covariance = posterior.moments()
        if n in found:
            variance = np.maximum(covariance[:, -1, -1], 0.0) + posterior.noise_variance(n_knots - 1)
            found[n] = ((scores[:, -1] - mean[:, -1]) / np.sqrt(variance))[following < n_knots]
        if n == 0:
            place = int(mean[:, -1].argmax())
        else:
            price = prices(prior.log_cost, slices, reached, prior.cost_exponent)
            index = optional_stopping_index(mean, covariance, price, following, best)
            place = int(np.argmax(np.where(following < n_knots, np.maximum(index, HOPELESS), -np.inf)))
        knot = int(following[place])
        posterior.observe(place, knot, float(scores[place, knot]))
        best = max(best, float(scores[place, knot]))
        reached[place], following[place] = slices[place, knot], knot + 1
    return [found[moment] for moment in MOMENTS]


def temperatures_of(errors: Sequence[Sequence[Array]]) -> Float[np.ndarray, " M"]:
    """Factors on standard deviations with which central intervals hold their share of left-out final scores.

    Args:
        errors: Of each training task, when it was left out; see ``left_out_errors``.

    Returns:
        One for each of ``MOMENTS``, within ``BOUNDS``; as at the moment before where no score was left.
    """
    factors: list[float] = []
    for several in zip(*errors, strict=True):
        known, usual = [each for each in several if len(each)], factors[-1] if factors else 1.0
        factors.append(width_factor(known) if known else usual)
    return np.clip(factors or np.ones(len(MOMENTS)), *BOUNDS)
