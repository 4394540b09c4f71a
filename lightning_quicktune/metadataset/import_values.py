"""Cells of a foreign table's hyperparameters -> values that a search space can declare, under names that it allows."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lightning_quicktune.metadataset.table import TRIAL_COLUMNS, cell_value
from lightning_quicktune.space.declaration import is_number, is_number_as_text
from lightning_quicktune.types import Value

Columns = dict[str, list[Value | None]]

LONGEST = 2**53  # configurations compare their numbers in double precision
EMPTY, NUMBER = "empty", "number"  # choices that stand for an empty cell, and for the number in the column beside


def plain_columns(frame: pd.DataFrame) -> Columns:
    """Hyperparameters as plain Python values, ``None`` where one is inactive.

    Whole numbers become integers, single-precision numbers their shortest decimal, so that 0.0001 stays 0.0001, and
    numbers written as text numbers; dates, infinity and the like become text.

    Args:
        frame: One row per configuration, one column per hyperparameter.

    Raises:
        ValueError: If a whole number is too long to be told from its neighbours.
    """
    found = {str(name): _plain(frame[name]) for name in frame.columns}
    for name, values in found.items():
        for value in values:
            if isinstance(value, int) and abs(value) > LONGEST:
                raise ValueError(
                    f"The hyperparameter {name!r} has the value {value}, but whole numbers beyond {LONGEST} can't be "
                    "told from their neighbours. Take it from `hyperparameters`, or write it as text with a letter."
                )
    return found


def fit_names(names: Iterable[str]) -> dict[str, str]:
    """A name for each hyperparameter that can head a column: letters, digits and underscores.

    Args:
        names: What the table calls them.

    Raises:
        ValueError: If two would have the same.
    """
    fit: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"\W", "_", name)
        plain = plain if re.match(r"[A-Za-z_]", plain) and plain.isidentifier() else f"_{plain}"
        fit[name] = f"{plain}_" if plain in TRIAL_COLUMNS else plain
        same = [other for other in fit if other != name and fit[other] == fit[name]]
        if same:
            raise ValueError(
                f"The hyperparameters {same[0]!r} and {name!r} would both be called {fit[name]!r}, since a name has "
                "letters, digits and underscores only. Rename one of the two columns."
            )
    return fit


def told_apart(columns: Mapping[str, list[Value | None]]) -> tuple[Columns, list[str]]:
    """Columns of one kind each: numbers that texts or unexplained empty cells are among get a choice beside them.

    Where no other hyperparameter tells when a cell is empty, being empty is a choice of its own.

    Args:
        columns: Values of each hyperparameter, one per configuration.

    Returns:
        The columns, with ``NAME_kind`` before the numbers of ``NAME``, and what to say of those that were changed.
    """
    found: Columns = {}
    notes = []
    for name, values in columns.items():
        numbers = [value for value in values if is_number(value)]
        types = {type(value) for value in values if value is not None and not is_number(value)}
        unexplained = None in values and condition(values, columns) is None
        if len(types) <= 1 and not (numbers and types) and not unexplained:
            found[name] = values
            continue
        kinds: list[Value | None] = [NUMBER if is_number(value) else _choice(value) for value in values]
        is_empty = f"empty in {values.count(None)} of {len(values)} configurations"
        if numbers:
            kind = _free(f"{name}_kind", columns)
            found |= {kind: kinds, name: _whole([value if is_number(value) else None for value in values])}
            others = sorted({str(k) for k in kinds} - {NUMBER, EMPTY})
            listed = f"text in some ({', '.join(others[:5])})" if others else ""
            what = " and ".join(part for part in (is_empty if None in values else "", listed) if part)
            notes.append(f"`{name}` is {what}: `{kind}` tells which, and `{name}` is there where it is a number")
        else:
            found[name] = kinds if unexplained else [None if value is None else _choice(value) for value in values]
            if unexplained:
                notes.append(f"`{name}` is {is_empty}, which counts as the choice {EMPTY!r}")
    return found, notes


def condition(values: list[Value | None], columns: Mapping[str, list[Value | None]]) -> dict[str, list[Value]] | None:
    """The hyperparameter that tells when another one is active, and its values where it is; none if there is none.

    Args:
        values: Those of the hyperparameter that is sometimes inactive.
        columns: Values of each hyperparameter, one per configuration.
    """
    for parent, states in columns.items():
        if None in states or isinstance(states[0], float):
            continue
        active = {s for s, v in zip(states, values, strict=True) if v is not None}
        inactive = {s for s, v in zip(states, values, strict=True) if v is None}
        if not active & inactive:
            return {parent: sorted((s for s in active if s is not None), key=str)}
    return None


def _plain(column: pd.Series[Any]) -> list[Value | None]:
    cells = column.astype(object).tolist()
    if column.dtype == np.float32:
        cells = [float(str(np.float32(cell))) for cell in cells]
    return _whole([_value(cell_value(cell.item() if isinstance(cell, np.generic) else cell)) for cell in cells])


def _value(cell: Any) -> Value | None:
    if cell is None or isinstance(cell, bool | int) or is_number(cell):
        return cell  # type: ignore[no-any-return]
    text = str(cell)
    if not is_number_as_text(text):
        return text
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)


def _whole(values: list[Value | None]) -> list[Value | None]:
    """Whole numbers as integers, where all are."""
    known = [v for v in values if v is not None]
    if all(isinstance(v, int | float) and not isinstance(v, bool) and float(v).is_integer() for v in known):
        return [None if v is None else int(v) for v in values]
    return values


def _choice(value: Value | None) -> str:
    if value is None:
        return EMPTY
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _free(name: str, taken: Collection[str]) -> str:
    return _free(f"{name}_", taken) if name in taken else name
