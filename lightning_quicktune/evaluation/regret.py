"""Regret and ranks: what a replay's incumbents say of a method."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata

EQUAL = 1e-12  # regrets that differ by rounding alone


def normalised_regret(
    scores: Float[np.ndarray, "*shape"], best: float, median_final: float
) -> Float[np.ndarray, "*shape"]:
    r"""How far scores are below the best known one, in units of what search can gain.

    .. math:: (b - y) / (b - m)

    Args:
        scores: Score y of each incumbent.
        best: Best score b at any fidelity of the task's pool.
        median_final: Median m of the pool's scores after a full training.

    Returns:
        0 for the best known score, 1 for a configuration like any other, more for a worse one.

    Raises:
        ValueError: If ``best`` is not above ``median_final``.
    """
    if not best > median_final:
        raise ValueError(
            f"The best score of the pool is {best} and the median final score {median_final}, so there is nothing to "
            "gain by search and regret has no unit. Leave such a task out of the evaluation."
        )
    return np.asarray((best - scores) / (best - median_final))


def mean_ranks(regrets: Float[np.ndarray, "methods comparisons"]) -> Float[np.ndarray, " methods"]:
    """Mean rank of each method, 1 for the lowest regret; equal ones share the mean of their ranks.

    Args:
        regrets: Regret of each method in each comparison, such as a task and seed.
    """
    return np.asarray(rankdata(np.round(regrets / EQUAL) * EQUAL, axis=0, method="average").mean(axis=1))


def win_tie_loss(regrets: Float[np.ndarray, "methods tasks"]) -> Int[np.ndarray, "methods methods 3"]:
    """On how many tasks each method (row) is better than, equal to and worse than each other one (column).

    Args:
        regrets: Regret of each method on each task.
    """
    gap = regrets[None] - regrets[:, None]  # (row, column, task): above 0 where the row is better
    return np.stack([(gap > EQUAL).sum(2), (np.abs(gap) <= EQUAL).sum(2), (gap < -EQUAL).sum(2)], axis=2)
