"""The agreement of tasks and fidelities on what is good, and the price of one configuration for all tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from lightning_quicktune.metadataset.arrays import CurveArrays

FEWEST = 5  # configurations in common without which a rank correlation says nothing


def between_tasks(arrays: CurveArrays) -> Float[np.ndarray, " P"]:
    """Rank correlation of final scores, of each pair of tasks of two datasets with enough configurations in common.

    Args:
        arrays: Learning curves of the tasks.
    """
    final = arrays.final
    pairs = [(i, j) for i in range(len(final)) for j in range(i) if arrays.datasets[i] != arrays.datasets[j]]
    return _known([rank_correlation(final[i], final[j]) for i, j in pairs])


def with_final(arrays: CurveArrays, share: float) -> Float[np.ndarray, " P"]:
    """Rank correlation between the score after a share of a full training and the final one, of each task.

    Trials whose training is so short that both are the same score are left out.

    Args:
        arrays: Learning curves of the tasks.
        share: Share of each trial's own training, rounded up to whole slices.
    """
    earlier = np.where(np.maximum(share * arrays.max_fidelity, 1) < arrays.max_fidelity, arrays.at_share(share), np.nan)
    return _known([rank_correlation(a, b) for a, b in zip(earlier, arrays.final, strict=True)])


def percentiles(arrays: CurveArrays, place: int) -> Float[np.ndarray, " N"]:
    """Per cent of a task's other configurations that one beats in the end; a tie counts half.

    One that failed loses to all that were trained to the end. It is not a number where neither is known.

    Args:
        arrays: Learning curves of the tasks.
        place: Place of the configuration among ``arrays.configurations``.
    """
    values = []
    for final in arrays.ends:
        others = np.delete(final, place)
        others = others[~np.isnan(others)]
        known = not np.isnan(final[place]) and len(others)
        beaten = (others < final[place]).mean() + 0.5 * (others == final[place]).mean() if known else np.nan
        values.append(100.0 * beaten)
    return np.array(values, dtype=np.float64)


def regret_of_one_for_all(arrays: CurveArrays) -> Float[np.ndarray, " P"]:
    """Normalised regret, on each task, of the configuration with the best mean rank on all tasks of other datasets.

    (b - y) / (b - m): b is the best score at any fidelity, m the median final score and y the configuration's best
    score. A configuration that failed elsewhere has the lowest rank there. Tasks where b is m, or where no
    configuration was tried elsewhere too, are left out.

    Args:
        arrays: Learning curves of the tasks.
    """
    final = arrays.final
    ranks = np.stack([_ranks(scores) for scores in arrays.ends]) if len(final) else final
    regrets = []
    for i, scores in enumerate(arrays.scores):
        others = ranks[[dataset != arrays.datasets[i] for dataset in arrays.datasets]]
        tried = np.isfinite(others).any(axis=0) & np.isfinite(final[i])
        if tried.any():
            mean = np.where(tried, np.nansum(others, axis=0) / np.maximum(np.isfinite(others).sum(axis=0), 1), -np.inf)
            best, middle = np.nanmax(scores), np.nanmedian(final[i])
            span = best - middle
            regrets.append((best - np.nanmax(scores[int(np.argmax(mean))])) / span if span > 0 else np.nan)
    return _known(regrets)


def rank_correlation(first: Float[np.ndarray, " N"], second: Float[np.ndarray, " N"]) -> float:
    """Spearman's rank correlation of what both sides know; not a number for too few values, or if one side is constant.

    Args:
        first: Values, not a number where unknown.
        second: Values of the same things.
    """
    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < FEWEST or np.ptp(first[both]) == 0.0 or np.ptp(second[both]) == 0.0:
        return float("nan")
    return float(np.corrcoef(rankdata(first[both]), rankdata(second[both]))[0, 1])


def _ranks(scores: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Ranks in (0, 1), the higher the better; not a number where unknown."""
    known = ~np.isnan(scores)
    ranks = np.full(len(scores), np.nan)
    ranks[known] = (rankdata(scores[known]) - 0.5) / max(known.sum(), 1)
    return ranks


def _known(values: Sequence[float]) -> Float[np.ndarray, " P"]:
    array = np.array(values, dtype=np.float64)
    return array[np.isfinite(array)]
