"""Mean learning curve of configurations over tasks: a Gaussian process and a forest, averaged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import cholesky, solve_triangular

from lightning_quicktune.surrogate.curves.kernel import Amplitudes, Kernel, fit_kernel, solve

MOST_CONFIGURATIONS = 1000  # that the mean is learned from
COMPONENTS = 3  # principal components of mean curves that the kernel is learned from
TREES, LEAF = 100, 2
FEWEST = 3  # configurations without which a forest has nothing to learn
EVEN = 0.5  # weight of the forest in the mean, until left-out tasks tell


@dataclass(frozen=True, eq=False)
class Tried:
    """Distinct configurations of some tasks, and their mean normalised curves there.

    Args:
        encoded: Shape ``(N, D)``.
        curves: Means over the tasks on which each was tried, shape ``(N, H)``.
        counts: On how many, shape ``(N,)``.
    """

    encoded: Float[np.ndarray, "N D"]
    curves: Float[np.ndarray, "N H"]
    counts: Float[np.ndarray, " N"]

    @classmethod
    def of(cls, encoded: list[Float[np.ndarray, "_ D"]], curves: list[Float[np.ndarray, "_ H"]]) -> Tried:
        """Gathers the configurations of several tasks.

        Args:
            encoded: Encoded configurations of each task.
            curves: Their normalised curves there.
        """
        places: dict[bytes, int] = {}
        stacked, values = np.concatenate(encoded), np.concatenate(curves)
        place = np.array([places.setdefault(row.tobytes(), len(places)) for row in stacked], dtype=np.int64)
        counts = np.bincount(place).astype(np.float64)
        sums = np.zeros((len(counts), values.shape[1]))
        np.add.at(sums, place, values)
        return cls(stacked[np.unique(place, return_index=True)[1]], sums / counts[:, None], counts)

    def some(self, most: int) -> Tried:
        """A seeded draw of at most so many of them."""
        if len(self.counts) <= most:
            return self
        chosen = np.sort(np.random.default_rng(0).permutation(len(self.counts))[:most])
        return Tried(self.encoded[chosen], self.curves[chosen], self.counts[chosen])


@dataclass(frozen=True, eq=False)
class MeanCurve:
    """Predicts the mean normalised curve of any configuration.

    It is what was tried and the kernel; factorisation and trees follow from these, so that they are what is stored.

    Args:
        tried: What it was learned from.
        kernel: Between configurations.
        amplitudes: Of the mean curves.
        forest: Weight of the forest, from 0 to 1; the process has the rest.
        seed: Of the forest.

    References:
        Geurts, Ernst and Wehenkel (2006), Extremely Randomized Trees.
    """

    tried: Tried
    kernel: Kernel
    amplitudes: Amplitudes
    forest: float = EVEN
    seed: int = 0

    @classmethod
    def fitted(cls, tried: Tried, blocks: Int[np.ndarray, " D"], seed: int = 0) -> MeanCurve:
        """Learns the kernel too."""
        tried = tried.some(MOST_CONFIGURATIONS)
        centred = tried.curves - np.average(tried.curves, axis=0, weights=tried.counts)
        _, _, components = np.linalg.svd(centred, full_matrices=False)
        values = centred @ components[:COMPONENTS].T
        kernel, amplitudes = fit_kernel(blocks, tried.encoded, values, tried.counts / tried.counts.mean())
        return cls(tried, kernel, amplitudes, seed=seed)

    def relearned(self, tried: Tried) -> MeanCurve:
        """The same kernel on other data."""
        return replace(self, tried=tried.some(MOST_CONFIGURATIONS))

    def predict(self, encoded: Float[np.ndarray, "C D"]) -> Float[np.ndarray, "C H"]:
        """Mean curves of configurations, tried or not."""
        smooth, grown = self.parts(encoded)
        return np.asarray((1.0 - self.forest) * smooth + self.forest * grown)

    def parts(self, encoded: Float[np.ndarray, "C D"]) -> tuple[Float[np.ndarray, "C H"], Float[np.ndarray, "C H"]]:
        """What process and forest predict; the former twice where there are too few configurations for trees."""
        smooth = self._smooth(encoded)
        if not self._trees:
            return smooth, smooth
        single = np.ascontiguousarray(encoded, dtype=np.float32)
        grown = np.mean([tree.predict(single).reshape(len(encoded), -1) for tree in self._trees], axis=0)
        return smooth, np.asarray(grown)

    def ignorance(self, encoded: Float[np.ndarray, "C D"]) -> Float[np.ndarray, " C"]:
        """Posterior variance of the Gaussian process over its prior one: near 0 where tried, 1 far from all."""
        cross = self.amplitudes.smooth * self.kernel(self.tried.encoded, encoded)
        white = solve_triangular(self._factor, cross, lower=True)
        return np.asarray(np.clip(1.0 - np.square(white).sum(0) / self.amplitudes.smooth, 0.0, 1.0))

    def _smooth(self, encoded: Float[np.ndarray, "C D"]) -> Float[np.ndarray, "C H"]:
        cross = self.amplitudes.smooth * self.kernel(encoded, self.tried.encoded)
        return np.asarray(cross @ self._weights + self._middle)

    @cached_property
    def _middle(self) -> Float[np.ndarray, " H"]:
        return np.asarray(np.average(self.tried.curves, axis=0, weights=self.tried.counts))

    @cached_property
    def _covariance(self) -> Float[np.ndarray, "N N"]:
        x, counts = self.tried.encoded, self.tried.counts / self.tried.counts.mean()
        return np.asarray(self.amplitudes.smooth * self.kernel(x, x) + np.diag(self.amplitudes.noise / counts))

    @cached_property
    def _factor(self) -> Float[np.ndarray, "N N"]:
        return np.asarray(cholesky(self._covariance, lower=True))

    @cached_property
    def _weights(self) -> Float[np.ndarray, "N H"]:
        return solve(self._covariance, self.tried.curves - self._middle)

    @cached_property
    def _trees(self) -> list[Any]:
        if len(self.tried.counts) < FEWEST:
            return []
        from sklearn.ensemble import ExtraTreesRegressor  # takes a second to import

        forest = ExtraTreesRegressor(TREES, min_samples_leaf=LEAF, bootstrap=True, random_state=self.seed)
        curves = self.tried.curves
        forest.fit(
            self.tried.encoded, curves[:, 0] if curves.shape[1] == 1 else curves, sample_weight=self.tried.counts
        )
        return [each.tree_ for each in forest.estimators_]
