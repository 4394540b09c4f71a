"""Random configurations of a search space, drawn by ConfigSpace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import ConfigSpace

from lightning_quicktune.space.categorical import CategoricalDomain
from lightning_quicktune.space.hyperparameter import Domain, Hyperparameter
from lightning_quicktune.types import Configuration, Value

_BLOCK = 256  # always drawn together, so that a longer sample begins with the shorter one


def sample_forever(ordered: Sequence[Hyperparameter], seed: int) -> Iterator[Configuration]:
    """Yields independent random configurations, the same ones for the same seed.

    Args:
        ordered: Hyperparameters, each after those that its condition names.
        seed: Seed of the draw.
    """
    space, by_name = _config_space(ordered, seed), {h.name: h for h in ordered}
    while True:
        for drawn in space.sample_configuration(_BLOCK):
            yield Configuration(
                {name: drawn_value(by_name[name].domain, drawn[name]) for name in by_name if name in drawn}
            )


def _config_space(ordered: Sequence[Hyperparameter], seed: int) -> Any:  # ConfigSpace is not typed for checkers
    """The same search space as a ConfigSpace object, in which a choice is given by its place from 0.

    Places, because ConfigSpace would turn choices of mixed types into NumPy's values of one type.
    """
    space = ConfigSpace.ConfigurationSpace(seed=seed)
    by_name = {h.name: h for h in ordered}
    for h in ordered:
        space.add(_config_space_hyperparameter(h))
    for h in ordered:
        conditions = []
        for parent, allowed in h.when.items():
            domain = by_name[parent].domain
            assert isinstance(domain, CategoricalDomain)  # checked when the space was built
            places = [domain.index(v) for v in allowed]
            conditions.append(ConfigSpace.InCondition(space[h.name], space[parent], places))
        if conditions:
            space.add(conditions[0] if len(conditions) == 1 else ConfigSpace.AndConjunction(*conditions))
    return space


def _config_space_hyperparameter(h: Hyperparameter) -> Any:
    domain = h.domain
    if isinstance(domain, CategoricalDomain):
        return ConfigSpace.Categorical(h.name, list(range(len(domain.choices))), default=domain.index(domain.default))
    if domain.type == "int":
        return ConfigSpace.Integer(
            h.name, (int(domain.lower), int(domain.upper)), default=domain.default, log=domain.log
        )
    return ConfigSpace.Float(h.name, (float(domain.lower), float(domain.upper)), default=domain.default, log=domain.log)


def drawn_value(domain: Domain, drawn: Any) -> Value:
    """The value that a sampler's draw stands for.

    Args:
        domain: Where it was drawn from.
        drawn: The place of a choice, from 0, or a number, which rounding may have put just past a bound.
    """
    if isinstance(domain, CategoricalDomain):
        return domain.choices[int(drawn)]
    number = round(float(drawn)) if domain.type == "int" else float(drawn)
    return min(max(number, type(number)(domain.lower)), type(number)(domain.upper))
