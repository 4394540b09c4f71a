"""Regret, ranks and intervals: what a replay's observations say of a method."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata

LEVEL = 0.95  # share of the drawn means that lie in an interval
_EQUAL = 1e-12  # regrets that differ by rounding alone


@dataclass(frozen=True)
class Observed:
    """A score that a search has seen.

    Args:
        at_s: Simulated seconds since the search began.
        config_id: Configuration that was trained.
        trial_seed: Seed of its recorded trial.
        fidelity: Slices trained.
        score: Validation score.
    """

    at_s: float
    config_id: str
    trial_seed: int
    fidelity: int
    score: float


def incumbents(observed: Iterable[Observed]) -> tuple[Observed, ...]:
    """The observations that were better than all before them, by validation score.

    Args:
        observed: What a search has seen, in the order of time.
    """
    best: list[Observed] = []
    for each in observed:
        if not best or each.score > best[-1].score:
            best.append(each)
    return tuple(best)


def incumbent_at(best: Sequence[Observed], at_s: float) -> Observed | None:
    """The incumbent after some time; none before the first slice has ended.

    Args:
        best: All incumbents, in the order of time.
        at_s: Simulated seconds since the search began.
    """
    return next((each for each in reversed(best) if each.at_s <= at_s), None)


def normalised_regret(
    scores: Float[np.ndarray, "*shape"], best: float, median_final: float
) -> Float[np.ndarray, "*shape"]:
    r"""How far scores are below the best known one, in units of what search can gain.

    .. math:: (b - y) / (b - m)

    Args:
        scores: Score y of each incumbent.
        best: Best score b at any fidelity of the task's pool.
        median_final: Median m of the pool's scores after a full training.

    Returns:
        0 for the best known score, 1 for a configuration like any other, more for a worse one.

    Raises:
        ValueError: If ``best`` is not above ``median_final``.
    """
    if not best > median_final:
        raise ValueError(
            f"The best score of the pool is {best} and the median final score {median_final}, so there is nothing to "
            "gain by search and regret has no unit. Leave such a task out of the evaluation."
        )
    return np.asarray((best - scores) / (best - median_final))


def mean_ranks(regrets: Float[np.ndarray, "methods comparisons"]) -> Float[np.ndarray, " methods"]:
    """Mean rank of each method, 1 for the lowest regret; equal ones share the mean of their ranks.

    Args:
        regrets: Regret of each method in each comparison, such as a task and seed.
    """
    return np.asarray(rankdata(regrets, axis=0, method="average").mean(axis=1))


def count_wins(regrets: Float[np.ndarray, "methods tasks"]) -> Int[np.ndarray, " methods"]:
    """On how many tasks each method has the lowest regret; equal ones all count.

    Args:
        regrets: Regret of each method on each task.
    """
    return np.asarray((regrets <= regrets.min(axis=0) + _EQUAL).sum(axis=1))


def bootstrap_interval(
    values: Float[np.ndarray, "tasks seeds"],
    clusters: Int[np.ndarray, " tasks"],
    seed: int,
    n_draws: int = 2000,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Interval of the mean over tasks, by drawing again whole clusters of tasks, and seeds within each task.

    Args:
        values: A value per task and seed.
        clusters: Cluster of each task, from 0; tasks of one cluster, such as a domain, are alike and drawn together.
        seed: Seed of the draws.
        n_draws: How many means to draw.
        level: Share of the drawn means that lie in the interval.

    References:
        Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13 (percentile intervals).
    """
    generator = np.random.default_rng(seed)
    n_tasks, n_seeds = values.shape
    n_clusters = int(clusters.max()) + 1
    counts = generator.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size=n_draws)
    weights = counts[:, clusters]  # (n_draws, tasks)
    drawn = generator.integers(n_seeds, size=(n_draws, n_tasks, n_seeds))
    means = values[np.arange(n_tasks)[:, None], drawn].mean(axis=2)  # (n_draws, tasks)
    lower, upper = np.quantile((weights * means).sum(axis=1) / weights.sum(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(lower), float(upper)
