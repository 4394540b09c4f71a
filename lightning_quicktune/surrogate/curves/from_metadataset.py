"""Trials of a meta-dataset as the tables that the prior over learning curves is learned from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from lightning_quicktune.metadataset.table import CurveRow, MetaDataset
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.surrogate.curves.tables import TaskTable

CostColumn = Literal["cost_s", "cost_cpu_s"]
USED = ("completed", "failed")  # a searcher stops the trials that look bad: their ends are missing for a reason


def task_tables(table: MetaDataset, cost: CostColumn = "cost_s") -> list[TaskTable]:
    """One table of curves for each task.

    Args:
        table: The meta-dataset, without what was measured on test splits.
        cost: Recorded cost that is learned.

    Raises:
        ValueError: If tasks differ in ``max_fidelity``, so that their curves can't be laid side by side.
    """
    tasks = [table.task_info(name) for name in table.task_names]
    lengths = {task.max_fidelity for task in tasks}
    if len(lengths) > 1:
        raise ValueError(
            f"The tasks of the meta-dataset have full trainings of {', '.join(map(str, sorted(lengths)))} slices, but "
            "curves of one length are learned from. Select the tasks of one `max_fidelity`, or collect them again."
        )
    return [
        _table([r for r in table.curves([t.name]) if _is_used(r, t.max_fidelity)], t.max_fidelity, table.space, cost)
        for t in tasks
    ]


def _is_used(row: CurveRow, max_fidelity: int) -> bool:
    return row.status in USED or row.fidelity >= max_fidelity


def _table(rows: Sequence[CurveRow], max_fidelity: int, space: SearchSpace, cost: CostColumn) -> TaskTable:
    scores, costs = (np.full((len(rows), max_fidelity), np.nan) for _ in range(2))
    for place, row in enumerate(rows):
        seconds = row.costs_s if cost == "cost_s" else row.costs_cpu_s
        scores[place, : row.fidelity] = row.scores[:max_fidelity]
        costs[place, : row.fidelity] = seconds[:max_fidelity]
    return TaskTable(
        encoded=space.encode([row.configuration for row in rows]),
        scores=scores,
        costs_s=costs,
        failed=np.array([row.fidelity < max_fidelity for row in rows], dtype=np.bool_),
    )
