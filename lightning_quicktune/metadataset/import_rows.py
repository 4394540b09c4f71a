"""Rows of a foreign table -> whole learning curves: checked, sorted, and numbered by trial and configuration."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from lightning_quicktune.metadataset.import_settings import ImportSettings
from lightning_quicktune.metadataset.source import Source
from lightning_quicktune.metadataset.table import TEST

KEYS = ["task", "config_id", "seed"]


def curve_rows(source: Source, settings: ImportSettings) -> pd.DataFrame:
    """Rows by task, configuration, seed and fidelity, under the names that our tables have.

    Args:
        source: The foreign table.
        settings: Scale of its scores, and slices to drop.

    Returns:
        The hyperparameters, ``task``, ``config_id`` (the source's), ``seed``, ``fidelity``, ``score``, ``cost_s``,
        ``test/score`` if there is one; ``trial`` and ``configuration``, numbers from 0; ``lost``, whether this slice
        or one before it has no score; and ``first``, whether it is the first row of its configuration. All but the
        hyperparameters and ``test/score`` begin with an underscore.

    Raises:
        ValueError: If a score lies outside [0, 1], a cost is negative, or a curve has a gap or a slice twice.
    """
    names, rows = source.columns, source.rows
    fidelity = rows[names.fidelity].rank(method="dense").astype("int64") - settings.drop_first
    rows, fidelity = rows[fidelity > 0], fidelity[fidelity > 0]
    if rows.empty:
        raise ValueError(
            f"{settings.table} has no rows once the first {settings.drop_first} slices are dropped. "
            "Lower `drop_first`, or check that the table holds learning curves."
        )
    frame = rows[list(source.hyperparameters)].assign(
        _task=rows[names.task].astype(str),
        _config_id=rows[names.config_id],
        _seed=0 if names.seed is None else rows[names.seed].astype("int64"),
        _fidelity=fidelity,
        _score=_scores(rows[names.score], settings),
        _cost_s=math.nan if names.cost is None else _costs(rows[names.cost]),
    )
    if names.test_score is not None:
        frame[TEST + "score"] = _scores(rows[names.test_score], settings)
    return _numbered(_sorted(frame, names.fidelity), list(source.hyperparameters))


def _scores(column: pd.Series[Any], settings: ImportSettings) -> pd.Series[Any]:
    whole = 100.0 if settings.score_scale == "percent" else 1.0
    scores = column.astype("float64")
    lower, upper = scores.min(), scores.max()
    if lower < 0.0 or upper > whole:
        raise ValueError(
            f"The column {column.name!r} goes from {lower:g} to {upper:g}, but with `score_scale: "
            f"{settings.score_scale}` scores lie in [0, {whole:g}], higher is better. "
            "Set `score_scale: percent` for percentages, or rescale the column before importing."
        )
    return scores / whole


def _costs(column: pd.Series[Any]) -> pd.Series[Any]:
    costs = column.astype("float64")
    if (costs < 0.0).any():
        raise ValueError(
            f"The column {column.name!r} has a cost of {costs.min():g} s, but a slice can't take less than no time. "
            "Turn the costs into seconds per slice before importing, or set `columns.cost: null`."
        )
    return costs


def _sorted(frame: pd.DataFrame, fidelity_column: str) -> pd.DataFrame:
    codes = [pd.factorize(frame[f"_{key}"], sort=True)[0] for key in KEYS]
    order = np.lexsort([frame["_fidelity"].to_numpy(), *reversed(codes)])
    frame, (task, configuration, seed) = frame.iloc[order].reset_index(drop=True), (code[order] for code in codes)
    starts = np.ones(len(frame), dtype=np.bool_)
    starts[1:] = (np.diff(task) != 0) | (np.diff(configuration) != 0) | (np.diff(seed) != 0)
    trial = starts.cumsum() - 1
    expected = np.arange(len(frame)) - np.flatnonzero(starts)[trial] + 1
    wrong = np.flatnonzero(frame["_fidelity"].to_numpy() != expected)
    if wrong.size:
        row = frame.iloc[int(wrong[0])]
        raise ValueError(
            f"Configuration {row['_config_id']} of task {row['_task']!r} has slice {row['_fidelity']} (by the column "
            f"{fidelity_column!r}) where {expected[wrong[0]]} was expected: a learning curve needs each slice once. "
            "Complete the table or drop the curve; where configurations were repeated, name `columns.seed`."
        )
    lost = ~np.isfinite(frame["_score"].to_numpy())
    return frame.assign(_trial=trial, _lost=pd.Series(lost).groupby(trial).cummax())


def _numbered(frame: pd.DataFrame, hyperparameters: list[str]) -> pd.DataFrame:
    heads = frame.drop_duplicates("_trial")
    number = heads.groupby(hyperparameters, sort=False, dropna=False, observed=True).ngroup()
    copies = heads["_task"].groupby([heads["_task"], number, heads["_seed"]]).cumcount()
    trial = frame["_trial"].to_numpy()
    # Two trials of equal hyperparameters and seed are repetitions.
    seeds = frame["_seed"].to_numpy() if not copies.any() else _repetitions(heads, number)[trial]
    first = np.isin(frame.index, heads.index[~number.duplicated()])
    return frame.assign(_configuration=number.to_numpy()[trial], _seed=seeds, _first=first)


def _repetitions(heads: pd.DataFrame, number: pd.Series[Any]) -> np.ndarray:
    return heads["_task"].groupby([heads["_task"], number]).cumcount().to_numpy()
