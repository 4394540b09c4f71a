"""What was recorded on training tasks, as arrays, and how it is put on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
LOWEST = -3.0  # normalised score below which curves are all alike
OUTLYING = 2.0  # standard deviations below the mean from which on a final score is moved there
WINSOR_STEPS = 20
CONSTANT = 1e-6  # tasks whose final scores vary less teach nothing about configurations


@dataclass(frozen=True, eq=False)
class TaskTable:
    """Trials of one task.

    Args:
        encoded: Encoded configurations in [0, 1], masks of inactive hyperparameters included, shape ``(N, D)``.
        scores: Scores, not a number where none was taken, shape ``(N, F)``.
        costs_s: Seconds of each slice, not a number where unknown, shape ``(N, F)``.
        failed: Whether a trial ended by a failure (its last score stays its score), shape ``(N,)``.
    """

    encoded: Array
    scores: Array
    costs_s: Array
    failed: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class NormalisedTask:
    """Learning curves of one task minus its mean final score, over the standard deviation of final scores.

    Both are winsorised below, failed trials don't count for them, and curves are at least ``LOWEST``: that a
    configuration fails or collapses is worth knowing, how bad its scores are is not, and on some tasks it is half of
    all configurations.
    """

    encoded: Array
    curves: Array
    failed: NDArray[np.bool_]
    location: float
    scale: float


def normalise(tables: Sequence[TaskTable]) -> list[NormalisedTask]:
    """Puts the tasks on one scale; those with constant scores are left out.

    Raises:
        ValueError: If no task is left.
    """
    tasks = [task for task in map(_normalised, tables) if task is not None]
    if not tasks:
        raise ValueError(
            f"None of the {len(tables)} training tasks has final scores that differ between configurations, so there "
            "is nothing to transfer. Use a meta-dataset with at least one task on which configurations matter."
        )
    return tasks


def complete(table: TaskTable) -> tuple[Array, NDArray[np.bool_]]:
    """Curves without gaps, and which trials can be used.

    A failed trial stays at its last score (the task's lowest if it has none). Gaps inside a curve take the score
    before. A trial that was stopped early goes on as the average full curve does from its last fidelity.
    """
    scores = table.scores.copy()
    seen = np.isfinite(scores)
    lowest = np.nanmin(scores) if seen.any() else 0.0
    none = ~seen.any(1)
    last = np.where(none, -1, scores.shape[1] - 1 - seen[:, ::-1].argmax(1))
    scores[none & table.failed] = lowest
    for f in range(1, scores.shape[1]):
        scores[:, f] = np.where(np.isfinite(scores[:, f]), scores[:, f], scores[:, f - 1])
    for f in range(scores.shape[1] - 2, -1, -1):
        scores[:, f] = np.where(np.isfinite(scores[:, f]), scores[:, f], scores[:, f + 1])
    full = last == scores.shape[1] - 1
    if full.any():
        growth = scores[full].mean(0)
        for row in np.flatnonzero(~full & ~table.failed & ~none):
            scores[row, last[row] :] += growth[last[row] :] - growth[last[row]]
    return scores, ~none | table.failed


def _normalised(table: TaskTable) -> NormalisedTask | None:
    scores, usable = complete(table)
    failed = table.failed[usable]
    final = scores[usable, -1][~failed]
    if len(final) < 2 or final.std() < CONSTANT:
        return None
    location, scale = winsorised_moments(final)
    curves = np.maximum((scores[usable] - location) / scale, LOWEST)
    return NormalisedTask(table.encoded[usable], curves, failed, location, scale)


def winsorised_moments(final: Array) -> tuple[float, float]:
    """Mean and standard deviation after low outliers were moved to ``OUTLYING`` deviations below, again and again."""
    location, scale = float(final.mean()), float(final.std())
    for _ in range(WINSOR_STEPS):
        kept = np.maximum(final, location - OUTLYING * scale)
        location, scale = float(kept.mean()), float(kept.std())
    return location, max(scale, CONSTANT)
