"""The members of a pool that are nearest to what continuous methods propose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lightning_quicktune.search.pool import by_id
from lightning_quicktune.space.hyperparameter import Domain
from lightning_quicktune.space.sampling import drawn_value
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration, Value


class NearestMembers:
    """Gives each proposal the nearest member of the pool, in encoded space, that no earlier one was given.

    Args:
        space: Where configurations come from.
        pool: Distinct configurations; on a tie the first is nearer.
    """

    def __init__(self, space: SearchSpace, pool: Sequence[Configuration]) -> None:
        self._space, self._pool = space, list(by_id(pool).values())
        self._encoded = space.encode(self._pool)  # (N, D)
        self._free = np.ones(len(self._pool), dtype=np.bool_)

    @property
    def is_exhausted(self) -> bool:
        """Whether every member was given away."""
        return not self._free.any()

    def take(self, proposal: Configuration) -> Configuration:
        """The nearest member that is left.

        Args:
            proposal: Any point of the search space.
        """
        distances = np.square(self._encoded - self._space.encode([proposal])).sum(axis=1)
        place = int(np.argmin(np.where(self._free, distances, np.inf)))
        self._free[place] = False
        return self._pool[place]


def nearest_random_order(space: SearchSpace, pool: Sequence[Configuration], seed: int) -> tuple[Configuration, ...]:
    """The pool in the order in which random proposals reach its members: the control of model-based proposals.

    Args:
        space: Where configurations come from.
        pool: Distinct configurations.
        seed: Seed of the proposals.
    """
    members, n = NearestMembers(space, pool), min(len(pool), int(min(space.size - 1, len(pool))))
    order = [members.take(proposal) for proposal in space.sample(n, seed)]
    return tuple(dict.fromkeys([*order, *pool]))


def active_configuration(space: SearchSpace, draw: Callable[[str, Domain], float]) -> Configuration:
    """A configuration of draws, in which hyperparameters whose condition fails are left out.

    Args:
        space: Where configurations come from.
        draw: Draws a number, or the place of a choice, for a hyperparameter of a name and domain.
    """
    values: dict[str, Value] = {}
    for h in space.hyperparameters:
        if h.is_active(values):
            values[h.name] = drawn_value(h.domain, draw(h.name, h.domain))
    return Configuration(values)
