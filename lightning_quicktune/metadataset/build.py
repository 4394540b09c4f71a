"""Trial records and task records -> a meta-dataset."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lightning_quicktune.metadataset.outcome import outcome
from lightning_quicktune.metadataset.table import (
    FACT,
    META,
    METRIC,
    OVERHEADS,
    SCHEMA_VERSION,
    TASK_COLUMNS,
    TEST,
    TRIAL_COLUMNS,
    TRIAL_KEYS,
    MetaDataset,
    counts,
)
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import SliceResult, TaskInfo, Trial, Value


def build(
    trials: Iterable[Trial], tasks: Iterable[TaskInfo], space: SearchSpace, origin: str, licence: str
) -> MetaDataset:
    """Makes a meta-dataset of trial records.

    Of several records of one trial (same task, configuration and seed) one is kept, as ``furthest`` says. Trials that
    are still running or paused count as far as they went; those that an error interrupted say nothing of their
    configurations, and are only counted in ``meta``.

    Args:
        trials: Trial records.
        tasks: Task records; a task without a trial is kept too.
        space: Where the trials' configurations come from.
        origin: Where the trials come from, for readers.
        licence: Under which licence they may be used.

    Raises:
        ValueError: If a trial's task is unknown, its base model or metric is not that of its task, its configuration
            is not of the space, labels of two versions are among them, or a hyperparameter has the name of another
            column.
    """
    infos = _by_name(tasks)
    check_names(space)
    records = list(trials)
    kept = furthest(trial for trial in records if not _is_interrupted(trial))
    n_interrupted = len({trial.key for trial in records} - {trial.key for trial in kept})
    for configuration in {trial.configuration for trial in kept}:
        space.check(configuration)
    for trial in kept:
        _check_trial(trial, infos)
    label_version = _one_label_version(kept)
    trial_table = typed([row for trial in kept for row in _trial_rows(trial, space)], (*TRIAL_COLUMNS, *space.names))
    tasks_table = task_table(infos.values())
    trial_table = trial_table.sort_values(list(TRIAL_KEYS), kind="stable", ignore_index=True)
    meta = {
        "schema_version": SCHEMA_VERSION,
        "label_version": label_version,
        "origin": origin,
        "licence": licence,
        "n_interrupted": n_interrupted,
        **counts(trial_table, tasks_table),
    }
    return MetaDataset(trial_table, tasks_table, space, meta)


def task_table(infos: Iterable[TaskInfo]) -> pd.DataFrame:
    """One row per task record.

    Args:
        infos: The records.
    """
    return typed([_task_row(info) for info in infos], TASK_COLUMNS)


def check_names(space: SearchSpace) -> None:
    """Refuses a search space whose hyperparameters would hide other columns of the table.

    Args:
        space: The search space of the meta-dataset.

    Raises:
        ValueError: If a hyperparameter has the name of a reserved column.
    """
    clashes = [n for n in space.names if n in TRIAL_COLUMNS or n.startswith((METRIC, TEST))]
    if clashes:
        raise ValueError(
            f"The hyperparameter names {', '.join(clashes)} are columns of every meta-dataset, "
            "so their values would be lost in it. Rename them in the search space's YAML."
        )


def _by_name(tasks: Iterable[TaskInfo]) -> dict[str, TaskInfo]:
    infos: dict[str, TaskInfo] = {}
    for info in tasks:
        if infos.setdefault(info.name, info) != info:
            raise ValueError(
                f"Two different task records are both named {info.name!r}, but trials refer to tasks by name alone. "
                "Rename one of them, or build one meta-dataset per base model."
            )
    return infos


def _check_trial(trial: Trial, infos: Mapping[str, TaskInfo]) -> None:
    info = infos.get(trial.task)
    if info is None:
        raise ValueError(
            f"Trial {trial.key} belongs to task {trial.task!r}, of which there is no task record; known are "
            f"{', '.join(sorted(infos)) or 'none'}. Give the task record, or leave the trial out."
        )
    if (trial.base_model, trial.metric) != (info.base_model.name, info.metric):
        raise ValueError(
            f"Trial {trial.key} was scored by {trial.metric!r} on base model {trial.base_model!r}, but its task "
            f"record says {info.metric!r} on {info.base_model.name!r}, and scores of both can't be compared. "
            "Give the two a task name each, or leave the trial out."
        )


def _one_label_version(trials: Sequence[Trial]) -> int:
    versions = sorted({trial.label_version for trial in trials})
    if len(versions) > 1:
        raise ValueError(
            f"The trials have labels of the versions {', '.join(map(str, versions))}, and the same settings train "
            "otherwise in each, so that one table can't compare them. Build one table of each version."
        )
    return versions[0] if versions else 1


def furthest(trials: Iterable[Trial]) -> list[Trial]:
    """Of several records of one trial the furthest; of equally far ones one that has ended, and then by their content.

    So it is the same one in whatever order machines have recorded them, and whatever their clocks said.

    Args:
        trials: Trial records.
    """
    kept: dict[str, Trial] = {}
    for trial in trials:
        other = kept.get(trial.key)
        kept[trial.key] = trial if other is None else _further(trial, other)
    return list(kept.values())


def _further(first: Trial, second: Trial) -> Trial:
    reached = [(trial.curve.fidelity, trial.has_ended) for trial in (first, second)]
    if reached[0] != reached[1]:
        return first if reached[0] > reached[1] else second
    return max(first, second, key=lambda trial: json.dumps(trial.to_dict(), sort_keys=True))


def _is_interrupted(trial: Trial) -> bool:
    return outcome(trial.status, trial.failure, trial.curve.fidelity, trial.max_fidelity) == "interrupted"


def _trial_rows(trial: Trial, space: SearchSpace) -> list[dict[str, Any]]:
    shared = {
        "task": trial.task,
        "config_id": trial.configuration.id,
        "seed": trial.seed,
        "status": trial.status,
        "failure": trial.failure,
        "max_fidelity": trial.max_fidelity,
        **{name: getattr(trial.overheads, name) for name in OVERHEADS},
        **{name: trial.configuration.values.get(name) for name in space.names},
    }
    reference_step_s = trial.device.reference_step_s if trial.device else math.nan
    empty = {"fidelity": 0, "score": math.nan, "cost_s": 0.0, "cost_cpu_s": 0.0, "cost_tokens": 0}
    rows = [_slice_cells(s, reference_step_s) for s in trial.curve.slices]
    return [{**shared, **row} for row in rows or [{**empty, "reference_step_s": reference_step_s}]]


def _slice_cells(result: SliceResult, reference_step_s: float) -> dict[str, Any]:
    cells: dict[str, Any] = {
        "fidelity": result.fidelity,
        "score": result.score,
        "cost_s": result.cost_s,
        "cost_cpu_s": result.cost_cpu_s,
        "cost_tokens": result.cost_tokens,
        "reference_step_s": reference_step_s if result.reference_step_s is None else result.reference_step_s,
        **{METRIC + name: value for name, value in result.metrics.items()},
        **{TEST + name: value for name, value in result.test_metrics.items()},
    }
    if result.test_score is not None:
        cells[TEST + "score"] = result.test_score
    return cells


def _task_row(info: TaskInfo) -> dict[str, Any]:
    return {
        "task": info.name,
        "base_model": info.base_model.name,
        "base_model_parameters": info.base_model.n_parameters,
        "base_model_hash": info.base_model.weight_hash,
        "base_model_quantization": info.base_model.quantization,
        "metric": info.metric,
        "zero_shot_score": info.zero_shot_score,
        "max_fidelity": info.max_fidelity,
        "records_per_slice": info.records_per_slice,
        "meta_features_cost_s": info.meta_features_cost_s,
        **{META + name: float(value) for name, value in info.meta_features.items()},
        **{FACT + name: value for name, value in info.facts.items() if name != "path"},  # of one machine
    }


def typed(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """A table whose columns have one type each, empty cells included.

    Args:
        rows: Cells of each row, by column.
        columns: Columns to begin with; others follow as the rows bring them.

    Raises:
        ValueError: If a column mixes types.
    """
    names = [*columns, *dict.fromkeys(name for row in rows for name in row if name not in columns)]
    return pd.DataFrame({name: _column(name, [row.get(name) for row in rows]) for name in names})


def _column(name: str, cells: list[Value | None]) -> "pd.Series[Any]":
    values = [cell.item() if isinstance(cell, np.generic) else cell for cell in cells]
    kinds = {type(value) for value in values if value is not None}
    complete = None not in values
    if kinds == {bool}:
        return pd.Series(values, dtype="bool" if complete else "boolean")
    if kinds == {int}:
        return pd.Series(values, dtype="int64" if complete else "Int64")
    if kinds and kinds <= {int, float}:
        return pd.Series([math.nan if v is None else float(v) for v in values], dtype="float64")
    if kinds <= {str}:
        return pd.Series(values, dtype="string")
    raise ValueError(
        f"The values of {name!r} mix the types {', '.join(sorted(k.__name__ for k in kinds))}, but a column of a "
        "meta-dataset holds one type, so that readers get back what was written. "
        "Declare its choices in one type, for example all as quoted text."
    )
