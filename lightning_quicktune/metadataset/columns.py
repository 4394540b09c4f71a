"""Columns of a foreign table: which holds what, and which there need not be."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lightning_quicktune.metadataset.import_settings import ColumnNames
from lightning_quicktune.wording.spelling import did_you_mean


@dataclass(frozen=True)
class Columns:
    """Which column of a table that was read holds what, as in ``ColumnNames``; the first four are always there."""

    task: str
    config_id: str
    fidelity: str
    score: str
    cost: str | None = None
    test_score: str | None = None
    seed: str | None = None
    status: str | None = None


def filled(rows: pd.DataFrame, columns: ColumnNames, named: Sequence[str], path: Path) -> tuple[pd.DataFrame, Columns]:
    """The same table with a column for the task, the configuration and the fidelity where none was named.

    Args:
        rows: The table.
        columns: Which column holds what.
        named: Columns of the hyperparameters.
        path: Where it was read.

    Raises:
        ValueError: If a configuration has several rows of which each is a whole training.
    """
    task, config_id, fidelity = columns.task, columns.config_id, columns.fidelity
    if task is None:
        task, rows = "_task", rows.assign(_task=path.name.partition(".")[0])
    if fidelity is None:
        fidelity, rows = "_fidelity", rows.assign(_fidelity=1)
        keys = [task, *(name for name in (config_id, columns.seed) if name is not None)]
        several = rows[rows.duplicated(keys)]
        if config_id is not None and len(several):
            raise ValueError(
                f"Configuration {several.iloc[0][config_id]} of task {str(several.iloc[0][task])!r} has several rows, "
                "but `columns.fidelity: null` says that each row is a whole training. Name the column of the epoch or "
                "step by `columns.fidelity`, that of repetitions by `columns.seed`, or set `columns.config_id: null`."
            )
    if config_id is None:
        alike = rows.groupby(list(named), sort=False, dropna=False, observed=True).ngroup()
        config_id = "_config"
        rows = rows.assign(_config=np.arange(len(rows)) if columns.fidelity is None else alike)
    found = {**asdict(columns), "task": task, "config_id": config_id, "fidelity": fidelity}
    return rows, Columns(**found)


def check_named(named: Sequence[str], columns: ColumnNames) -> None:
    """Refuses hyperparameters that are named twice, or that are known only once a configuration was tried.

    Args:
        named: Columns of the hyperparameters.
        columns: Which column holds what.

    Raises:
        ValueError: If there is one.
    """
    for role in ("score", "test_score", "cost", "status"):
        column = getattr(columns, role)
        if column in named:
            raise ValueError(
                f"`hyperparameters` names {column!r}, which is `columns.{role}` and known only after a training. Take "
                "it from `hyperparameters`."
            )
    twice = [name for name in named if list(named).count(name) > 1]
    if twice:
        raise ValueError(f"`hyperparameters` names {twice[0]!r} twice. Name it once.")


def check_columns(
    needed: Iterable[str],
    frame: pd.DataFrame,
    path: Path,
    repeated: Collection[str] = frozenset(),
    columns: ColumnNames | None = None,
) -> None:
    """Refuses a table that lacks a column, and names the closest it has, or has several of the name.

    Args:
        needed: Columns that must be there.
        frame: The table.
        path: Where it was read.
        repeated: Names that several of its columns have.
        columns: Which column holds what, to say where there need be none.

    Raises:
        ValueError: If one is missing, or can't be told from another.
    """
    for name in needed:
        if name in repeated:
            raise ValueError(
                f"{path} has several columns {name!r}, so nobody can tell which of them is meant. Rename or drop all "
                "but one of them."
            )
        if name not in frame.columns:
            raise ValueError(
                f"{path} has no column {name!r}.{did_you_mean(name, frame.columns)} Its columns are "
                f"{', '.join(frame.columns)}. Correct `columns`, `hyperparameters` or `space`."
                f"{_spared(name, columns)}"
            )


def _spared(name: str, columns: ColumnNames | None) -> str:
    """When there need be no column of a name."""
    cases = {
        "task": "all rows are of one task",
        "config_id": "hyperparameters tell trainings apart",
        "fidelity": "each row is a whole training",
    }
    for role, case in cases.items():
        if getattr(columns, role, None) == name:
            return f" If {case}, set `columns.{role}: null`."
    return ""
