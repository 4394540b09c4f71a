"""Bootstrap intervals and paired permutation tests of a mean over tasks."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

LEVEL = 0.95  # share of the drawn means that lie in an interval
N_DRAWS = 2000
N_PERMUTATIONS = 20_000
_ALL_UP_TO = 14  # clusters: so many are flipped in every possible way
_TIE = 1e-12


class Bootstrap:
    """Draws whole clusters of tasks again, and seeds for all tasks together; the same draws for everything it is asked.

    A seed is the same for all tasks, because it decides which configurations the pools of all of them are made of.

    Args:
        clusters: Cluster of each task, from 0 without gaps; tasks of one cluster, such as a domain, are alike and
            drawn together.
        n_seeds: Replays of each task.
        seed: Seed of the draws.
        n_draws: How many means to draw.

    References:
        Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13 (percentile intervals).
    """

    def __init__(self, clusters: Int[np.ndarray, " tasks"], n_seeds: int, seed: int, n_draws: int = N_DRAWS) -> None:
        generator = np.random.default_rng(seed)
        n_clusters = int(clusters.max()) + 1
        drawn = generator.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size=n_draws)
        of_tasks = drawn[:, clusters].astype(np.float64)  # (n_draws, tasks)
        of_seeds = generator.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=n_draws) / n_seeds
        weights = of_tasks[:, :, None] * of_seeds[:, None, :] / of_tasks.sum(axis=1)[:, None, None]
        self._weights = weights.reshape(n_draws, -1)

    def interval(
        self, values: Float[np.ndarray, "tasks seeds *what"], level: float = LEVEL
    ) -> tuple[Float[np.ndarray, "*what"], Float[np.ndarray, "*what"]]:
        """Lower and upper end of the interval of the mean over tasks and seeds.

        Args:
            values: A value per task and seed, of as many things as wanted.
            level: Share of the drawn means that lie in an interval.
        """
        means = self._weights @ values.reshape(self._weights.shape[1], -1)
        lower, upper = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return lower.reshape(values.shape[2:]), upper.reshape(values.shape[2:])


def permutation_p(
    differences: Float[np.ndarray, " tasks *what"], clusters: Int[np.ndarray, " tasks"], seed: int
) -> Float[np.ndarray, "*what"]:
    """Two-sided probability of so large a mean difference if both methods were alike.

    The sign of each cluster's differences is flipped at random: in every possible way where clusters are few, so that
    the test is exact.

    Args:
        differences: Paired difference on each task, of as many things as wanted.
        clusters: Cluster of each task, from 0 without gaps.
        seed: Seed of the flips.

    References:
        Fisher (1935), The Design of Experiments. Phipson and Smyth (2010), Permutation P-values Should Never Be Zero
        (the 1 that is added where flips are drawn).
    """
    n = int(clusters.max()) + 1
    sums = np.zeros((n, *differences.shape[1:]))
    np.add.at(sums, clusters, differences)
    sums = sums.reshape(n, -1)
    exact = n <= _ALL_UP_TO
    if exact:
        flips = np.array(np.meshgrid(*[[-1.0, 1.0]] * n)).reshape(n, -1).T
    else:
        flips = np.random.default_rng(seed).choice([-1.0, 1.0], size=(N_PERMUTATIONS, n))
    as_large = (np.abs(flips @ sums) >= np.abs(sums.sum(axis=0)) - _TIE).sum(axis=0)
    p = as_large / len(flips) if exact else (as_large + 1) / (len(flips) + 1)
    return np.asarray(p.reshape(differences.shape[1:]))


def holm(p_values: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """Probabilities corrected for the number of tests, so that any false finding among them is unlikely.

    Args:
        p_values: Of each test.

    References:
        Holm (1979), A Simple Sequentially Rejective Multiple Test Procedure.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return corrected
