"""Tables of learning curves as other projects keep them: one long table, or four with a row per run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool

from lightning_quicktune.metadataset.columns import Columns, check_columns, check_named, filled
from lightning_quicktune.metadataset.import_settings import (
    DEFAULT_COST,
    ColumnNames,
    ImportSettings,
    TaskFacts,
)
from lightning_quicktune.metadataset.noise import VALIDATION_RECORDS
from lightning_quicktune.metadataset.reading import Table, read_table
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.wording.spelling import did_you_mean


@dataclass(frozen=True, eq=False)
class Source:
    """Learning curves of one row per task, configuration, seed and fidelity.

    Args:
        rows: The table; an empty hyperparameter is inactive, scores are float64.
        empty: Which rows have an empty score, length of ``rows``.
        is_vague: Whether a score that is not a number may have been written as an empty cell.
        columns: Which column holds what.
        hyperparameters: Columns of the hyperparameters.
        facts: What is known of each task, by name: numbers are meta-features, ``fold`` and text are facts.
        notes: What the person who imports should know of how it was read.
    """

    rows: pd.DataFrame
    empty: Bool[np.ndarray, " R"]
    is_vague: bool
    columns: Columns
    hyperparameters: tuple[str, ...]
    facts: dict[str, dict[str, Any]]
    notes: tuple[str, ...] = ()


def read_source(settings: ImportSettings, space: SearchSpace | None) -> Source:
    """Reads what ``settings.table`` names.

    Args:
        settings: Where the table is, and which column holds what.
        space: The search space, if one was given; its hyperparameters are columns then.

    Raises:
        FileNotFoundError: If there is no such table.
        ValueError: If it lacks a column, or a score is no number.
    """
    named = settings.hyperparameters or (list(space.names) if space else None)
    path = Path(settings.table)
    if named:
        check_named(named, settings.columns)
    source = _four_tables(path, settings.columns, named) if path.is_dir() else _long(path, settings.columns, named)
    if settings.tasks is None:
        return source
    return replace(source, facts=_merged(source.facts, _read_facts(settings.tasks)))


def _long(path: Path, columns: ColumnNames, named: Sequence[str] | None) -> Source:
    table = read_table(path, {columns.score})
    rows = table.cells
    if not named:
        raise ValueError(
            f"`hyperparameters` is not given, but of the columns of {path} ({', '.join(rows.columns)}) only you know "
            "which were tuned. List them, or give a search space by `space`."
        )
    notes: tuple[str, ...] = ()
    if columns.cost == DEFAULT_COST and DEFAULT_COST not in rows:
        columns = replace(columns, cost=None)
        notes = (f"there is no column {DEFAULT_COST!r}, so costs are unknown; `columns.cost` may name another",)
    used = [name for name in asdict(columns).values() if name is not None]
    check_columns([*used, *named], rows, path, table.repeated, columns)
    copies = _copies(table, columns)
    if copies.any():
        notes += (f"left out {copies.sum()} rows that are copies of others in every column",)
    rows, found = filled(rows[~copies].reset_index(drop=True), columns, named, path)
    used = [name for name in asdict(found).values() if name is not None]
    kept, empty = rows[list(dict.fromkeys([*used, *named]))], table.empty[columns.score].to_numpy()[~copies]
    return Source(kept, empty, table.is_vague, found, tuple(named), {}, notes)


def _copies(table: Table, columns: ColumnNames) -> Bool[np.ndarray, " R"]:
    """Rows with a score that are there before in every column, as where a log was written or joined twice."""
    copies = np.zeros(len(table.cells), dtype=np.bool_)
    keys = [name for name in (columns.task, columns.config_id, columns.fidelity, columns.seed) if name is not None]
    if columns.config_id is not None:  # rows without an id may be equal repetitions
        repeated = (table.cells.duplicated(keys, keep=False) & ~table.empty[columns.score]).to_numpy()
        copies[repeated] = table.cells[repeated].duplicated()
    return copies


def _four_tables(folder: Path, columns: ColumnNames, named: Sequence[str] | None) -> Source:
    config, curve = (read_table(folder / f"{n}.csv", s, index=True) for n, s in (("config", ()), ("curve", None)))
    cost, meta = (
        read_table(folder / f"{name}.csv", (), index=True).cells if (folder / f"{name}.csv").is_file() else None
        for name in ("cost", "meta")
    )
    runs = config.cells
    for name, other in (("curve", curve.cells), ("cost", cost), ("meta", meta)):
        if other is not None and not (other.index.equals(runs.index) and other.index.is_unique):
            raise ValueError(
                f"{folder / name}.csv has other runs than {folder / 'config'}.csv: its first column must hold the same "
                f"{len(runs)} run numbers, each once and in the same order. Write both from the same list of runs."
            )
    task = _task_of(columns.task, runs, meta)
    hyperparameters = list(named or [c for c in runs.columns if c not in (columns.task, columns.status)])
    check_columns([*hyperparameters, *([columns.status] if columns.status else [])], runs, folder / "config.csv")
    facts: dict[str, dict[str, Any]] = {}
    if meta is not None:
        plain = meta.drop(columns=columns.task, errors="ignore")
        facts = {str(t): {str(k): v for k, v in plain.iloc[i].items()} for t, i in _first_of_each(task).items()}
    status = None if columns.status is None else runs[columns.status]
    rows, empty = _unrolled(runs[hyperparameters], curve, cost, task, status)
    standard = Columns("_task", "_run", "_fidelity", "_score", None if cost is None else "_cost")
    standard = standard if status is None else replace(standard, status="_status")
    return Source(rows, empty, False, standard, tuple(hyperparameters), facts)


def _task_of(column: str | None, config: pd.DataFrame, meta: pd.DataFrame | None) -> pd.Series[Any]:
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
    config: pd.DataFrame, curve: Table, cost: pd.DataFrame | None, task: pd.Series[Any], status: pd.Series[Any] | None
) -> tuple[pd.DataFrame, Bool[np.ndarray, " R"]]:
    """One row per run and slice, without the empty cells at the end of a run, and which of them have no score."""
    scores, empty = curve.cells.to_numpy(dtype=np.float64), curve.empty.to_numpy(dtype=np.bool_)
    lengths = np.where(empty.all(axis=1), 1, scores.shape[1] - (~empty)[:, ::-1].argmax(axis=1))
    run, place = np.nonzero(np.arange(scores.shape[1]) < lengths[:, None])
    rows = config.reset_index(drop=True).take(run).reset_index(drop=True)
    rows = rows.assign(_task=task.to_numpy()[run], _run=run, _fidelity=place + 1, _score=scores[run, place])
    if cost is not None:
        rows["_cost"] = _cost_per_slice(cost.to_numpy(dtype=np.float64), scores.shape[1], lengths)[run, place]
    if status is not None:
        rows["_status"] = status.to_numpy()[run]
    return rows, empty[run, place]


def _cost_per_slice(cost: np.ndarray, n: int, lengths: np.ndarray) -> np.ndarray:
    if cost.shape[1] == n:
        return cost
    if cost.shape[1] == 1:  # the whole run's seconds
        return np.repeat(cost / lengths[:, None], n, axis=1)
    raise ValueError(
        f"cost.csv has {cost.shape[1]} columns beside the run number, but curve.csv has {n} slices. It must hold one "
        "column, the seconds of the whole run, or as many as there are slices. Correct cost.csv."
    )


def _read_facts(source: TaskFacts) -> dict[str, dict[str, Any]]:
    path = Path(source.path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}. `tasks.path` is a JSON file; correct or drop `tasks`.")
    content = _mapping(path)
    for name, key in asdict(source).items():
        if name != "path" and key is not None and not isinstance(content.get(key), dict):
            raise ValueError(
                f"`tasks.{name}` is {key!r}, but {path} has no mapping under that key.{did_you_mean(key, content)} "
                f"Correct `tasks.{name}`."
            )
    _check_kinds(content, source)
    described = content[source.meta_features] if source.meta_features else {}
    folds = content[source.folds] if source.folds else {}
    records = content[source.validation_records] if source.validation_records else {}
    known: dict[str, dict[str, Any]] = {str(task): dict(features or {}) for task, features in described.items()}
    known = _merged(known, {str(task): {"fold": fold} for fold, names in folds.items() for task in names})
    return _merged(known, {str(task): {VALIDATION_RECORDS: number} for task, number in records.items()})


def _mapping(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(
            f"`tasks.path` is {path}, which is no JSON: {error}. Write it anew, or drop `tasks`."
        ) from error
    if not isinstance(content, dict):
        raise ValueError(
            f"`tasks.path` is {path}, which holds a {type(content).__name__}, but it has mappings under keys, such as "
            '{"task_meta": {"a task": {"rows": 100}}}. Write it so, or drop `tasks`.'
        )
    return content


def _check_kinds(content: dict[str, Any], source: TaskFacts) -> None:
    """Refuses a task whose descriptors are no mapping, and a fold that is no list of tasks."""
    for role, key, kind in (("meta_features", source.meta_features, dict), ("folds", source.folds, list)):
        for name, held in (content[key] if key else {}).items():
            if not isinstance(held, kind) and not (held is None and kind is dict):
                wanted = "a mapping of descriptors" if kind is dict else "the list of its tasks"
                raise ValueError(
                    f"{source.path} has {held!r} for {name!r} under {key!r} (`tasks.{role}`), but each has {wanted}. "
                    "Correct the file."
                )


def _merged(first: dict[str, dict[str, Any]], second: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {task: {**first.get(task, {}), **second.get(task, {})} for task in {**first, **second}}
