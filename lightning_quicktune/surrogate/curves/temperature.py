"""How much wider or narrower reported intervals must be than a posterior's own to hold what they say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from lightning_quicktune.surrogate.curves.left_out import left_out_search
from lightning_quicktune.surrogate.curves.pool_prior import MOMENTS, PoolPrior

Array = NDArray[np.float64]
LEVEL = 0.8  # of the central interval that is to hold
LEVELS = np.linspace(LEVEL, 1.0, 21)
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

    Each is chosen such that what the other tasks say holds the share on a task, in the mean over tasks: a new one is
    not among those that the factor is learned from.

    Args:
        errors: Of each training task, when it was left out; see ``left_out_errors``.

    Returns:
        One for each of ``MOMENTS``, within ``BOUNDS``; as at the moment before where no score was left.
    """
    factors: list[float] = []
    for several in zip(*errors, strict=True):
        known, usual = [np.abs(each) for each in several if len(each)], factors[-1] if factors else 1.0
        factors.append(_width(known) / float(ndtri(0.5 + LEVEL / 2)) if known else usual)
    return np.clip(factors, *BOUNDS)


def _width(errors: Sequence[Array]) -> float:
    """The quantile of all errors, at the lowest level from ``LEVEL`` on that holds on tasks that are left out."""
    everything = np.concatenate(errors)
    if len(errors) == 1:
        return float(np.quantile(everything, LEVEL))
    others = [np.concatenate([*errors[:t], *errors[t + 1 :]]) for t in range(len(errors))]
    widths = np.array([np.quantile(each, LEVELS) for each in others])  # (T, levels)
    held = np.mean([(each[:, None] <= row).mean(0) for each, row in zip(errors, widths, strict=True)], axis=0)
    level = LEVELS[int(np.argmax(held >= LEVEL))] if held[-1] >= LEVEL else LEVELS[-1]
    return float(np.quantile(everything, level))
