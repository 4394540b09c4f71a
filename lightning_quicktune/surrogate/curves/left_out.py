"""What a search would see, in short, of a training task by those who don't know it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightning_quicktune.surrogate.curves.optional_stopping import optional_stopping_index
from lightning_quicktune.surrogate.curves.pool_prior import PoolPrior
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior

Array = NDArray[np.float64]


class Step(NamedTuple):
    """One observation that is about to be taken in.

    Args:
        posterior: What is known before it.
        place: Index of the configuration.
        knot: Index of the knot.
        observed: The score.
        unseen: Whether the final score of a configuration is still to come, shape ``(C,)``.
    """

    posterior: CurvePosterior
    place: int
    knot: int
    observed: float
    unseen: NDArray[np.bool_]


def left_out_search(prior: PoolPrior, scores: Array, n: int) -> Iterator[Step]:
    """Searches a training task as a new one is searched, at predicted costs.

    What a step yields holds until the next one is asked for.

    Args:
        prior: What the other tasks say of its configurations.
        scores: Its learning curves, shape ``(C, F)``.
        n: Most observations.
    """
    posterior, knots = CurvePosterior(prior), prior.knots
    following, reached = np.zeros((2, len(scores)), dtype=np.int64)
    best = float(np.median(posterior.moments()[0][:, -1]))  # stands for it before any score
    for step in range(min(n, len(scores) * len(knots))):
        mean, covariance = posterior.moments()
        prices = prior.prices(prior.log_cost, reached)
        place = int(np.argmax(optional_stopping_index(mean, covariance, prices, following, best)))
        knot = int(following[place])
        observed = float(scores[place, knots[knot] - 1])
        yield Step(posterior, place, knot, observed, following < len(knots))
        posterior.observe(place, knot, observed)
        reached[place] = knots[knot]
        following[place] += 1
        highest = float(scores[place, : reached[place]].max())
        best = max(best, highest) if step else highest
