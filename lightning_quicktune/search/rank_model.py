"""The rank model: how the trials of other tasks rank configurations, those that nobody tried included."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata
from sklearn.ensemble import ExtraTreesRegressor

from lightning_quicktune.metadataset.arrays import CurveArrays, curve_arrays
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.types import Configuration, TaskInfo

_TREES, _SEED = 100, 0
_FEWEST = 2  # configurations of a task that can be ranked
_OWN = 20  # configurations that a task needs for a forest of its own, and with which that counts half
_PRIOR = 2.0  # tasks that the forest of all tasks counts as, beside those on which a configuration was tried


class RankModel:
    """Ranks of final scores on each training task, as square roots: 0 for the best configuration, 1 for the worst.

    By the roots, a difference among the best configurations counts more than one among the worst. A trial that failed
    is the worst of its task; one that was merely not finished has no rank. What is missing is predicted from encoded
    hyperparameters by random forests: one of what configurations are worth on average, with what was recorded of the
    very configuration elsewhere, and, where enough configurations were tried, one for the tasks that tried the same.

    Args:
        table: Trials of the training tasks.

    Raises:
        ValueError: If no task has two trials that can be compared.

    References:
        Geurts, Ernst and Wehenkel (2006), Extremely Randomized Trees.
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
        self._ranks = np.sqrt(ranks[told])
        self._tried = np.isfinite(self._ranks)
        self._space, self._columns = table.space, {c.id: i for i, c in enumerate(arrays.configurations)}
        self._encoded = table.space.encode(arrays.configurations)
        self._of_all: ExtraTreesRegressor | None = None
        self._own: list[tuple[Bool[np.ndarray, " N"], float, ExtraTreesRegressor]] = []

    def known(self, pool: Sequence[Configuration]) -> Float[np.ndarray, "N C"]:
        """Rank of each configuration on each training task, as recorded where it was; predicted elsewhere.

        Args:
            pool: The configurations, tried or not.
        """
        recorded = self._recorded(pool)
        missing = np.isnan(recorded)
        return np.where(missing, self.predicted(pool), recorded) if missing.any() else recorded

    def smoothed(self, pool: Sequence[Configuration]) -> Float[np.ndarray, "N C"]:
        """The same, where what was recorded counts half, so that the luck of a single trial does.

        Tasks with few configurations, from which nothing can be predicted, are as recorded.

        Args:
            pool: The configurations, tried or not.
        """
        recorded, predicted = self._recorded(pool), self.predicted(pool)
        few = (self._tried.sum(axis=1) < _OWN)[:, None]
        known = np.where(few, recorded, 0.5 * (recorded + predicted))
        return np.where(np.isnan(recorded), predicted, known)

    def predicted(self, pool: Sequence[Configuration]) -> Float[np.ndarray, "N C"]:
        """The same as its hyperparameters, and its ranks on other tasks, let expect it.

        Args:
            pool: The configurations, tried or not.
        """
        if self._of_all is None:
            self._fit()
        assert self._of_all is not None  # just fitted
        encoded, recorded = self._space.encode(pool), self._recorded(pool)
        n = np.isfinite(recorded).sum(axis=0)
        mean = (np.nan_to_num(recorded).sum(axis=0) + _PRIOR * self._of_all.predict(encoded)) / (n + _PRIOR)
        ranks = np.tile(mean, (len(self.tasks), 1))
        for tasks, weight, forest in self._own:
            own = forest.predict(encoded).reshape(len(pool), -1).T
            ranks[tasks] += weight * (own - ranks[tasks])
        return ranks

    def _recorded(self, pool: Sequence[Configuration]) -> Float[np.ndarray, "N C"]:
        recorded = np.full((len(self.tasks), len(pool)), np.nan)
        for place, configuration in enumerate(pool):
            if configuration.id in self._columns:
                recorded[:, place] = self._ranks[:, self._columns[configuration.id]]
        return recorded

    def _fit(self) -> None:
        n = self._tried.sum(axis=0)
        some = n > 0
        means = np.nan_to_num(self._ranks).sum(axis=0)[some] / n[some]
        self._of_all = _forest().fit(self._encoded[some], means, sample_weight=n[some])
        for mask in np.unique(self._tried, axis=0):
            if mask.sum() >= _OWN:
                tasks = (self._tried == mask).all(axis=1)
                targets = self._ranks[tasks][:, mask].T  # (C, N)
                forest = _forest().fit(self._encoded[mask], targets[:, 0] if targets.shape[1] == 1 else targets)
                self._own.append((tasks, float(mask.sum() / (mask.sum() + _OWN)), forest))


def _forest() -> ExtraTreesRegressor:
    return ExtraTreesRegressor(_TREES, bootstrap=True, random_state=_SEED, n_jobs=1)


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
