"""How tasks rank configurations, those that nobody tried included, and the order in which that says to try them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesRegressor

TREES, SEED = 100, 0
SHARED, LEAST_TREES = 500, 25  # trees of all forests of tasks together, and of each
OWN = 20  # configurations that a task needs for a forest of its own, and with which that counts half
MOST_OWN = 60  # such forests, of the tasks that tried the most
PRIOR = 2.0  # tasks that the forest of all tasks counts as, beside those on which a configuration was tried


@dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks of final scores on each training task, as square roots: 0 for the best configuration, 1 for the worst.

    By the roots, a difference among the best configurations counts more than one among the worst. A trial that failed
    is the worst of its task; one that was merely not finished has no rank. What is missing is predicted from encoded
    hyperparameters by random forests: one of what configurations are worth on average, with what was recorded of the
    very configuration elsewhere, and, where enough configurations were tried, one for the tasks that tried the same.

    Args:
        encoded: Distinct encoded configurations, shape ``(C, D)``.
        values: Root of the rank of each on each task, not a number where it has none, shape ``(T, C)``.
        trees: Of each forest.
        are_shared: Whether forests of tasks share ``SHARED``, with ``LEAST_TREES`` each at least: many tasks that tried
            different configurations are ranked in a quarter of the time.

    References:
        Geurts, Ernst and Wehenkel (2006), Extremely Randomized Trees.
    """

    encoded: Float[np.ndarray, "C D"]
    values: Float[np.ndarray, "T C"]
    trees: int = TREES
    are_shared: bool = False

    @classmethod
    def of(
        cls, encoded: Sequence[Float[np.ndarray, "_ D"]], ends: Sequence[Float[np.ndarray, " _"]], trees: int = TREES
    ) -> Ranks:
        """Ranks what was tried on each task.

        Args:
            encoded: Encoded configurations of each task; of one that is there twice, the mean counts.
            ends: Their final scores there, minus infinity where a trial failed.
            trees: Of each forest, those of tasks at most.
        """
        places: dict[bytes, int] = {}
        rows = [[places.setdefault(row.tobytes(), len(places)) for row in each] for each in encoded]
        stacked, place = np.concatenate(encoded), np.array([p for each in rows for p in each], dtype=np.int64)
        distinct = stacked[np.unique(place, return_index=True)[1]]
        values = np.full((len(ends), len(distinct)), np.nan)
        for task, (own, final) in enumerate(zip(rows, ends, strict=True)):
            sums, counts = np.zeros(len(distinct)), np.bincount(own, minlength=len(distinct))
            np.add.at(sums, own, final)
            values[task, counts > 0] = sums[counts > 0] / counts[counts > 0]
        return cls(distinct, np.sqrt(ranks_of(values)), trees, are_shared=True)

    def known(self, encoded: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "T N"]:
        """Rank of each configuration on each training task, as recorded where it was; predicted elsewhere.

        Args:
            encoded: The configurations, tried or not.
        """
        recorded = self._recorded(encoded)
        missing = np.isnan(recorded)
        return np.where(missing, self.predicted(encoded), recorded) if missing.any() else recorded

    def smoothed(self, encoded: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "T N"]:
        """The same, where what was recorded counts half, so that the luck of a single trial does.

        Tasks with few configurations, from which nothing can be predicted, are as recorded.

        Args:
            encoded: The configurations, tried or not.
        """
        recorded, predicted = self._recorded(encoded), self.predicted(encoded)
        few = (self._tried.sum(axis=1) < OWN)[:, None]
        known = np.where(few, recorded, 0.5 * (recorded + predicted))
        return np.where(np.isnan(recorded), predicted, known)

    def predicted(self, encoded: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "T N"]:
        """The same as its hyperparameters, and its ranks on other tasks, let expect it.

        Args:
            encoded: The configurations, tried or not.
        """
        recorded = self._recorded(encoded)
        n = np.isfinite(recorded).sum(axis=0)
        mean = (np.nan_to_num(recorded).sum(axis=0) + PRIOR * self._of_all.predict(encoded)) / (n + PRIOR)
        ranks: Float[np.ndarray, "T N"] = np.tile(mean, (len(self.values), 1))
        for tasks, weight, forest in self._own:
            own = forest.predict(encoded).reshape(len(encoded), -1).T
            ranks[tasks] += weight * (own - ranks[tasks])
        return ranks

    def _recorded(self, encoded: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "T N"]:
        places = {row.tobytes(): i for i, row in enumerate(self.encoded)}
        found = np.array([places.get(row.tobytes(), -1) for row in encoded], dtype=np.int64)
        return np.asarray(np.where(found >= 0, self.values[:, found], np.nan))

    @cached_property
    def _tried(self) -> Bool[np.ndarray, "T C"]:
        return np.asarray(np.isfinite(self.values))

    @cached_property
    def _of_all(self) -> ExtraTreesRegressor:
        n = self._tried.sum(axis=0)
        some = n > 0
        means = np.nan_to_num(self.values).sum(axis=0)[some] / n[some]
        return _forest(self.trees).fit(self.encoded[some], means, sample_weight=n[some])

    @cached_property
    def _own(self) -> list[tuple[Bool[np.ndarray, " T"], float, ExtraTreesRegressor]]:
        masks = [mask for mask in np.unique(self._tried, axis=0) if mask.sum() >= OWN]
        masks = sorted(masks, key=lambda mask: -int(mask.sum()))[:MOST_OWN]
        share = max(LEAST_TREES, SHARED // len(masks)) if self.are_shared and masks else self.trees
        trees = min(self.trees, share)
        found = []
        for mask in masks:
            tasks = (self._tried == mask).all(axis=1)
            targets = self.values[tasks][:, mask].T  # (C, T)
            forest = _forest(trees).fit(self.encoded[mask], targets[:, 0] if targets.shape[1] == 1 else targets)
            found.append((tasks, float(mask.sum() / (mask.sum() + OWN)), forest))
        return found


def _forest(trees: int) -> ExtraTreesRegressor:
    from sklearn.ensemble import ExtraTreesRegressor  # takes a second to import

    return ExtraTreesRegressor(trees, bootstrap=True, random_state=SEED, n_jobs=1)


def ranks_of(ends: Float[np.ndarray, "T C"]) -> Float[np.ndarray, "T C"]:
    """Share of a task's configurations that ended better, 0 for the best; not a number where nothing is known.

    Args:
        ends: Final scores, minus infinity where a trial failed, not a number where its end is not known.
    """
    ranks = np.full(ends.shape, np.nan)
    for row, scores in zip(ranks, ends, strict=True):
        tried = ~np.isnan(scores)
        if tried.any():
            row[tried] = (rankdata(-scores[tried], method="average") - 1) / max(int(tried.sum()) - 1, 1)
    return ranks


def greedy_places(ranks: Float[np.ndarray, "T C"], most: int | None = None) -> Int[np.ndarray, " _"]:
    """Puts next whichever configuration lowers the mean over tasks of the smallest rank so far the most.

    Where none lowers it any more, or several do alike, the lowest mean rank goes first.

    Args:
        ranks: Rank of each configuration on each task, lower is better.
        most: How many are wanted; all if not given.

    Returns:
        Places of the configurations, in that order.

    References:
        Wistuba, Schilling and Schmidt-Thieme (2015), Sequential Model-free Hyperparameter Tuning: an order from
        earlier tasks. Pfisterer, van Rijn, Probst, Mueller and Bischl (2021), Learning Multiple Defaults for Machine
        Learning Algorithms: the greedy choice.
    """
    smallest, means = np.full(len(ranks), np.inf), ranks.mean(axis=0)
    left: list[int] = np.argsort(means, kind="stable").tolist()
    order: list[int] = []
    while left and len(order) != most:
        after = np.minimum(smallest[:, None], ranks[:, left]).mean(axis=0)
        if after.min() > smallest.mean() - 1e-12:  # no gain is left
            order += left
            break
        place = left.pop(int(np.argmin(np.round(after, 12))))
        smallest = np.minimum(smallest, ranks[:, place])
        order.append(place)
    return np.array(order[:most], dtype=np.int64)
