"""Conditions between the hyperparameters of a search space."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import combinations

from lightning_quicktune.space.categorical import CategoricalDomain
from lightning_quicktune.space.declaration import label
from lightning_quicktune.space.hyperparameter import Hyperparameter
from lightning_quicktune.types import Value
from lightning_quicktune.wording.spelling import did_you_mean


def parents_first(hyperparameters: Sequence[Hyperparameter]) -> tuple[Hyperparameter, ...]:
    """Checks the conditions and sorts: by name, but each after those that its condition names.

    Raises:
        ValueError: If a condition names what does not exist, has no choices, or leads back to itself.
    """
    by_name = {h.name: h for h in sorted(hyperparameters, key=lambda h: h.name)}
    for child in by_name.values():
        for parent, allowed in child.when.items():
            _check_condition(child.name, parent, allowed, by_name)
    try:
        order = tuple(TopologicalSorter({n: sorted(h.when) for n, h in by_name.items()}).static_order())
    except CycleError as error:
        raise ValueError(
            f"The conditions of {' -> '.join(error.args[1])} lead in a circle, so none of them could ever be active. "
            "Remove one `when` of them."
        ) from None
    return tuple(by_name[n] for n in order)


def check_each_key_is_set_once(ordered: Sequence[Hyperparameter]) -> None:
    """Checks that no two hyperparameters set the same key of the fit YAML while both are active.

    Args:
        ordered: Hyperparameters, each after those that its condition names.

    Raises:
        ValueError: If two may set the same key at once.
    """
    when: dict[str, dict[str, set[str]]] = {}  # by name, what must hold for it, parents' conditions included
    setters: dict[str, list[tuple[str, dict[str, set[str]]]]] = {}
    for h in ordered:
        own = {parent: {label(v) for v in allowed} for parent, allowed in h.when.items()}
        when[h.name] = _both(own, *(when[parent] for parent in h.when))
        for key in h.keys:
            choices = {h.name: {c for c, keys in h.sets.items() if key in keys}} if h.sets else {}
            setters.setdefault(key, []).append((h.name, _both(when[h.name], choices)))
    for key, found in setters.items():
        for (first, first_when), (second, second_when) in combinations(found, 2):
            if all(_both(first_when, second_when).values()):
                raise ValueError(
                    f"`{first}` and `{second}` may both set `{key}` in one configuration, and only one value would "
                    f"count. Drop one of them, or give them conditions (`when`) that exclude each other."
                )


def count_configurations(ordered: Sequence[Hyperparameter]) -> float:
    """How many configurations there are; infinite with a real-valued hyperparameter.

    Args:
        ordered: Hyperparameters, each after those that its condition names.
    """
    parents = {parent for h in ordered for parent in h.when}

    def count(index: int, values: Mapping[str, Value]) -> float:
        if index == len(ordered):
            return 1
        h = ordered[index]
        if not h.is_active(values):
            return count(index + 1, values)
        if h.name in parents and isinstance(h.domain, CategoricalDomain):
            return math.fsum(count(index + 1, {**values, h.name: choice}) for choice in h.domain.choices)
        return h.domain.size * count(index + 1, values)

    return count(0, {})


def _check_condition(
    child: str, parent: str, allowed: tuple[Value, ...], by_name: Mapping[str, Hyperparameter]
) -> None:
    if parent not in by_name:
        raise ValueError(
            f"`{child}.when` names `{parent}`, but the search space has no such hyperparameter."
            f"{did_you_mean(str(parent), by_name)} Correct `{child}.when`."
        )
    domain = by_name[parent].domain
    if not isinstance(domain, CategoricalDomain):
        raise ValueError(
            f"`{child}.when` names `{parent}`, which is {domain.describe()}, but a condition needs choices to compare "
            f"with. Make `{parent}` categorical, or drop the condition."
        )
    for value in allowed:
        if domain.find(value) is None:
            raise ValueError(
                f"`{child}.when.{parent}` lists {value!r}, but `{parent}` is {domain.describe()}."
                f"{did_you_mean(label(value), [label(c) for c in domain.choices])} Correct `{child}.when.{parent}`."
            )


def _both(*conditions: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """All conditions at once: where several bind the same parent, what they have in common."""
    joined: dict[str, set[str]] = {}
    for condition in conditions:
        for parent, allowed in condition.items():
            joined[parent] = joined[parent] & allowed if parent in joined else set(allowed)
    return joined
