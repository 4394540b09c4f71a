"""The order in which ``recommend`` names configurations: by the final score that is expected before any training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lightning_quicktune.types import Configuration

if TYPE_CHECKING:
    from lightning_quicktune.search.knowledge import Knowledge


def recommended_order(pool: Sequence[Configuration], knowledge: Knowledge) -> tuple[Configuration, ...]:
    """A pool by expected final score, best first; equal ones in the order of the pool.

    Args:
        pool: The configurations.
        knowledge: What earlier tasks taught of learning curves.
    """
    assert knowledge.curves is not None  # the lesson of this method
    final = knowledge.curves.pool_prior(pool).mean[:, -1]
    return tuple(pool[place] for place in np.argsort(-final, kind="stable").tolist())
