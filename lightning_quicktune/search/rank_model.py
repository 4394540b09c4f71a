"""How the trials of other tasks rank configurations, those that nobody tried included."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata
from sklearn.ensemble import RandomForestRegressor

from lightning_quicktune.metadataset.arrays import CurveArrays, curve_arrays
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.types import Configuration, TaskInfo

_TREES, _LEAF, _SHARE, _SEED = 200, 2, 0.5, 0
_FEWEST = 2  # configurations of a task that can be ranked


class RankModel:
    """Ranks of final scores on each training task: 0 for the best configuration, 1 for the worst.

    A trial that failed is the worst of its task; one that was merely not finished has no rank. A random forest
    predicts ranks from encoded hyperparameters: one for all tasks on which the same configurations were tried.

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
        self._ranks = ranks[told]
        self._space, self._configurations = table.space, arrays.configurations
        self._columns = {c.id: i for i, c in enumerate(arrays.configurations)}
        self._forests: list[tuple[Bool[np.ndarray, " N"], RandomForestRegressor]] = []

    def predicted(self, pool: Sequence[Configuration]) -> Float[np.ndarray, "N C"]:
        """Rank of each configuration on each training task as its hyperparameters let expect it.

        Args:
            pool: The configurations, tried or not.
        """
        if not self._forests:
            self._forests = self._fit()
        encoded, ranks = self._space.encode(pool), np.empty((len(self.tasks), len(pool)))
        for tasks, forest in self._forests:
            ranks[tasks] = forest.predict(encoded).reshape(len(pool), -1).T
        return ranks

    def known(self, pool: Sequence[Configuration]) -> Float[np.ndarray, "N C"]:
        """The same, as recorded where it was; predicted elsewhere.

        Args:
            pool: The configurations, tried or not.
        """
        recorded = np.full((len(self.tasks), len(pool)), np.nan)
        for place, configuration in enumerate(pool):
            if configuration.id in self._columns:
                recorded[:, place] = self._ranks[:, self._columns[configuration.id]]
        missing = np.isnan(recorded)
        return np.where(missing, self.predicted(pool), recorded) if missing.any() else recorded

    def _fit(self) -> list[tuple[Bool[np.ndarray, " N"], RandomForestRegressor]]:
        encoded, tried, forests = self._space.encode(self._configurations), np.isfinite(self._ranks), []
        for mask in np.unique(tried, axis=0):
            tasks = (tried == mask).all(axis=1)
            targets = self._ranks[tasks][:, mask].T  # (C, N)
            forest = RandomForestRegressor(
                _TREES, min_samples_leaf=_LEAF, max_features=_SHARE, random_state=_SEED, n_jobs=1
            )
            forests.append((tasks, forest.fit(encoded[mask], targets[:, 0] if targets.shape[1] == 1 else targets)))
        return forests


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
    final = arrays.ends
    ranks = np.full(final.shape, np.nan)
    for row, scores in zip(ranks, final, strict=True):
        tried = ~np.isnan(scores)
        if tried.any():
            row[tried] = (rankdata(-scores[tried], method="average") - 1) / max(int(tried.sum()) - 1, 1)
    return ranks


def nearest_task(task: TaskInfo, others: Sequence[TaskInfo]) -> int:
    """Place of the task most like another by meta-features.

    Each meta-feature counts by the share of the other tasks that have a lower value, so that neither its unit nor
    an outlier matters; where a value is missing, it counts as the middle.

    Args:
        task: The new task.
        others: Tasks to choose from.

    Raises:
        ValueError: If the task has no meta-feature that another has.
    """
    names = sorted(name for name in task.meta_features if any(name in other.meta_features for other in others))
    if not names:
        raise ValueError(
            f"`searcher: nearest_task_portfolio` compares tasks by their meta-features, but {task.name!r} has none "
            "that the experience has too. Compute its meta-features, or choose `searcher: portfolio`."
        )
    rows = [[t.meta_features.get(name, np.nan) for name in names] for t in (task, *others)]
    values = np.array(rows, dtype=np.float64)
    below = (values[1:, None] < values[None]).mean(axis=0)
    ties = (values[1:, None] == values[None]).mean(axis=0)
    positions = np.where(np.isfinite(values), below + 0.5 * ties, 0.5)
    return int(np.argmin(np.square(positions[1:] - positions[0]).sum(axis=1)))
