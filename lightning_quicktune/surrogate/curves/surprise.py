"""How far the first scores on a task lie from what was predicted, and how far they do on tasks that are known."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from lightning_quicktune.surrogate.curves.left_out import left_out_search
from lightning_quicktune.surrogate.curves.pool_prior import PoolPrior

Array = NDArray[np.float64]
WATCHED = 16  # first scores on a task that are compared with their predictions
FEWEST = 4  # scores before anything is said: the task's location explains much of the first ones
_DRAWS = 4000
LEVEL = 0.95  # share of tasks like the training tasks that surprise less than the bound


def surprise(residuals: Array) -> float:
    """The largest mean square of the first ``n`` standardised residuals, over ``n``; 0 with too few of them.

    Args:
        residuals: (observed - predicted) / standard deviation, each predicted from the scores before it.
    """
    squares = residuals[:WATCHED] ** 2
    means = np.cumsum(squares) / np.arange(1, len(squares) + 1)
    return float(means[FEWEST - 1 :].max(initial=0.0))


def surprise_bound(surprises: Array) -> float:
    """What a task like the training tasks surprises less than, with probability ``LEVEL``.

    Their logarithms are taken as normal, with mean and variance unknown: a prediction interval by Student's t, which is
    wide where there are few tasks. It is never below what scores that follow their predictions surprise less than.

    Args:
        surprises: Of each training task, when it was left out.
    """
    known = surprises[surprises > 0]  # 0: of a task with too few scores to say
    logs, n = np.log(known), len(known)
    if n < 2:
        return float("inf")
    of_tasks = np.exp(logs.mean() + stdtrit(n - 1, LEVEL) * logs.std(ddof=1) * np.sqrt(1 + 1 / n))
    return max(float(of_tasks), bound_of_chance())


@lru_cache(maxsize=1)
def bound_of_chance() -> float:
    """What scores surprise less than with probability ``LEVEL`` if the predictions are right; by simulation."""
    residuals = np.random.default_rng(0).standard_normal((_DRAWS, WATCHED))
    return float(np.quantile([surprise(row) for row in residuals], LEVEL))


def left_out_surprise(prior: PoolPrior, scores: Array) -> float:
    """How much a training task surprises those who don't know it; see ``left_out_search``.

    Args:
        prior: What the other tasks say of its configurations.
        scores: Its learning curves, shape ``(C, F)``.
    """
    residuals = []
    for step in left_out_search(prior, scores, WATCHED):
        predicted, std = step.posterior.forecast(step.place, step.knot)
        residuals.append((step.observed - predicted) / std)
    return surprise(np.array(residuals))
