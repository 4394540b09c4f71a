"""Orders in which to try configurations, from their ranks on other tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from lightning_quicktune.surrogate.curves.ranks import greedy_places
from lightning_quicktune.types import Configuration


def greedy_order(pool: Sequence[Configuration], ranks: Float[np.ndarray, "N C"]) -> tuple[Configuration, ...]:
    """A pool in the order of ``greedy_places``.

    Args:
        pool: The configurations.
        ranks: Rank of each on each task, lower is better.
    """
    return tuple(pool[place] for place in greedy_places(ranks).tolist())


def ranked_order(pool: Sequence[Configuration], ranks: Float[np.ndarray, " C"]) -> tuple[Configuration, ...]:
    """Puts the lowest rank first.

    Args:
        pool: The configurations.
        ranks: Rank of each, lower is better.
    """
    return tuple(pool[place] for place in np.argsort(ranks, kind="stable"))
