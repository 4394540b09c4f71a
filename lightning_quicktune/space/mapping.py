"""A configuration of one search space as the nearest one of another: what both know is kept, the rest by default."""

from __future__ import annotations

from lightning_quicktune.space.categorical import CategoricalDomain
from lightning_quicktune.space.declaration import is_number, label
from lightning_quicktune.space.hyperparameter import Domain, Hyperparameter
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration, Value


def shared_hyperparameters(yours: SearchSpace, known: SearchSpace) -> list[str]:
    """Names of the hyperparameters that set the same keys in both, for a choice at least, sorted.

    Args:
        yours: One search space.
        known: The other.
    """
    own = {h.name: h for h in yours.hyperparameters}
    return sorted(h.name for h in known.hyperparameters if h.name in own and _has_common(own[h.name], h))


def map_configuration(configuration: Configuration, yours: SearchSpace, known: SearchSpace) -> Configuration:
    """What a model of another search space is asked in the place of a configuration.

    A number beyond the bounds there counts as the bound, one between ordered choices as the nearest. What isn't known
    there is left out; what isn't set here, or sets other keys, is the default there.

    Args:
        configuration: Point of ``yours``.
        yours: The search space of the configuration.
        known: The search space of the model.

    Returns:
        A point of ``known``.
    """
    own, values = {h.name: h for h in yours.hyperparameters}, dict[str, Value]()
    for h in known.hyperparameters:
        if h.is_active(values):
            value = configuration.values.get(h.name)
            same = value is not None and _sets_the_same(own[h.name], h, value)
            nearest = _nearest(h.domain, value) if same and value is not None else None
            values[h.name] = h.domain.default if nearest is None else nearest
    return Configuration(values)


def _has_common(one: Hyperparameter, other: Hyperparameter) -> bool:
    if one.key is not None or other.key is not None:
        return one.key == other.key
    return any(keys == other.sets.get(choice) for choice, keys in one.sets.items())


def _sets_the_same(one: Hyperparameter, other: Hyperparameter, value: Value) -> bool:
    if one.key is not None or other.key is not None:
        return one.key == other.key
    return one.sets.get(label(value)) == other.sets.get(label(value))


def _nearest(domain: Domain, value: Value) -> Value | None:
    """The value itself, the nearest one if it has an order, or none."""
    if isinstance(domain, CategoricalDomain):
        found = domain.find(value)
        if found is None and domain.ordered and is_number(value) and all(is_number(c) for c in domain.choices):
            return min(domain.choices, key=lambda choice: abs(float(choice) - float(value)))
        return found
    if not is_number(value):
        return None
    number = min(max(float(value), float(domain.lower)), float(domain.upper))
    return round(number) if domain.type == "int" else number
