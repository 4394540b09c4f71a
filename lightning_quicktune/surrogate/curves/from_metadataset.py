"""Trials of a meta-dataset as the tables that the prior over learning curves is learned from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from lightning_quicktune.metadataset.outcome import ENDED
from lightning_quicktune.metadataset.table import CurveRow, MetaDataset
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.surrogate.curves.prior import CurvePrior, fit_curve_prior
from lightning_quicktune.surrogate.curves.tables import TaskTable

CostColumn = Literal["cost_s", "cost_cpu_s"]


def prior_of(table: MetaDataset, seed: int = 0, cost: CostColumn = "cost_s") -> CurvePrior:
    """Learns the prior from a meta-dataset.

    Args:
        table: The meta-dataset, without what was measured on test splits.
        seed: See ``fit_curve_prior``.
        cost: Recorded cost that is learned.

    Raises:
        ValueError: If no task can be learned from.
    """
    return fit_curve_prior(task_tables(table, cost), np.array(table.space.encoded_blocks), seed)


def task_tables(table: MetaDataset, cost: CostColumn = "cost_s") -> list[TaskTable]:
    """One table of curves for each task: trials that were trained to their own end, or failed on the way.

    Args:
        table: The meta-dataset, without what was measured on test splits.
        cost: Recorded cost that is learned.

    Raises:
        ValueError: If there is no such trial.
    """
    used = [row for row in table.curves() if row.outcome in ENDED]
    if not used:
        raise ValueError(
            f"The meta-dataset has {len(table.task_names)} tasks, but no trial that was trained to its end or failed "
            "by its configuration, so there is no final score to learn from. Collect full trainings."
        )
    by_task: dict[str, list[CurveRow]] = {}
    for row in used:
        by_task.setdefault(row.task, []).append(row)
    datasets = table.datasets
    return [_table(rows, table.space, cost, datasets[name]) for name, rows in by_task.items()]


def _table(rows: Sequence[CurveRow], space: SearchSpace, cost: CostColumn, dataset: str) -> TaskTable:
    longest = max(1, *(row.fidelity for row in rows))
    scores, costs = (np.full((len(rows), longest), np.nan) for _ in range(2))
    for place, row in enumerate(rows):
        scores[place, : row.fidelity] = row.scores
        costs[place, : row.fidelity] = row.costs_s if cost == "cost_s" else row.costs_cpu_s
    return TaskTable(
        encoded=space.encode([row.configuration for row in rows]),
        scores=scores,
        costs_s=costs,
        failed=np.array([row.outcome == "failed" for row in rows], dtype=np.bool_),
        lengths=np.array([row.max_fidelity for row in rows], dtype=np.int64),
        dataset=dataset,
    )
