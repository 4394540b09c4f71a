"""Tables of learning curves from elsewhere -> a meta-dataset."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lightning_quicktune.metadataset.build import check_names, task_table, typed
from lightning_quicktune.metadataset.folder import save
from lightning_quicktune.metadataset.import_rows import curve_rows
from lightning_quicktune.metadataset.import_settings import ImportSettings
from lightning_quicktune.metadataset.infer import constants, infer_space, plain_columns
from lightning_quicktune.metadataset.source import read_source
from lightning_quicktune.metadataset.table import SCHEMA_VERSION, TEST, TRIAL_KEYS, MetaDataset, cell_value, counts
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import BaseModelInfo, Configuration, TaskInfo, Value

NO_BASE_MODEL = BaseModelInfo(name="none", n_parameters=1, weight_hash="")
REFERENCE_STEP_S = 1.0  # none was timed: costs are compared in plain seconds


@dataclass(frozen=True, eq=False)
class Imported:
    """What ``import`` made.

    Args:
        folder: Where it was written.
        table: The meta-dataset, test columns included.
        constants: Hyperparameters that were left out because they were never varied, and their one value.
    """

    folder: Path
    table: MetaDataset
    constants: Mapping[str, Value | None]


def import_table(settings: ImportSettings) -> Imported:
    """Reads a table of learning curves and writes it as a meta-dataset.

    A trial with a slice without score counts as diverged there; any other one whose curve is shorter than the longest
    of its task as stopped. Zero-shot scores are unknown. Costs are compared in seconds, for want of a base model. A
    meta-feature that a task lacks is the median of the others, and the fact ``imputed`` of the task names it.

    Args:
        settings: What to read, how, and where to write it.

    Raises:
        ValueError: If a column is missing, a score lies outside [0, 1], a cost is negative, a curve has gaps, or a
            configuration doesn't fit the search space.
    """
    given = SearchSpace.from_yaml(settings.space) if settings.space else None
    source = read_source(settings, given)
    rows = curve_rows(source, settings)
    values = plain_columns(rows.loc[rows["_first"], list(source.hyperparameters)])
    left_out = {} if given else constants(values)
    varied = {name: cells for name, cells in values.items() if name not in left_out}
    if not varied:
        raise ValueError(
            f"None of the hyperparameters {', '.join(values)} has two values in {settings.table}, so there is nothing "
            "to search. Name others in `hyperparameters`, or declare the search space and name it by `space`."
        )
    space = given or infer_space(varied, rows.groupby("_configuration")["_task"].nunique().tolist())
    check_names(space)
    trials = _trial_table(rows, _configurations(varied, space), space)
    tasks = task_table(_task_infos(trials, source.facts, settings.metric))
    meta = {
        "schema_version": SCHEMA_VERSION,
        "origin": settings.origin,
        "licence": settings.licence,
        "constants": left_out,
        **counts(trials, tasks),
    }
    table = MetaDataset(trials, tasks, space, meta)
    return Imported(save(table, settings.output), table, left_out)


def _configurations(values: Mapping[str, list[Value | None]], space: SearchSpace) -> list[Configuration]:
    found = []
    for cells in zip(*values.values(), strict=True):
        plain = {name: cell for name, cell in zip(values, cells, strict=True) if cell is not None}
        found.append(Configuration(plain))
        space.check(found[-1])
    return found


def _trial_table(rows: pd.DataFrame, configurations: Sequence[Configuration], space: SearchSpace) -> pd.DataFrame:
    lost, trial = rows["_lost"].to_numpy(), rows["_trial"].to_numpy()
    length = np.bincount(trial, weights=~lost).astype(np.int64)
    failed = np.bincount(trial, weights=lost) > 0
    starts = np.concatenate([[True], np.diff(trial) > 0])
    first_lost = np.minimum(np.flatnonzero(starts) + length, len(rows) - 1)
    unfinished_s = np.where(failed, np.nan_to_num(rows["_cost_s"].to_numpy()[first_lost]), 0.0)
    maximum = rows.groupby("_task")["_fidelity"].transform("max").to_numpy()
    status = np.where(failed[trial], "failed", np.where(length[trial] < maximum, "stopped", "completed"))
    number = rows["_configuration"].to_numpy()
    empty = length[trial] == 0  # nothing was ever scored: one row, of fidelity 0
    columns: dict[str, Any] = {
        "task": rows["_task"].astype("string"),
        "config_id": pd.array([c.id for c in configurations], dtype="string").take(number),
        "seed": rows["_seed"],
        "fidelity": np.where(empty, 0, rows["_fidelity"]),
        "score": rows["_score"],
        "cost_s": np.where(empty, 0.0, rows["_cost_s"]),
        "cost_cpu_s": np.where(empty, 0.0, rows["_cost_s"]),
        "cost_tokens": 0,
        "status": pd.array(status, dtype="string"),
        "failure": pd.array(np.array([None, "diverged"], dtype=object)[failed[trial].astype(np.int64)], dtype="string"),
        "reference_step_s": REFERENCE_STEP_S,
        "max_fidelity": maximum,
        "start_s": 0.0,
        "resume_s": 0.0,
        "unfinished_s": unfinished_s[trial],
        **{name: rows[name] for name in rows.columns if name.startswith(TEST)},
    }
    cells = typed([{name: c.values.get(name) for name in space.names} for c in configurations], space.names)
    columns |= {name: cells[name].take(number).set_axis(rows.index) for name in space.names}
    kept = ~lost | (empty & starts)
    table: pd.DataFrame = pd.DataFrame(columns).loc[kept]
    return table.sort_values(list(TRIAL_KEYS), kind="stable", ignore_index=True)


def _task_infos(trials: pd.DataFrame, facts: Mapping[str, Mapping[str, Any]], metric: str) -> list[TaskInfo]:
    longest = trials.groupby("task")["max_fidelity"].max()
    features = {
        str(name): {k: float(v) for k, v in facts.get(str(name), {}).items() if _is_feature(v)}
        for name in longest.index
    }
    middle = pd.DataFrame.from_dict(features, orient="index").median()
    return [
        TaskInfo(
            name=name,
            base_model=NO_BASE_MODEL,
            metric=metric,
            max_fidelity=int(longest[name]),
            records_per_slice=1,
            zero_shot_score=math.nan,
            meta_features={str(k): known.get(str(k), float(v)) for k, v in middle.items()},
            facts=_plain_facts(facts.get(name, {})) | _imputed([str(k) for k in middle.index if k not in known]),
        )
        for name, known in features.items()
    ]


def _plain_facts(known: Mapping[str, Any]) -> dict[str, Value]:
    return {k: str(v) for k, v in known.items() if not _is_feature(v) and cell_value(v) is not None}


def _imputed(missing: Sequence[str]) -> dict[str, Value]:
    return {"imputed": ", ".join(missing)} if missing else {}


def _is_feature(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))
