"""Orders in which to try configurations, from their ranks on other tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from lightning_quicktune.types import Configuration


def greedy_order(pool: Sequence[Configuration], ranks: Float[np.ndarray, "N C"]) -> tuple[Configuration, ...]:
    """Puts next whichever configuration lowers the mean over tasks of the smallest rank so far the most.

    Where none lowers it any more, or several do alike, the lowest mean rank goes first.

    Args:
        pool: The configurations.
        ranks: Rank of each on each task, lower is better.

    References:
        Wistuba, Schilling and Schmidt-Thieme (2015), Sequential Model-free Hyperparameter Tuning: an order from
        earlier tasks. Pfisterer, van Rijn, Probst, Mueller and Bischl (2021), Learning Multiple Defaults for Machine
        Learning Algorithms: the greedy choice.
    """
    smallest, means = np.full(len(ranks), np.inf), ranks.mean(axis=0)
    left, order = list(np.argsort(means, kind="stable")), []
    while left:
        after = np.minimum(smallest[:, None], ranks[:, left]).mean(axis=0)
        if after.min() > smallest.mean() - 1e-12:  # no gain is left
            order += left
            break
        place = left.pop(int(np.argmin(np.round(after, 12))))
        smallest = np.minimum(smallest, ranks[:, place])
        order.append(place)
    return tuple(pool[place] for place in order)


def ranked_order(pool: Sequence[Configuration], ranks: Float[np.ndarray, " C"]) -> tuple[Configuration, ...]:
    """Puts the lowest rank first.

    Args:
        pool: The configurations.
        ranks: Rank of each, lower is better.
    """
    return tuple(pool[place] for place in np.argsort(ranks, kind="stable"))
