"""Training tasks as others see them: predicted, a fold at a time, by what the other folds' tasks taught."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from lightning_quicktune.surrogate.curves.predictor import CurvePredictor, fit_predictor
from lightning_quicktune.surrogate.curves.tables import NormalisedTask

FOLDS = 5


@dataclass(frozen=True, eq=False)
class LeftOut:
    """One training task that was not learned from.

    Half of the configurations of a fold were hidden on all other tasks too, so that new ones are met as well as known
    ones.

    Args:
        task: The task.
        curves: What the others say of its configurations, on each of them, shape ``(T, N, H)``.
        ignorance: See ``MeanCurve.ignorance``, shape ``(N,)``.
    """

    task: NormalisedTask
    curves: Float[np.ndarray, "T N H"]
    ignorance: Float[np.ndarray, " N"]

    @property
    def sound(self) -> Int[np.ndarray, " M"]:
        """Places of the trials that did not fail."""
        return np.flatnonzero(~self.task.failed)


def left_out_tasks(
    tasks: Sequence[NormalisedTask], blocks: Int[np.ndarray, " D"], predictor: CurvePredictor
) -> list[LeftOut]:
    """Predicts every task by the others; a single task by itself, with half of its configurations hidden.

    Args:
        tasks: The training tasks.
        blocks: Which hyperparameter each column of an encoding belongs to.
        predictor: Learned from all of them; gives kernel and variances.
    """
    n_folds = max(1, min(FOLDS, len(tasks)))
    order, found = np.random.default_rng(0).permutation(len(tasks)), []
    known = sorted({row.tobytes() for task in tasks for row in task.encoded})
    for fold in range(n_folds):
        out = order[fold::n_folds]
        others = [tasks[t] for t in range(len(tasks)) if t not in out] or list(tasks)
        half = np.random.default_rng(fold).permutation(len(known))[: len(known) // 2]
        hidden = {known[i] for i in half}
        found += _predicted([tasks[t] for t in out], others, blocks, predictor, hidden)
    return found


def _predicted(
    tasks: Sequence[NormalisedTask],
    others: Sequence[NormalisedTask],
    blocks: Int[np.ndarray, " D"],
    predictor: CurvePredictor,
    hidden: set[bytes],
) -> list[LeftOut]:
    rows = {row.tobytes(): row for task in tasks for row in task.encoded}
    encoded, places = np.stack(list(rows.values())), {key: i for i, key in enumerate(rows)}
    is_hidden = np.array([key in hidden for key in rows])
    knowing = fit_predictor(others, blocks, like=predictor)
    curves, ignorance = knowing.predict(encoded), knowing.mean.ignorance(encoded)
    masks = [np.array([row.tobytes() in hidden for row in other.encoded]) for other in others]
    if is_hidden.any() and not all(mask.all() for mask in masks):
        unknowing = fit_predictor(others, blocks, like=predictor, hidden=masks)
        curves[:, is_hidden] = unknowing.predict(encoded[is_hidden])
        ignorance[is_hidden] = unknowing.mean.ignorance(encoded[is_hidden])
    own = [np.array([places[row.tobytes()] for row in task.encoded]) for task in tasks]
    return [LeftOut(task, curves[:, r], ignorance[r]) for task, r in zip(tasks, own, strict=True)]
