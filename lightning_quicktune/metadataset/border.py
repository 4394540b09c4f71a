"""The border of what was tried: whether the best values lie on it, so that better ones may lie beyond."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from lightning_quicktune.metadataset.arrays import CurveArrays
from lightning_quicktune.space.categorical import CategoricalDomain
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration, Value

Side = Literal["smallest", "largest"]

FEWEST = 3  # different values; of two, each is the smallest or the largest


class Border(NamedTuple):
    """On how many tasks the best configuration has the smallest or the largest value that was tried there.

    Args:
        n_smallest: Tasks where it has the smallest value.
        n_largest: Tasks where it has the largest value.
        n_tasks: Tasks where it has a value at all, and at least three were tried.
    """

    n_smallest: int
    n_largest: int
    n_tasks: int


def borders(arrays: CurveArrays, space: SearchSpace) -> dict[str, Border]:
    """How often the best value of each ordered hyperparameter lies on the border of what was tried.

    The best configuration of a task is that of the best final score; of several, all must lie on the border.

    Args:
        arrays: Learning curves of the tasks.
        space: Where the configurations come from.

    Returns:
        Counts by hyperparameter: numbers, and choices that are declared as ordered.
    """
    found = {}
    for name in ordered_names(space):
        places = _places(arrays.configurations, name, space)
        sides = [_sides(final, places, tried) for final, tried in zip(arrays.final, arrays.outcome != "", strict=True)]
        known = [side for side in sides if side is not None]
        found[name] = Border(known.count("smallest"), known.count("largest"), len(known))
    return found


def ordered_names(space: SearchSpace) -> list[str]:
    """Hyperparameters whose values have an order: numbers, and choices that are declared as ordered.

    Args:
        space: The search space.
    """
    domains = {h.name: h.domain for h in space.hyperparameters}
    return [
        name
        for name in space.names
        if not isinstance(domain := domains[name], CategoricalDomain) or (domain.ordered and domain.type != "bool")
    ]


def _places(configurations: Sequence[Configuration], name: str, space: SearchSpace) -> Float[np.ndarray, " C"]:
    """Place of each value in the order of its domain, not a number where the hyperparameter is inactive."""
    domain = next(h.domain for h in space.hyperparameters if h.name == name)
    place: dict[Value, float] = {}
    for value in {c.values[name] for c in configurations if name in c.values}:
        place[value] = float(domain.index(value) if isinstance(domain, CategoricalDomain) else value)
    return np.array([place[c.values[name]] if name in c.values else np.nan for c in configurations])


def _sides(
    final: Float[np.ndarray, " C"], places: Float[np.ndarray, " C"], tried: Bool[np.ndarray, " C"]
) -> Side | Literal["inside"] | None:
    if not np.isfinite(final).any():
        return None
    return _side(np.where(tried, places, np.nan), final == np.nanmax(final))


def _side(places: Float[np.ndarray, " C"], best: Bool[np.ndarray, " C"]) -> Side | Literal["inside"] | None:
    """Where the best lie among all; none if they have no value or there are fewer than three values."""
    values, mine = np.unique(places[np.isfinite(places)]), places[best & np.isfinite(places)]
    if len(values) < FEWEST or not len(mine):
        return None
    if (mine == values[0]).all():
        return "smallest"
    return "largest" if (mine == values[-1]).all() else "inside"
