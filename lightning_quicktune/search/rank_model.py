"""The rank model: how the trials of other tasks rank configurations, those that nobody tried included."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from lightning_quicktune.metadataset.arrays import CurveArrays, curve_arrays
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.surrogate.curves.ranks import Ranks, ranks_of
from lightning_quicktune.types import Configuration, TaskInfo

_FEWEST = 2  # configurations of a task that can be ranked


class RankModel:
    """Ranks of final scores on each training task, see ``Ranks``.

    Args:
        table: Trials of the training tasks.

    Raises:
        ValueError: If no task has two trials that can be compared.
    """

    def __init__(self, table: MetaDataset) -> None:
        arrays = curve_arrays(table)
        ranks = final_ranks(arrays)
        told = np.isfinite(ranks).sum(axis=1) >= _FEWEST
        if not told.any():
            raise ValueError(
                f"The experience has {len(arrays.tasks)} tasks, none of which has two trials that were trained to the "
                "end or failed, so configurations can't be ranked. Collect more trials, or choose a `searcher` that "
                "needs none, such as `successive_halving`."
            )
        self.tasks = tuple(table.task_info(name) for name, t in zip(arrays.tasks, told, strict=True) if t)
        self._space = table.space
        self._ranks = Ranks(table.space.encode(arrays.configurations), np.sqrt(ranks[told]))

    def known(self, pool: Sequence[Configuration]) -> Float[np.ndarray, "N C"]:
        """Rank of each configuration of a pool on each training task, see ``Ranks.known``."""
        return self._ranks.known(self._space.encode(pool))

    def smoothed(self, pool: Sequence[Configuration]) -> Float[np.ndarray, "N C"]:
        """The same, see ``Ranks.smoothed``."""
        return self._ranks.smoothed(self._space.encode(pool))


@lru_cache(maxsize=2)
def rank_model(table: MetaDataset) -> RankModel:
    """The ranks of a table, learned once: replays of one fold share it.

    Args:
        table: Trials of the training tasks.
    """
    return RankModel(table)


def final_ranks(arrays: CurveArrays) -> Float[np.ndarray, "N C"]:
    """Share of a task's configurations that ended better, 0 for the best; not a number where nothing is known.

    Args:
        arrays: Learning curves of the tasks.
    """
    return ranks_of(arrays.ends)


def nearest_task(task: TaskInfo, others: Sequence[TaskInfo]) -> int:
    """Place of the task most like another by meta-features.

    Each meta-feature counts by the share of the other tasks that have a lower value, so that neither its unit nor
    an outlier matters; where a value is missing, it counts as the middle.

    Args:
        task: The new task.
        others: Tasks to choose from.

    Raises:
        ValueError: If none of the others has a meta-feature.
    """
    names = sorted({name for other in others for name in other.meta_features})
    if not names:
        raise ValueError(
            f"`searcher: nearest_task_portfolio` compares tasks by their meta-features, but the {len(others)} tasks of "
            "the experience have none. Compute them, or choose `searcher: portfolio`."
        )
    rows = [[t.meta_features.get(name, np.nan) for name in names] for t in (task, *others)]
    values = np.array(rows, dtype=np.float64)
    below = (values[1:, None] < values[None]).mean(axis=0)
    ties = (values[1:, None] == values[None]).mean(axis=0)
    positions = np.where(np.isfinite(values), below + 0.5 * ties, 0.5)
    return int(np.argmin(np.square(positions[1:] - positions[0]).sum(axis=1)))
