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
from lightning_quicktune.metadataset.import_rows import Curves, curve_rows
from lightning_quicktune.metadataset.import_settings import ImportSettings
from lightning_quicktune.metadataset.import_values import fit_names, plain_columns, told_apart
from lightning_quicktune.metadataset.infer import constants, infer_space
from lightning_quicktune.metadataset.noise import VALIDATION_RECORDS
from lightning_quicktune.metadataset.source import read_source
from lightning_quicktune.metadataset.table import SCHEMA_VERSION, TEST, MetaDataset, cell_value, counts
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import BaseModelInfo, Configuration, TaskInfo, Value
from lightning_quicktune.wording.spelling import did_you_mean

NO_BASE_MODEL = BaseModelInfo(name="none", n_parameters=1, weight_hash="")
REFERENCE_STEP_S = 1.0  # none was timed: costs are compared in plain seconds


@dataclass(frozen=True, eq=False)
class Imported:
    """What ``import`` made.

    Args:
        folder: Where it was written.
        table: The meta-dataset, test columns included.
        constants: Hyperparameters that were left out because they were never varied, and their one value.
        notes: What the person who imports should know of how the table was understood.
    """

    folder: Path
    table: MetaDataset
    constants: Mapping[str, Value | None]
    notes: tuple[str, ...]


def import_table(settings: ImportSettings) -> Imported:
    """Reads a table of learning curves and writes it as a meta-dataset.

    Zero-shot scores are unknown. Costs are compared in seconds, for want of a base model. A meta-feature that a task
    lacks stays missing.

    Args:
        settings: What to read, how, and where to write it.

    Raises:
        FileExistsError: If the output is a file.
        ValueError: If a column is missing, a score lies outside its scale or is no number, a cost is negative, a curve
            has a fidelity twice or skips one, or a configuration doesn't fit the search space.
    """
    if Path(settings.output).is_file():
        raise FileExistsError(
            f"`output` is {settings.output}, which is a file, but a meta-dataset is a folder. Name another place."
        )
    given = SearchSpace.from_yaml(settings.space) if settings.space else None
    source = read_source(settings, given)
    curves = curve_rows(source, settings)
    values, said = _values(curves.configurations, given)
    left_out = {} if given else constants(values)
    varied = {name: cells for name, cells in values.items() if name not in left_out}
    if not varied:
        raise ValueError(
            f"None of the hyperparameters {', '.join(values)} has two values in {settings.table}, so there is nothing "
            "to search. Name others in `hyperparameters`, or declare the search space and name it by `space`."
        )
    space = given or _inferred(varied, curves, settings)
    check_names(space)
    trials = _trial_table(curves, _configurations(varied, space), space)
    infos = _task_infos(trials, source.facts, settings.metric)
    tasks = task_table(infos)
    meta = {
        "schema_version": SCHEMA_VERSION,
        "origin": settings.origin,
        "licence": settings.licence,
        "constants": left_out,
        **counts(trials, tasks),
    }
    table = MetaDataset(trials, tasks, space, meta)
    said += [_constant(name, value, values[name]) for name, value in left_out.items()]
    notes = (*source.notes, *curves.notes, *_undescribed(infos, source.facts), *said)
    return Imported(save(table, settings.output), table, left_out, notes)


def _values(frame: pd.DataFrame, given: SearchSpace | None) -> tuple[dict[str, list[Value | None]], list[str]]:
    """Plain values of the hyperparameters of a table, and what to say of how they were understood."""
    values = plain_columns(frame)
    if given is not None:
        return values, []
    names = fit_names(values)
    notes = [f"`{name}` is called `{fit}`" for name, fit in names.items() if name != fit]
    values, told = told_apart({names[name]: cells for name, cells in values.items()})
    return values, notes + told


def _constant(name: str, value: Value | None, cells: Sequence[Value | None]) -> str:
    if value is None:
        return f"left out `{name}`, which is empty in every configuration"
    return f"left out `{name}`, which is {value} in every configuration{' that has it' if None in cells else ''}"


def _inferred(values: Mapping[str, list[Value | None]], curves: Curves, settings: ImportSettings) -> SearchSpace:
    n_tasks = curves.trials.groupby("configuration")["task"].nunique().tolist()
    if settings.default is None:
        return infer_space(values, n_tasks)
    known = curves.trials["config_id"]
    found = curves.trials["configuration"][known == str(settings.default)].unique()
    if len(found) != 1:
        raise ValueError(
            f"`default` is {settings.default!r}, which {len(found) or 'none'} of the configurations have as their id."
            f"{did_you_mean(str(settings.default), known.unique())} Give the `columns.config_id` of one, or "
            "drop `default`."
        )
    return infer_space(values, n_tasks, int(found[0]))


def _configurations(values: Mapping[str, list[Value | None]], space: SearchSpace) -> list[Configuration]:
    found = []
    for cells in zip(*values.values(), strict=True):
        plain = {name: cell for name, cell in zip(values, cells, strict=True) if cell is not None}
        found.append(Configuration(plain))
        space.check(found[-1])
    return found


def _trial_table(curves: Curves, configurations: Sequence[Configuration], space: SearchSpace) -> pd.DataFrame:
    ids = np.array([c.id for c in configurations], dtype=object)
    trials = curves.trials.assign(config_id=ids[curves.trials["configuration"]])
    rank = np.empty(len(trials), dtype=np.int64)
    rank[trials.sort_values(["task", "config_id", "seed"]).index] = np.arange(len(trials))
    never = trials.index[~trials.index.isin(curves.slices["trial"])]  # one row, of fidelity 0
    slices = pd.concat([curves.slices, pd.DataFrame({"trial": never, "fidelity": 0, "cost_s": 0.0})])
    slices = slices.iloc[np.lexsort([slices["fidelity"].to_numpy(), rank[slices["trial"]]])].reset_index(drop=True)
    of = slices["trial"].to_numpy()
    columns: dict[str, Any] = {
        "task": trials["task"].astype("string").array.take(of),
        "config_id": trials["config_id"].astype("string").array.take(of),
        "seed": trials["seed"].to_numpy(dtype=np.int64)[of],
        "fidelity": slices["fidelity"].astype("int64"),
        "score": slices["score"],
        "cost_s": slices["cost_s"],
        "cost_cpu_s": slices["cost_s"],
        "cost_tokens": 0,
        "status": trials["status"].array.take(of),
        "failure": trials["failure"].array.take(of),
        "reference_step_s": REFERENCE_STEP_S,
        "max_fidelity": trials["max_fidelity"].to_numpy()[of],
        "start_s": 0.0,
        "resume_s": 0.0,
        "unfinished_s": trials["unfinished_s"].to_numpy()[of],
        **{name: slices[name] for name in slices.columns if name.startswith(TEST)},
    }
    cells = typed([{name: c.values.get(name) for name in space.names} for c in configurations], space.names)
    number = trials["configuration"].to_numpy()[of]
    return pd.DataFrame(columns | {name: cells[name].array.take(number) for name in space.names})


def _task_infos(trials: pd.DataFrame, facts: Mapping[str, Mapping[str, Any]], metric: str) -> list[TaskInfo]:
    longest = trials.groupby("task")["max_fidelity"].max()
    return [
        TaskInfo(
            name=str(name),
            base_model=NO_BASE_MODEL,
            metric=metric,
            max_fidelity=int(longest[name]),
            records_per_slice=1,
            zero_shot_score=math.nan,
            meta_features={k: float(v) for k, v in facts.get(str(name), {}).items() if _is_feature(k, v)},
            facts=_plain_facts(facts.get(str(name), {})),
        )
        for name in longest.index
    ]


def _undescribed(infos: Sequence[TaskInfo], facts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    without = [info.name for info in infos if not facts.get(info.name)]
    if not facts or not without:
        return []
    return [f"nothing is known of {len(without)} of {len(infos)} tasks, such as {without[0]}, beside their trials"]


def _plain_facts(known: Mapping[str, Any]) -> dict[str, Value]:
    texts = {k: v for k, v in known.items() if not _is_number(v) and cell_value(v) is not None}
    plain: dict[str, Value] = {k: str(v) for k, v in texts.items()}
    if _is_number(known.get(VALIDATION_RECORDS)):
        plain[VALIDATION_RECORDS] = int(known[VALIDATION_RECORDS])
    return plain


def _is_feature(name: str, value: Any) -> bool:
    return name != VALIDATION_RECORDS and _is_number(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))
