"""What a search would see, in short, of a training task by those who don't know it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightning_quicktune.surrogate.curves.pool_prior import PoolPrior
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior

Array = NDArray[np.float64]
PROBES = (3,)  # after so many observations something is tried that is expected to do worse, for contrast
PROBED = 0.1  # its place among the untried by predicted final score, 0 is the worst


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
    """Searches a training task: always the highest mean plus standard deviation goes on to its next knot.

    At ``PROBES`` it is one for contrast. What a step yields holds until the next one is asked for.

    Args:
        prior: What the other tasks say of its configurations.
        scores: Its learning curves, shape ``(C, F)``.
        n: Most observations.
    """
    posterior, knots = CurvePosterior(prior), prior.knots
    following = np.zeros(len(scores), dtype=np.int64)
    for step in range(min(n, len(scores) * len(knots))):
        mean, covariance = posterior.moments()
        untried = np.flatnonzero(following == 0)
        if step in PROBES and len(untried):
            place = contrast(mean[:, -1], untried)
        else:
            value = mean[:, -1] + np.sqrt(np.maximum(covariance[:, -1, -1], 0.0))
            place = int(np.argmax(np.where(following < len(knots), value, -np.inf)))
        knot = int(following[place])
        observed = float(scores[place, knots[knot] - 1])
        yield Step(posterior, place, knot, observed, following < len(knots))
        posterior.observe(place, knot, observed)
        following[place] += 1


def contrast(final: Array, untried: NDArray[np.int64]) -> int:
    """The configuration that shows best whether predictions hold: one that is expected to do worse, not to fail.

    Args:
        final: Predicted final score of every configuration.
        untried: Places of those to choose from, at least one.
    """
    order = untried[np.argsort(final[untried], kind="stable")]
    return int(order[int(PROBED * (len(order) - 1))])
