"""The reader of a foreign table, which tells a score that was not taken from one that is no number."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
from jaxtyping import Bool

from lightning_quicktune.metadataset.reading_json import ENDINGS, json_content, json_table, text_of

NOT_A_NUMBER = frozenset({"nan", "NaN", "NAN", "Nan", "-nan", "-NaN"})
NONE = "None"
EMPTY = frozenset({"", "NA", "N/A", "n/a", "#NA", "#N/A", "<NA>", "null", "NULL", NONE})  # where there is nothing
SEPARATORS = (",", ";", "\t")
KINDS = "a .parquet, .csv, .tsv, .jsonl or .json file"


@dataclass(frozen=True, eq=False)
class Table:
    """What a file holds.

    Args:
        cells: The table; columns of scores are float64.
        empty: Which cells are empty, one column for each column of scores; a score that says NaN is not.
        is_vague: Whether a score that is not a number may have been written as an empty cell.
        repeated: Names that several columns have, of which only the first is kept under its name.
    """

    cells: pd.DataFrame
    empty: pd.DataFrame
    is_vague: bool = False
    repeated: frozenset[str] = frozenset()


def read_table(path: Path, scores: Collection[str] | None, index: bool = False) -> Table:
    """Reads a file of Parquet, JSON, or text whose cells are separated by commas, semicolons or tabs.

    Args:
        path: The file; its ending says which it is.
        scores: Names of the columns of scores, so far as they are there; all columns if none.
        index: Whether the first column of a text file numbers the rows.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it can't be read, has no rows, or a score is neither a number nor empty.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no table {path}. `table` is {KINDS}, or a folder with config.csv and curve.csv; relative paths "
            "count from the current folder. Correct `table`."
        )
    cells, empty, repeated = _read(path, scores, index)
    if cells.empty:
        raise ValueError(f"{path} has no rows, so there is nothing to import. Check that it was written to its end.")
    cells = cells.assign(**{name: numbers(cells[name], path) for name in empty.columns})
    says_nan = any((np.isnan(cells[name].to_numpy()) & ~empty[name].to_numpy()).any() for name in empty.columns)
    return Table(cells, empty, path.suffix == ".parquet" and not says_nan, repeated)


def _read(path: Path, scores: Collection[str] | None, index: bool) -> tuple[pd.DataFrame, pd.DataFrame, frozenset[str]]:
    """Cells, which of the scores are empty, and names that several columns have."""
    repeated: frozenset[str] = frozenset()
    if path.suffix == ".parquet":
        with _readable(path):
            cells = pd.read_parquet(path)
        cells = cells.reset_index(drop=cells.index.names == [None])
    elif path.name.removesuffix(".gz").endswith(ENDINGS):
        with _readable(path):
            content = json_content(path)
        cells = json_table(content, path)
    else:
        with _readable(path):
            cells, repeated = _read_text(path, scores, index)
    names = [name for name in cells.columns if scores is None or name in scores]
    nothing = _nulls if path.suffix == ".parquet" else _nothing
    empty = pd.DataFrame({name: nothing(path, name, cells) for name in names}, index=cells.index)
    return _plain(cells), empty, repeated


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Says of which file it was that a package could not read something."""
    try:
        yield
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(
            f"{path} can't be read: {' '.join(str(error).split()).rstrip('.')}. `table` is {KINDS}, with text in "
            "UTF-8; the ending of its name tells which. Write it so, or correct `table`."
        ) from error


def _plain(cells: pd.DataFrame) -> pd.DataFrame:
    """The same cells with the narrowest type of each column; lists as text, and text without blanks around it."""
    plain = {}
    for name in cells.columns:
        if cells[name].dtype == object:
            plain[name] = cells[name].map(text_of).infer_objects()
        elif pd.api.types.is_string_dtype(cells[name]):
            plain[name] = cells[name].str.strip()
    return cells.assign(**plain)


def _read_text(path: Path, scores: Collection[str] | None, index: bool) -> tuple[pd.DataFrame, frozenset[str]]:
    headers = {mark: pd.read_csv(path, sep=mark, header=None, nrows=1, dtype=str) for mark in SEPARATORS}
    mark = max(SEPARATORS, key=lambda mark: headers[mark].shape[1])
    given = [str(name).strip() for name in headers[mark].iloc[0]]
    names = pd.read_csv(path, sep=mark, nrows=0, skipinitialspace=True).columns
    others = (EMPTY | NOT_A_NUMBER) - {NONE}
    missing = {n: sorted(EMPTY if scores is None or n.strip() in scores else others) for n in names}
    options: dict[str, Any] = {
        "sep": mark,
        "index_col": 0 if index else None,
        "skipinitialspace": True,
        "keep_default_na": False,
        "na_values": missing,
        "low_memory": False,
    }
    cells = pd.read_csv(path, **options)
    of_scores = [cells[name] for name in cells.columns if scores is None or name in scores]
    if mark == ";" and any(pd.api.types.is_string_dtype(column) for column in of_scores):
        cells = pd.read_csv(path, decimal=",", **options)  # semicolons are written where commas begin decimals
    cells = cells.rename(columns=str.strip)
    cells = cells.assign(**{n: _without_none(cells[n]) for n in cells.columns if cells[n].isin([NONE]).any()})
    return cells, frozenset(name for name in given if given.count(name) > 1)


def _without_none(column: pd.Series[Any]) -> pd.Series[Any]:
    """The numbers of a column, empty where it says ``None``; among texts that is a choice like the others."""
    numbers = pd.to_numeric(column, errors="coerce")
    return numbers if (numbers.notna() | column.isna() | (column == NONE)).all() else column


def _nothing(path: Path, name: str, cells: pd.DataFrame) -> Bool[np.ndarray, " R"]:
    """Which cells are empty: in JSON null, in other files what was read as such."""
    if not path.name.removesuffix(".gz").endswith(ENDINGS):
        return cells[name].isna().to_numpy(dtype=np.bool_)
    return np.array([cell is None or (isinstance(cell, str) and cell in EMPTY) for cell in cells[name]])


def _nulls(path: Path, name: str, cells: pd.DataFrame) -> Bool[np.ndarray, " R"]:
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
