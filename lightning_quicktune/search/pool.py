"""The pool: the configurations that a searcher chooses from."""

from __future__ import annotations

import random
from collections.abc import Sequence

from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration


def candidate_pool(space: SearchSpace, n: int, seed: int) -> tuple[Configuration, ...]:
    """The default configuration, then ``n`` distinct random ones, or all others of a space that has no more.

    A larger pool with the same seed begins with the smaller one.

    Args:
        space: Where they are drawn from.
        n: Random configurations.
        seed: Seed of the draw.
    """
    return (space.default, *space.sample(int(min(n, space.size - 1)), seed))


def shuffled(pool: Sequence[Configuration], seed: int) -> tuple[Configuration, ...]:
    """The same configurations in a random order, which depends on the seed and the order given."""
    order = list(pool)
    random.Random(seed).shuffle(order)
    return tuple(order)


def by_id(pool: Sequence[Configuration]) -> dict[str, Configuration]:
    """The pool's configurations by their ids, in order.

    Raises:
        ValueError: If the pool is empty or holds a configuration twice.
    """
    found = {c.id: c for c in pool}
    if not found:
        raise ValueError(
            "The candidate pool is empty, so there is nothing to search. Build it with `candidate_pool`, which "
            "always holds the default configuration."
        )
    if len(found) < len(pool):
        raise ValueError(
            f"The candidate pool holds {len(pool)} configurations, of which only {len(found)} are distinct; the same "
            "one would be trained twice. Remove the duplicates, for instance with `list(dict.fromkeys(pool))`."
        )
    return found
