"""The reader of a foreign table, which tells a score that was not taken from one that is no number."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
from jaxtyping import Bool

NOT_A_NUMBER = frozenset({"nan", "NaN", "-nan", "-NaN"})
NONE = "None"
EMPTY = frozenset({"", "NA", "N/A", "n/a", "#NA", "#N/A", "<NA>", "null", "NULL", NONE})  # where there is nothing


@dataclass(frozen=True, eq=False)
class Table:
    """What a file holds.

    Args:
        cells: The table; columns of scores are float64.
        empty: Which cells are empty, one column for each column of scores; a score that says NaN is not.
        is_vague: Whether a score that is not a number may have been written as an empty cell.
    """

    cells: pd.DataFrame
    empty: pd.DataFrame
    is_vague: bool = False


def read_table(path: Path, scores: Collection[str] | None, index: bool = False) -> Table:
    """Reads a Parquet or CSV file.

    Args:
        path: The file.
        scores: Names of the columns of scores, so far as they are there; all columns if none.
        index: Whether the first column of a CSV file numbers the rows.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a score is neither a number nor empty.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no table {path}. `table` is a .parquet or .csv file, or a folder with config.csv and "
            "curve.csv; relative paths count from the current folder. Correct `table`."
        )
    is_parquet = path.suffix == ".parquet"
    cells = pd.read_parquet(path) if is_parquet else _read_csv(path, scores, index)
    if is_parquet:
        cells = cells.reset_index(drop=cells.index.names == [None])
    names = [name for name in cells.columns if scores is None or name in scores]
    empty = pd.DataFrame({name: _nulls(path, name) if is_parquet else cells[name].isna() for name in names})
    cells = cells.assign(**{name: numbers(cells[name], path) for name in names})
    says_nan = any((np.isnan(cells[name].to_numpy()) & ~empty[name].to_numpy()).any() for name in names)
    return Table(cells, empty, is_parquet and not says_nan)


def _read_csv(path: Path, scores: Collection[str] | None, index: bool) -> pd.DataFrame:
    names = pd.read_csv(path, nrows=0).columns
    others = (EMPTY | NOT_A_NUMBER) - {NONE}
    missing = {n: sorted(EMPTY if scores is None or n in scores else others) for n in names}
    cells = pd.read_csv(
        path, index_col=0 if index else None, keep_default_na=False, na_values=missing, low_memory=False
    )
    return cells.assign(**{n: _without_none(cells[n]) for n in cells.columns if cells[n].isin([NONE]).any()})


def _without_none(column: pd.Series[Any]) -> pd.Series[Any]:
    """The numbers of a column, empty where it says ``None``; among texts that is a choice like the others."""
    numbers = pd.to_numeric(column, errors="coerce")
    return numbers if (numbers.notna() | column.isna() | (column == NONE)).all() else column


def _nulls(path: Path, name: str) -> Bool[np.ndarray, " R"]:
    column = parquet.read_table(path, columns=[name])[name]
    nulls: Bool[np.ndarray, " R"] = column.is_null().to_numpy()
    return nulls


def numbers(column: pd.Series[Any], path: Path) -> pd.Series[Any]:
    """A column of scores or costs as float64, not a number where it is empty or says so.

    Args:
        column: The column.
        path: Where it was read.

    Raises:
        ValueError: If a cell holds anything else.
    """
    if pd.api.types.is_float_dtype(column):
        return column.astype("float64")
    found = pd.to_numeric(column, errors="coerce").astype("float64")
    wrong = column[found.isna() & column.notna() & ~column.isin(NOT_A_NUMBER)]
    if len(wrong):
        raise ValueError(
            f"{path} has {len(wrong)} cells in the column {column.name!r} that are no numbers; the first is "
            f"{wrong.iloc[0]!r}. A score or cost is a number, or empty where there is none. Correct these cells, or "
            "name another column in `columns`."
        )
    return found
