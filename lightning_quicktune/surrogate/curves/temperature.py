"""How much wider or narrower reported intervals must be than a posterior's own to hold what they say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightning_quicktune.surrogate.curves.left_out import left_out_search
from lightning_quicktune.surrogate.curves.pool_prior import MOMENTS, PoolPrior
from lightning_quicktune.surrogate.intervals import width_factor

Array = NDArray[np.float64]
BOUNDS = (0.3, 3.0)


def left_out_errors(prior: PoolPrior, scores: Array) -> list[Array]:
    """Errors of the final scores still to come on a training task, over their predicted standard deviations.

    Args:
        prior: What the other tasks say of its configurations.
        scores: Its learning curves, shape ``(C, F)``.

    Returns:
        One array for each of ``MOMENTS``, empty where the task has too few scores.
    """
    found = {moment: np.zeros(0) for moment in MOMENTS}
    for n, step in enumerate(left_out_search(prior, scores, MOMENTS[-1] + 1)):
        if n in found:
            mean, covariance = step.posterior.moments()
            std = np.sqrt(np.maximum(covariance[:, -1, -1], 0.0) + step.posterior.noise_variance())
            found[n] = ((scores[:, -1] - mean[:, -1]) / std)[step.unseen]
    return [found[moment] for moment in MOMENTS]


def temperatures_of(errors: Sequence[Sequence[Array]]) -> Array:
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
    return np.clip(factors, *BOUNDS)
