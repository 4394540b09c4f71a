"""Costs of a foreign table -> seconds of each of its rows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from lightning_quicktune.metadataset.import_settings import ImportSettings
from lightning_quicktune.metadataset.reading import numbers

UNITS_S = {"milliseconds": 1e-3, "seconds": 1.0, "minutes": 60.0, "hours": 3600.0}
OTHER_UNIT = re.compile(r"(^|[^a-z])(ms|millis|milliseconds|min|mins|minutes|h|hrs|hours)([^a-z]|$)", re.IGNORECASE)
DURATION = r"\d+ days?.*|\d+:\d\d:\d\d(\.\d+)?"  # as pandas and Optuna write one
FEWEST = 3  # rows of a learning curve, and learning curves, whose costs all rise


def seconds(column: pd.Series[Any], settings: ImportSettings) -> Float[np.ndarray, " R"]:
    """The costs of a column in seconds, not a number where there is none.

    Args:
        column: Numbers, or durations such as ``0 days 00:01:30``, which have a unit of their own.
        settings: Which unit numbers have.

    Raises:
        ValueError: If a cell is neither, below zero or without end.
    """
    if _are_durations(column):
        costs_s = pd.to_timedelta(column).dt.total_seconds().to_numpy(dtype=np.float64)
    else:
        costs_s = numbers(column, Path(settings.table)).to_numpy() * UNITS_S[settings.cost_unit]
    wrong = costs_s[(costs_s < 0.0) | np.isinf(costs_s)]
    if len(wrong):
        raise ValueError(
            f"The column {column.name!r} has a cost of {wrong[0]:g} s, but a slice takes some time, and not for ever. "
            "Correct it, leave the cell empty where nothing was measured, or set `columns.cost: null`."
        )
    return costs_s


def steps(
    costs_s: Float[np.ndarray, " R"], trial: Int[np.ndarray, " R"], column: str | None
) -> Float[np.ndarray, " R"]:
    """What each row cost by itself, where its cost is counted from the start of the training.

    Args:
        costs_s: Seconds from the start, row after row of each trial, not a number where unknown.
        trial: Trial of each row.
        column: Name of the column, for messages.

    Raises:
        ValueError: If a cost is below that of a row before.
    """
    own_s, known = costs_s.copy(), np.flatnonzero(np.isfinite(costs_s))
    follows = np.diff(trial[known], prepend=-1) == 0
    own_s[known] -= np.where(follows, np.concatenate([[0.0], costs_s[known][:-1]])[: len(known)], 0.0)
    if (own_s < 0.0).any():
        raise ValueError(
            f"The column {column!r} falls by {-np.nanmin(own_s):g} s within a learning curve, but `cumulative_costs` "
            "says that it is counted from the start. Where a training was resumed, go on counting; or drop "
            "`cumulative_costs`."
        )
    return own_s


def cost_notes(costs_s: Float[np.ndarray, " R"], trial: Int[np.ndarray, " R"], settings: ImportSettings) -> list[str]:
    """What may be wrong with how costs are understood.

    Args:
        costs_s: Seconds of each row, as they were read.
        trial: Trial of each row, in order.
        settings: The column of the costs, their unit, and whether they are counted from the start.
    """
    column, notes = settings.columns.cost or "", []
    if settings.cost_unit == "seconds" and OTHER_UNIT.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)):
        notes.append(f"costs in {column!r} are read as seconds; if they are not, say so by `cost_unit`")
    known = np.isfinite(costs_s)
    own, rises = trial[known], np.diff(costs_s[known]) > 0.0
    inside = np.diff(own) == 0
    long = (np.bincount(own) >= FEWEST).sum() if len(own) else 0
    if not settings.cumulative_costs and long >= FEWEST and rises[inside].all():
        notes.append(
            f"costs in {column!r} rise along every learning curve and are read as those of each slice by itself; if "
            "they are counted from the start, set `cumulative_costs: true`"
        )
    return notes


def _are_durations(column: pd.Series[Any]) -> bool:
    if pd.api.types.is_timedelta64_dtype(column):
        return True
    known = column.dropna()
    if not len(known) or not pd.api.types.is_string_dtype(column):
        return False
    return bool(known.astype(str).str.fullmatch(DURATION).all())
