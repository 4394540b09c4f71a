"""Rows of a foreign table in the order of its learning curves, numbered by trial."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from lightning_quicktune.metadataset.import_costs import seconds, steps
from lightning_quicktune.metadataset.import_scores import check_numbers, unit_scores
from lightning_quicktune.metadataset.import_settings import ImportSettings
from lightning_quicktune.metadataset.import_slices import hole, places_in
from lightning_quicktune.metadataset.reading import numbers
from lightning_quicktune.metadataset.source import Source
from lightning_quicktune.metadataset.table import TEST

KEYS = ["task", "config_id", "seed"]


def ordered_rows(source: Source, settings: ImportSettings) -> pd.DataFrame:
    """Every row of the table under our names, ordered by task, configuration, seed and fidelity.

    Args:
        source: The foreign table.
        settings: Scale of its scores, and what a score that is not a number means.

    Returns:
        ``row`` (its place in the table), ``trial`` (from 0), ``place`` (within the trial, from 0), ``task`` and
        ``config_id`` (numbers in the order of their names), ``seed``, ``fidelity`` (a number in the order of all),
        ``score``, ``taken`` (whether a score was taken there), ``cost_s`` and perhaps ``test/score``.

    Raises:
        ValueError: If a key is empty, a score lies outside its scale or is no number, a cost is negative, or a curve
            has a fidelity twice or skips one.
    """
    names, rows, path = source.columns, source.rows, Path(settings.table)
    scores = rows[names.score].to_numpy(dtype=np.float64)
    taken = ~source.empty
    if settings.nan == "refused":
        check_numbers(source, taken & ~np.isfinite(scores))
    frame = pd.DataFrame(
        {
            "row": np.arange(len(rows)),
            "task": _codes(rows[names.task], taken, "columns.task"),
            "config_id": _codes(rows[names.config_id], taken, "columns.config_id"),
            "seed": 0 if names.seed is None else _seeds(rows[names.seed], taken),
            "fidelity": _codes(_comparable(rows[names.fidelity]), taken, "columns.fidelity"),
            "score": unit_scores(scores, names.score, settings),
            "taken": taken,
            "cost_s": math.nan if names.cost is None else seconds(rows[names.cost], settings),
        }
    )
    if names.test_score is not None:
        test = numbers(rows[names.test_score], path).to_numpy()
        frame[TEST + "score"] = unit_scores(test, names.test_score, settings)
    frame = frame[(frame[KEYS[:2]] >= 0).all(axis=1).to_numpy()]  # a logger's rows may lack them
    order = np.lexsort([frame[name].to_numpy() for name in ("taken", "fidelity", *reversed(KEYS))])
    frame = frame.iloc[order].reset_index(drop=True)
    starts = np.diff(frame[KEYS].to_numpy(), axis=0, prepend=-1).any(axis=1)
    trial = np.cumsum(starts) - 1
    frame = frame.assign(trial=trial, place=places_in(trial))
    _check_curves(frame, source)
    if settings.cumulative_costs:
        frame["cost_s"] = steps(frame["cost_s"].to_numpy(), trial, names.cost)
    if source.is_vague and settings.nan == "diverged":
        frame["taken"] |= frame["place"] > _last_taken(frame)[trial]
    return frame


def _codes(column: pd.Series[Any], taken: np.ndarray, setting: str) -> Int[np.ndarray, " R"]:
    """Number of each cell in the order of all; -1 where a row without a score has none."""
    codes, _ = pd.factorize(column, sort=True)
    n_missing = int((taken & (codes < 0)).sum())
    if n_missing:
        raise ValueError(
            f"The column {column.name!r} is empty in {n_missing} rows that have a score, so nobody can tell where they "
            f"belong. Fill these cells, or name another column by `{setting}`."
        )
    return codes.astype(np.int64)


def _comparable(column: pd.Series[Any]) -> pd.Series[Any]:
    if pd.api.types.is_numeric_dtype(column):
        return column
    if pd.api.types.is_datetime64_any_dtype(column):
        return pd.Series((column - column.min()) / pd.Timedelta(seconds=1), name=column.name)
    numbers = pd.to_numeric(column.astype(object), errors="coerce")
    wrong = column[numbers.isna() & column.notna()]
    if len(wrong):
        raise ValueError(
            f"The column {column.name!r} holds {wrong.iloc[0]!r}, but a fidelity is a number that orders the rows of a "
            "learning curve, such as the epoch. Name another column by `columns.fidelity`."
        )
    return numbers


def _seeds(column: pd.Series[Any], taken: np.ndarray) -> Int[np.ndarray, " R"]:
    codes = _codes(column, taken, "columns.seed")
    known = column[codes >= 0]
    if not pd.api.types.is_numeric_dtype(column) or not (known.astype("float64") % 1 == 0).all():
        return codes
    return column.to_numpy(dtype=np.float64, na_value=-1.0).astype(np.int64)


def _check_curves(frame: pd.DataFrame, source: Source) -> None:
    trial, fidelity, taken = (frame[name].to_numpy() for name in ("trial", "fidelity", "taken"))
    twice = np.flatnonzero((np.diff(trial) == 0) & (np.diff(fidelity) == 0) & taken[:-1] & taken[1:])
    if twice.size:
        row = source.rows.iloc[int(frame["row"].iloc[twice[0]])]
        raise ValueError(
            f"{_curve(row, source)} has {source.columns.fidelity} {row[source.columns.fidelity]} twice, but a learning "
            "curve needs each fidelity once. Where configurations were repeated, name `columns.seed`; else drop one of "
            "the rows."
        )
    column = source.rows[source.columns.fidelity]
    example = np.zeros(int(fidelity.max()) + 2, dtype=np.int64)  # a row of each fidelity; the last has none
    example[fidelity] = frame["row"]
    values = _comparable(column).to_numpy(dtype=np.float64, na_value=np.nan)[example]
    found = hole(frame["task"].to_numpy(), trial, fidelity, taken, values)
    if found is not None:
        row = source.rows.iloc[int(frame["row"].iloc[np.flatnonzero(trial == found[0])[0]])]
        raise ValueError(
            f"{_curve(row, source)} skips {column.name} {column.iloc[example[found[1]]]} and goes on with "
            f"{column.iloc[example[found[2]]]}, but nearly all learning curves of this task have it: a row is missing, "
            "and the later ones would count as earlier slices. Complete the table, or drop the curve."
        )


def _curve(row: pd.Series[Any], source: Source) -> str:
    return f"Configuration {row[source.columns.config_id]} of task {str(row[source.columns.task])!r}"


def _last_taken(frame: pd.DataFrame) -> Int[np.ndarray, " T"]:
    taken = frame["taken"].to_numpy()
    last = np.full(int(frame["trial"].max()) + 1, -1)
    last[frame["trial"].to_numpy()[taken]] = frame["place"].to_numpy()[taken]  # later rows replace earlier ones
    return last
