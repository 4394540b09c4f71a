"""Reads tables of learning curves as other projects keep them: one long table, or four with a row per run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lightning_quicktune.metadataset.folder import closest
from lightning_quicktune.metadataset.import_settings import ColumnNames, ImportSettings, TaskFacts
from lightning_quicktune.space.search_space import SearchSpace


@dataclass(frozen=True, eq=False)
class Source:
    """Learning curves of one row per task, configuration, seed and fidelity.

    Args:
        rows: The table; an empty hyperparameter is inactive, an empty score failed.
        columns: Which column holds what.
        hyperparameters: Columns of the hyperparameters.
        facts: What is known of each task, by name: numbers are meta-features, ``fold`` and text are facts.
    """

    rows: pd.DataFrame
    columns: ColumnNames
    hyperparameters: tuple[str, ...]
    facts: dict[str, dict[str, Any]]


def read_source(settings: ImportSettings, space: SearchSpace | None) -> Source:
    """Reads what ``settings.table`` names.

    Args:
        settings: Where the table is, and which column holds what.
        space: The search space, if one was given; its hyperparameters are columns then.

    Raises:
        FileNotFoundError: If there is no such table.
        ValueError: If it lacks a column.
    """
    named = settings.hyperparameters or (list(space.names) if space else None)
    path = Path(settings.table)
    source = _four_tables(path, settings.columns, named) if path.is_dir() else _long(path, settings.columns, named)
    if settings.tasks is None:
        return source
    return Source(
        source.rows, source.columns, source.hyperparameters, _merged(source.facts, _read_facts(settings.tasks))
    )


def _long(path: Path, columns: ColumnNames, named: Sequence[str] | None) -> Source:
    rows = _read(path)
    if not named:
        raise ValueError(
            f"`hyperparameters` is not given, but of the columns of {path} ({', '.join(rows.columns)}) only you know "
            "which were tuned. List them, or give a search space by `space`."
        )
    used = [columns.task, columns.config_id, columns.fidelity, columns.score]
    used += [c for c in (columns.cost, columns.test_score, columns.seed) if c is not None]
    _check_columns([*used, *named], rows, path)
    return Source(rows[list(dict.fromkeys([*used, *named]))], columns, tuple(named), {})


def _four_tables(folder: Path, columns: ColumnNames, named: Sequence[str] | None) -> Source:
    config, curve = (_read(folder / f"{name}.csv", index=True) for name in ("config", "curve"))
    cost, meta = (
        _read(folder / f"{name}.csv", index=True) if (folder / f"{name}.csv").is_file() else None
        for name in ("cost", "meta")
    )
    for name, other in (("curve", curve), ("cost", cost), ("meta", meta)):
        if other is not None and not (other.index.equals(config.index) and other.index.is_unique):
            raise ValueError(
                f"{folder / name}.csv has other runs than {folder / 'config'}.csv: its first column must hold the same "
                f"{len(config)} run numbers, each once and in the same order. Write both from the same list of runs."
            )
    task = _task_of(columns.task, config, meta)
    hyperparameters = list(named or [c for c in config.columns if c != columns.task])
    _check_columns(hyperparameters, config, folder / "config.csv")
    facts: dict[str, dict[str, Any]] = {}
    if meta is not None:
        plain = meta.drop(columns=columns.task, errors="ignore")
        facts = {str(t): {str(k): v for k, v in plain.iloc[i].items()} for t, i in _first_of_each(task).items()}
    rows = _unrolled(config[hyperparameters], curve, cost, task)
    standard = ColumnNames("_task", "_run", "_fidelity", "_score", None if cost is None else "_cost")
    return Source(rows, standard, tuple(hyperparameters), facts)


def _task_of(column: str, config: pd.DataFrame, meta: pd.DataFrame | None) -> pd.Series[Any]:
    for frame in (config, meta):
        if frame is not None and column in frame.columns:
            return frame[column].astype(str)
    if meta is None:
        return pd.Series("task_0", index=config.index)
    numbers = meta.groupby(list(meta.columns), sort=False, dropna=False).ngroup()
    return "task_" + numbers.astype(str)


def _first_of_each(task: pd.Series[Any]) -> dict[Any, int]:
    codes, names = pd.factorize(task)
    return dict(zip(names, np.unique(codes, return_index=True)[1].tolist(), strict=True))


def _unrolled(
    config: pd.DataFrame, curve: pd.DataFrame, cost: pd.DataFrame | None, task: pd.Series[Any]
) -> pd.DataFrame:
    scores = curve.to_numpy(dtype=np.float64)
    known = np.isfinite(scores)
    lengths = np.where(known.any(axis=1), scores.shape[1] - known[:, ::-1].argmax(axis=1), 1)  # empty cells at the end
    run, place = np.nonzero(np.arange(scores.shape[1]) < lengths[:, None])
    rows = config.reset_index(drop=True).take(run).reset_index(drop=True)
    rows = rows.assign(_task=task.to_numpy()[run], _run=run, _fidelity=place + 1, _score=scores[run, place])
    if cost is not None:
        rows["_cost"] = _cost_per_slice(cost.to_numpy(dtype=np.float64), scores.shape[1], lengths)[run, place]
    return rows


def _cost_per_slice(cost: np.ndarray, n: int, lengths: np.ndarray) -> np.ndarray:
    if cost.shape[1] == n:
        return cost
    if cost.shape[1] == 1:  # the whole run's seconds
        return np.repeat(cost / lengths[:, None], n, axis=1)
    raise ValueError(
        f"cost.csv has {cost.shape[1]} columns beside the run number, but curve.csv has {n} slices. It must hold one "
        "column, the seconds of the whole run, or as many as there are slices. Correct cost.csv."
    )


def _read(path: Path, index: bool = False) -> pd.DataFrame:
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no table {path}. `table` is a .parquet or .csv file, or a folder with config.csv and "
            "curve.csv; relative paths count from the current folder. Correct `table`."
        )
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, index_col=0 if index else None)


def _read_facts(source: TaskFacts) -> dict[str, dict[str, Any]]:
    path = Path(source.path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}. `tasks.path` is a JSON file; correct or drop `tasks`.")
    content = json.loads(path.read_text())
    for name, key in (("meta_features", source.meta_features), ("folds", source.folds)):
        if key is not None and not isinstance(content.get(key), dict):
            raise ValueError(
                f"`tasks.{name}` is {key!r}, but {path} has no mapping under that key{closest(key, content)}. "
                f"Correct `tasks.{name}`."
            )
    described = content[source.meta_features] if source.meta_features else {}
    folds = content[source.folds] if source.folds else {}
    return _merged(
        {task: dict(known or {}) for task, known in described.items()},
        {task: {"fold": fold} for fold, names in folds.items() for task in names},
    )


def _merged(first: dict[str, dict[str, Any]], second: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {task: {**first.get(task, {}), **second.get(task, {})} for task in {**first, **second}}


def _check_columns(needed: Iterable[str], frame: pd.DataFrame, path: Path) -> None:
    for name in needed:
        if name not in frame.columns:
            raise ValueError(
                f"{path} has no column {name!r}{closest(name, frame.columns)}. Its columns are "
                f"{', '.join(frame.columns)}. Correct `columns`, `hyperparameters` or `space`."
            )
