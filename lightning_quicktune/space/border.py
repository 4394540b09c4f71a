"""The border of a configuration: of its search space, or of what was tried."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from lightning_quicktune.space.categorical import CategoricalDomain
from lightning_quicktune.space.declaration import label
from lightning_quicktune.space.hyperparameter import Domain
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration, Value

_NEAR = 0.01  # share of a continuous domain next to a bound that counts as the bound, which no sample meets
_FEWEST = 3  # different values that must have been tried: of two, each is at the border


class AtBorder(NamedTuple):
    """One hyperparameter whose value has no larger, or no smaller, neighbour.

    Args:
        name: Name of the hyperparameter.
        value: Its value.
        side: Whether it is the smallest or the largest value.
        of: Of the search space, or only of what was tried.
    """

    name: str
    value: Value
    side: Literal["smallest", "largest"]
    of: Literal["space", "tried"]

    @property
    def words(self) -> str:
        """What to say of it."""
        shown = f"{self.value:.3g}" if isinstance(self.value, float) else label(self.value)
        if self.of == "space":
            return (
                f"{self.name} {shown} is at the {self.side} value of the search space; better may lie beyond: widen "
                f"`{self.name}.domain` in the space."
            )
        further = "larger" if self.side == "largest" else "smaller"
        return (
            f"{self.name} {shown} is the {self.side} that was tried; better may lie beyond: the space has {further} "
            "values, which a larger budget would try."
        )


def at_border(space: SearchSpace, configuration: Configuration, tried: Sequence[Configuration] = ()) -> list[AtBorder]:
    """Hyperparameters whose values come in an order and lie at the border, in the order of the space.

    A smallest value of 0 is no border to widen: there is no less dropout, decay or warm-up than none. A value that the
    space hasn't, as a recipe that was written by hand may have, is at no border.

    Args:
        space: The search space.
        configuration: The best one, such as what was chosen or is recommended.
        tried: Configurations that were tried; where there are too few different values of a hyperparameter, only the
            border of the space counts.
    """
    domains = {h.name: h.domain for h in space.hyperparameters}
    found = []
    for name in space.names:
        domain, value = domains[name], configuration.values.get(name)
        if value is not None and _is_ordered(domain) and domain.find(value) is not None:
            values = [c.values[name] for c in tried if name in c.values]
            found += _borders(name, domain, value, values)
    return found


def _borders(name: str, domain: Domain, value: Value, tried: Sequence[Value]) -> list[AtBorder]:
    (place,) = domain.encode(value)
    near = _NEAR if math.isinf(domain.size) else 0.0
    if place >= 1.0 - near:
        return [AtBorder(name, value, "largest", "space")]
    if place <= near:
        least = domain.choices[0] if isinstance(domain, CategoricalDomain) else domain.lower
        return [] if least == 0 else [AtBorder(name, value, "smallest", "space")]
    places = {place, *(domain.encode(other)[0] for other in tried)}
    if len(places) < _FEWEST or min(places) < place < max(places):
        return []
    return [AtBorder(name, value, "smallest" if place == min(places) else "largest", "tried")]


def _is_ordered(domain: Domain) -> bool:
    return not isinstance(domain, CategoricalDomain) or (domain.ordered and domain.type != "bool")
