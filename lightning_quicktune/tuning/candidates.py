"""The candidates: what earlier tasks have tried, beside configurations that are drawn."""

from __future__ import annotations

from lightning_quicktune.search.pool import candidate_pool
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.tuning.experience import Experience
from lightning_quicktune.types import Configuration


def candidates_of(
    space: SearchSpace, pool_size: int, seed: int, experience: Experience | None
) -> tuple[Configuration, ...]:
    """The default and drawn configurations, then half as many that earlier tasks tried, the best of them.

    What is known of a configuration that others tried is worth more than what is known of its neighbours, and a draw
    hits none of them.

    Args:
        space: The search space.
        pool_size: How many without those that were tried.
        seed: Seed of the draw.
        experience: What earlier tasks taught the searcher; none if it doesn't ask.
    """
    drawn = candidate_pool(space, pool_size - 1, seed)
    tried = () if experience is None else _tried(space, pool_size // 2, experience)
    return tuple(dict.fromkeys([*drawn, *tried]))


def _tried(space: SearchSpace, most: int, experience: Experience) -> tuple[Configuration, ...]:
    curves, table = experience.curves, experience.table
    if curves is not None:
        return () if curves.card.space.differences(space) else curves.best_tried(most)
    if table is None or table.space.differences(space):
        return ()
    tasks: dict[Configuration, set[str]] = {}
    for row in table.curves():
        tasks.setdefault(row.configuration, set()).add(row.task)
    return tuple(sorted(tasks, key=lambda c: -len(tasks[c]))[:most])
