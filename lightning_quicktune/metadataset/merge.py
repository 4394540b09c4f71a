"""Several meta-datasets as one: what was learned at one length, or of one base model, says something of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

from lightning_quicktune.metadataset.table import FACT, SCHEMA_VERSION, MetaDataset, counts
from lightning_quicktune.types import TaskInfo

DATASET = FACT + "dataset"


def merged(tables: Sequence[MetaDataset], names: Sequence[str]) -> MetaDataset:
    """The tasks and trials of several meta-datasets of one search space.

    A task whose name several of them have becomes ``NAME@RECORDS``, with the records of its full training, and
    ``NAME@RECORDS@MODEL`` where several base models were trained for as long; all keep the name of the dataset as the
    fact ``dataset``.

    Args:
        tables: The meta-datasets, at least one.
        names: What each is called, for messages.

    Raises:
        ValueError: If their search spaces, metrics or versions of labels differ, or a task of one name, length and base
            model is in two of them.
    """
    first = tables[0]
    if len(tables) == 1:
        return first
    for table, name in zip(tables[1:], names[1:], strict=True):
        _check_alike(first, names[0], table, name)
    renamed = list(tables)
    for told_by in (lambda info: info.training_records, lambda info: info.base_model.name):
        renamed = [_renamed(table, _twice(renamed), told_by) for table in renamed]
    if twice := _twice(renamed):
        raise ValueError(
            f"{' and '.join(names)} both have trials of {', '.join(sorted(twice))}, of one name, length and base "
            "model, which can't be told apart. Name one of the two alone, or build one meta-dataset of their trials."
        )
    trials = pd.concat([table.trials for table in renamed], ignore_index=True)
    tasks = pd.concat([table.tasks for table in renamed], ignore_index=True)
    meta = {
        "schema_version": SCHEMA_VERSION,
        "label_version": first.label_version,
        **{key: "; ".join(dict.fromkeys(str(t.meta.get(key)) for t in tables)) for key in ("origin", "licence")},
        **counts(trials, tasks),
    }
    return MetaDataset(trials, tasks, first.space, meta)


def _twice(tables: Sequence[MetaDataset]) -> set[str]:
    """Names that more than one task has."""
    return {name for name, n in Counter(name for table in tables for name in table.task_names).items() if n > 1}


def _renamed(table: MetaDataset, shared: set[str], told_by: Callable[[TaskInfo], object]) -> MetaDataset:
    """With what tells them apart behind the names that are shared, and the fact ``dataset`` of every task."""
    infos = {name: table.task_info(name) for name in table.task_names}
    names = {name: f"{name}@{told_by(info)}" if name in shared else name for name, info in infos.items()}
    tasks = table.tasks.assign(task=table.tasks["task"].map(names))
    tasks[DATASET] = [infos[name].dataset for name in table.tasks["task"]]
    return replace(table, tasks=tasks, trials=table.trials.assign(task=table.trials["task"].map(names)))


def _check_alike(first: MetaDataset, its_name: str, other: MetaDataset, name: str) -> None:
    differing = list(first.space.differences(other.space))
    for what, values in (
        ("metric", [sorted(set(table.tasks["metric"])) for table in (first, other)]),
        ("label version", [table.label_version for table in (first, other)]),
    ):
        if values[0] != values[1]:
            differing.append(f"{what} {values[0]} and {values[1]}")
    if differing:
        raise ValueError(
            f"{its_name} and {name} can't be learned from together (first: {its_name}, second: {name}): "
            f"{'; '.join(differing)}. Name meta-datasets of one search space, metric and version of labels."
        )
