"""The order of a pool by what other tasks say of its configurations."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.search.names import SearcherName
from lightning_quicktune.search.portfolio import greedy_order, ranked_order
from lightning_quicktune.search.rank_model import nearest_task, rank_model
from lightning_quicktune.types import Configuration, TaskInfo


def learned_order(
    name: SearcherName, pool: Sequence[Configuration], task: TaskInfo, table: MetaDataset
) -> tuple[Configuration, ...]:
    """The order in which a portfolio tries the configurations of a pool.

    Args:
        name: Name of the method.
        pool: The configurations.
        task: The new task.
        table: Trials of other tasks.
    """
    model = rank_model(table)
    if name == "nearest_task_portfolio":
        place = nearest_task(task, model.tasks)
        return ranked_order(pool, model.known(pool)[place])
    ranks = model.smoothed(pool) if name.startswith("forest") else model.known(pool)
    return greedy_order(pool, ranks)
