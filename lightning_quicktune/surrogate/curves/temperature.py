"""Temperatures: factors on a posterior's intervals with which they hold what they say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from lightning_quicktune.surrogate.curves.pool_prior import MOMENTS
from lightning_quicktune.surrogate.intervals import width_factor

BOUNDS = (0.3, 3.0)


def temperatures_of(errors: Sequence[Sequence[Float[np.ndarray, " _"]]]) -> Float[np.ndarray, " M"]:
    """Factors on standard deviations with which central intervals hold their share of left-out final scores.

    Args:
        errors: Of each training task, when it was left out; see ``LeftOutSearch``.

    Returns:
        One for each of ``MOMENTS``, within ``BOUNDS``; as at the moment before where no score was left.
    """
    factors: list[float] = []
    for several in zip(*errors, strict=True):
        known, usual = [each for each in several if len(each)], factors[-1] if factors else 1.0
        factors.append(width_factor(known) if known else usual)
    return np.clip(factors or np.ones(len(MOMENTS)), *BOUNDS)
