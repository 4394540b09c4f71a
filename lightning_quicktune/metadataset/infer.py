"""A search space for a table that has none: from the values that were tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lightning_quicktune.metadataset.table import cell_value
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration, Value

LOG_SPAN = 100.0  # a positive range whose ends differ by more than this factor is searched on a log scale


def plain_columns(frame: pd.DataFrame) -> dict[str, list[Value | None]]:
    """Hyperparameters as plain Python values, ``None`` where one is inactive.

    Whole numbers become integers, and single-precision numbers their shortest decimal, so that 0.0001 stays 0.0001.

    Args:
        frame: One row per configuration, one column per hyperparameter.
    """
    return {str(name): _plain(frame[name]) for name in frame.columns}


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
        columns: Values of each hyperparameter, one per configuration.
        n_tasks: On how many tasks each configuration was tried.
        default: Place of the default configuration.

    Raises:
        ValueError: If a hyperparameter is sometimes inactive, and no other one tells when.
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


def _plain(column: pd.Series[Any]) -> list[Value | None]:
    cells = column.astype(object).tolist()
    if column.dtype == np.float32:
        cells = [float(str(np.float32(cell))) for cell in cells]
    values = [cell_value(cell.item() if isinstance(cell, np.generic) else cell) for cell in cells]
    known = [v for v in values if v is not None]
    if all(isinstance(v, int | float) and not isinstance(v, bool) and float(v).is_integer() for v in known):
        return [None if v is None else int(v) for v in values]
    return values


def _declare(name: str, values: list[Value | None], columns: Mapping[str, list[Value | None]]) -> dict[str, Any]:
    known = [v for v in values if v is not None]
    record: dict[str, Any] = {"key": name, "domain": _domain(known)}
    if len(known) < len(values):
        record["when"] = _condition(name, values, columns)
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


def _condition(
    name: str, values: list[Value | None], columns: Mapping[str, list[Value | None]]
) -> dict[str, list[Value]]:
    for parent, states in columns.items():
        if None in states or isinstance(states[0], float):
            continue
        active = {s for s, v in zip(states, values, strict=True) if v is not None}
        inactive = {s for s, v in zip(states, values, strict=True) if v is None}
        if not active & inactive:
            return {parent: sorted((s for s in active if s is not None), key=str)}
    raise ValueError(
        f"The hyperparameter {name!r} is empty in {values.count(None)} of {len(values)} configurations, and no single "
        "other hyperparameter tells when it is active. Declare the search space, with `when`, in a YAML file and name "
        "it by `space`."
    )
