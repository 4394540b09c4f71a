"""Training tasks as arrays on one scale: that of regret, at shares of each training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

LOWEST = -1.0  # normalised score below which curves are all alike
HIGHEST = 4.0
UPPER, NORMAL = 0.95, 1.645  # a quantile of scores, and how many deviations it lies above the median of a normal
CONSTANT = 1e-6  # tasks whose final scores vary less teach nothing about configurations
RATIO = 1.45  # between neighbouring knots


@dataclass(frozen=True, eq=False)
class TaskTable:
    """Trials of one task.

    Args:
        encoded: Encoded configurations in [0, 1], masks of inactive hyperparameters included, shape ``(N, D)``.
        scores: Scores, not a number where none was taken, shape ``(N, F)``.
        costs_s: Seconds of each slice, not a number where unknown, shape ``(N, F)``.
        failed: Whether a trial failed: it is worth no more than the worst of its task, shape ``(N,)``.
        lengths: Slices of each trial's own full training, shape ``(N,)``.
        dataset: Name of the dataset, which tasks that train for different lengths share; none if it has no other task.
    """

    encoded: Float[np.ndarray, "N D"]
    scores: Float[np.ndarray, "N F"]
    costs_s: Float[np.ndarray, "N F"]
    failed: Bool[np.ndarray, " N"]
    lengths: Int[np.ndarray, " N"]
    dataset: str | None = None


@dataclass(frozen=True, eq=False)
class NormalisedTask:
    """Learning curves of one task, comparable with those of others.

    Location is the median final score, scale the distance from there to the 95 % quantile (as deviations of a normal):
    what search can gain, the unit of regret. Configurations that collapse, often a quarter, move neither.

    Args:
        encoded: Encoded configurations, shape ``(N, D)``.
        curves: Normalised scores at the knots, within [``LOWEST``, ``HIGHEST``], shape ``(N, H)``.
        ends: Final scores, minus infinity where a trial failed, shape ``(N,)``.
        failed: Whether a trial failed, shape ``(N,)``.
        location: In scores.
        scale: In scores.
        dataset: As in ``TaskTable``.
    """

    encoded: Float[np.ndarray, "N D"]
    curves: Float[np.ndarray, "N H"]
    ends: Float[np.ndarray, " N"]
    failed: Bool[np.ndarray, " N"]
    location: float
    scale: float
    dataset: str | None = None


@dataclass(frozen=True, eq=False)
class KnotScale:
    """Where scores lie at each knot, over all tasks, in locations and scales of the final score.

    Args:
        middle: Their median, 0 at the end, shape ``(H,)``.
        spread: Distance to their 95 % quantile (as deviations of a normal), 1 at the end, shape ``(H,)``.
    """

    middle: Float[np.ndarray, " H"]
    spread: Float[np.ndarray, " H"]


def knots_of(length: int) -> Int[np.ndarray, " H"]:
    """Fidelities from 1 to ``length``, about a constant factor apart.

    Args:
        length: Slices of a full training.
    """
    knots = [length]
    while knots[-1] > 1:
        knots.append(max(1, min(knots[-1] - 1, round(knots[-1] / RATIO))))
    return np.array(knots[::-1])


def normalise(tables: Sequence[TaskTable], shares: Float[np.ndarray, " H"]) -> tuple[list[NormalisedTask], KnotScale]:
    """Puts the tasks on one scale; those with constant final scores are left out.

    Args:
        tables: The training tasks.
        shares: Knots, as shares of a full training, the last one 1.

    Returns:
        The tasks, and the scale of each knot.

    Raises:
        ValueError: If no task is left.
    """
    found = [(table, _located(table, shares)) for table in tables]
    telling = [(table, each) for table, each in found if each is not None]
    if not telling:
        raise ValueError(
            f"None of the {len(tables)} training tasks has final scores that differ between configurations, so there "
            "is nothing to transfer. Use a meta-dataset with at least one task on which configurations matter."
        )
    scale = _knot_scale([each.curves for _, each in telling])
    tasks = [
        NormalisedTask(
            table.encoded[each.rows],
            np.clip((each.curves - scale.middle) / scale.spread, LOWEST, HIGHEST),
            each.ends,
            table.failed[each.rows],
            each.location,
            each.scale,
            table.dataset,
        )
        for table, each in telling
    ]
    return tasks, scale


@dataclass(frozen=True, eq=False)
class _Located:
    """Usable rows of a table, curves in units of the final score, ends; minus infinity once a trial has failed."""

    rows: Int[np.ndarray, " M"]
    curves: Float[np.ndarray, "M H"]
    ends: Float[np.ndarray, " M"]
    location: float
    scale: float


def _located(table: TaskTable, shares: Float[np.ndarray, " H"]) -> _Located | None:
    last = _last_seen(table.scores)
    rows = np.flatnonzero((last >= 0) | table.failed)
    final = table.scores[np.arange(len(last)), np.maximum(last, 0)]
    sound = np.flatnonzero((last >= 0) & ~table.failed)
    if len(sound) < 2 or np.ptp(final[sound]) < CONSTANT:
        return None
    worth = np.where(table.failed, final[sound].min(), final)[rows]
    location, scale = location_and_scale(worth)
    raw = _at_shares(table, last, shares)[rows]
    ends = np.where(table.failed, -np.inf, final)[rows]
    return _Located(rows, (raw - location) / scale, ends, location, scale)


def location_and_scale(final: Float[np.ndarray, " N"]) -> tuple[float, float]:
    """Median of final scores, and the distance from there to their 95 % quantile as deviations of a normal.

    Where nearly all are equal, the best one stands for the quantile, then the standard deviation for the scale.

    Args:
        final: Final scores, failed trials as bad as the worst.
    """
    middle = float(np.median(final))
    scale = (float(np.quantile(final, UPPER)) - middle) / NORMAL
    if scale < CONSTANT:
        scale = max((float(final.max()) - middle) / NORMAL, float(final.std()), CONSTANT)
    return middle, scale


def _last_seen(scores: Float[np.ndarray, "N F"]) -> Int[np.ndarray, " N"]:
    """Place of each curve's last score; -1 where there is none."""
    seen = np.isfinite(scores)
    return np.where(seen.any(1), scores.shape[1] - 1 - seen[:, ::-1].argmax(1), -1)


def _at_shares(
    table: TaskTable, last: Int[np.ndarray, " N"], shares: Float[np.ndarray, " H"]
) -> Float[np.ndarray, "N H"]:
    """Last score at or before each share (the first one before it); minus infinity where a trial had failed."""
    scores = table.scores.copy()
    for f in range(1, scores.shape[1]):
        scores[:, f] = np.where(np.isfinite(scores[:, f]), scores[:, f], scores[:, f - 1])
    for f in range(scores.shape[1] - 2, -1, -1):
        scores[:, f] = np.where(np.isfinite(scores[:, f]), scores[:, f], scores[:, f + 1])
    places = np.maximum(np.floor(shares * table.lengths[:, None] + 1e-9).astype(np.int64), 1) - 1
    values = np.take_along_axis(scores, np.minimum(places, scores.shape[1] - 1), axis=1)
    return np.where(table.failed[:, None] & (places > last[:, None]), -np.inf, values)


def _knot_scale(curves: Sequence[Float[np.ndarray, "_ H"]]) -> KnotScale:
    """By quantiles over all tasks, each of which counts the same."""
    stacked = np.concatenate(curves)
    weights = np.concatenate([np.full(len(each), 1.0 / len(each)) for each in curves])
    middle, upper = (np.array([_quantile(column, weights, q) for column in stacked.T]) for q in (0.5, UPPER))
    middle = np.where(np.isfinite(middle), middle, LOWEST)
    spread = np.maximum((np.where(np.isfinite(upper), upper, middle) - middle) / NORMAL, 0.1)
    middle[-1], spread[-1] = 0.0, 1.0
    return KnotScale(middle, spread)


def _quantile(values: Float[np.ndarray, " N"], weights: Float[np.ndarray, " N"], q: float) -> float:
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order]) / weights.sum()
    return float(values[order[min(int(np.searchsorted(cumulative, q)), len(order) - 1)]])
