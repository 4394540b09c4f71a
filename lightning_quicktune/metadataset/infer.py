"""A search space for a table that has none: from the values that were tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from lightning_quicktune.metadataset.import_values import condition
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration, Value

LOG_SPAN = 100.0  # a positive range whose ends differ by more than this factor is searched on a log scale


def constants(columns: Mapping[str, list[Value | None]]) -> dict[str, Value | None]:
    """Hyperparameters that were never varied, and their one value: they can't be searched.

    Args:
        columns: Values of each hyperparameter, one per configuration.
    """
    distinct = {name: {v for v in values if v is not None} for name, values in columns.items()}
    return {name: next(iter(values), None) for name, values in distinct.items() if len(values) < 2}


def infer_space(
    columns: Mapping[str, list[Value | None]], n_tasks: list[int], default: int | None = None
) -> SearchSpace:
    """The smallest search space that holds all configurations.

    Unless it is given, the default is the configuration nearest to the middle of all, of those that were tried on the
    most tasks: it was recorded, and no score was looked at to choose it.

    Args:
        columns: Values of each hyperparameter, one per configuration; where one is sometimes inactive, another tells.
        n_tasks: On how many tasks each configuration was tried.
        default: Place of the default configuration.
    """
    declaration = {name: _declare(name, values, columns) for name, values in columns.items()}
    space = SearchSpace.from_dict(declaration)
    rows = [Configuration({n: v[i] for n, v in columns.items() if v[i] is not None}) for i in range(len(n_tasks))]  # type: ignore[misc]
    if default is None:
        encoded = space.encode(rows)
        distance = np.linalg.norm(encoded - encoded.mean(axis=0), axis=1)
        default = int(np.argmin(np.where(np.array(n_tasks) == max(n_tasks), distance, np.inf)))
    for name, value in rows[default].values.items():
        declaration[name]["domain"]["default"] = value
    return SearchSpace.from_dict(declaration)


def _declare(name: str, values: list[Value | None], columns: Mapping[str, list[Value | None]]) -> dict[str, Any]:
    known = [v for v in values if v is not None]
    record: dict[str, Any] = {"key": name, "domain": _domain(known)}
    if len(known) < len(values):
        record["when"] = condition(values, columns)
    return record


def _domain(known: list[Value]) -> dict[str, Any]:
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in known):
        choices = sorted(set(known), key=str)
        if choices == [False, True]:
            return {"type": "bool", "default": False}
        return {"type": "categorical", "choices": choices, "default": max(choices, key=Counter(known).__getitem__)}
    numbers = [float(v) for v in known]
    lower, upper = min(numbers), max(numbers)
    whole = all(isinstance(v, int) for v in known)
    number = int if whole else float
    return {
        "type": "int" if whole else "float",
        "bounds": [number(lower), number(upper)],
        "log": lower > 0 and upper > LOG_SPAN * lower,
        "default": sorted(number(v) for v in numbers)[len(numbers) // 2],
    }
