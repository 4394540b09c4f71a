"""Training tasks as others see them: predicted, a fold at a time, by what the other folds' tasks taught."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from lightning_quicktune.surrogate.curves.means import Tried
from lightning_quicktune.surrogate.curves.predictor import CurvePredictor, fit_predictor
from lightning_quicktune.surrogate.curves.ranks import Ranks
from lightning_quicktune.surrogate.curves.tables import NormalisedTask

FOLDS = 5
RANK_TREES = 50  # half of those that a new task is ranked by
WEIGHTS = (0.5, 0.25, 0.75, 0.0, 1.0)  # of the forest; on equal errors the first


@dataclass(frozen=True, eq=False)
class LeftOut:
    """One training task that was not learned from.

    Half of the configurations of a fold were hidden on all other tasks too, so that new ones are met as well as known
    ones.

    Args:
        task: The task.
        curves: What the others say of its configurations, on each of them, shape ``(T, N, H)``.
        ranks: How the others rank them, on each of them, as ``Ranks.smoothed`` says, shape ``(T, N)``.
        ignorance: See ``MeanCurve.ignorance``, shape ``(N,)``.
        locations: Of the others, in scores, shape ``(T,)``.
        scales: Of the others, in scores, shape ``(T,)``.
    """

    task: NormalisedTask
    curves: Float[np.ndarray, "T N H"]
    ranks: Float[np.ndarray, "T N"]
    ignorance: Float[np.ndarray, " N"]
    locations: Float[np.ndarray, " T"]
    scales: Float[np.ndarray, " T"]

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
    found: list[LeftOut] = []
    for out, others, hidden in _folds(tasks):
        found += _predicted(out, others, blocks, predictor, hidden)
    return found


def forest_weight(tasks: Sequence[NormalisedTask], predictor: CurvePredictor) -> float:
    """Weight of the forest with which configurations that others have not tried are predicted best on left-out tasks.

    Args:
        tasks: The training tasks.
        predictor: Learned from all of them; gives the kernel.

    References:
        Wolpert (1992), Stacked Generalization.
    """
    errors = np.zeros(len(WEIGHTS))
    for out, others, hidden in _folds(tasks):
        seen = [np.array([row.tobytes() not in hidden for row in other.encoded]) for other in others]
        if not any(mask.any() for mask in seen):
            continue
        mean = predictor.mean.relearned(
            Tried.of(
                [other.encoded[mask] for other, mask in zip(others, seen, strict=True)],
                [other.curves[mask] for other, mask in zip(others, seen, strict=True)],
            )
        )
        for task in out:
            new = np.array([row.tobytes() in hidden for row in task.encoded])
            if new.any():
                smooth, grown = (part[:, -1:] for part in mean.parts(task.encoded[new]))
                rests = task.curves[new, -1:] - (1.0 - np.array(WEIGHTS)) * smooth - np.array(WEIGHTS) * grown
                errors += np.square(rests - rests.mean(0)).mean(0)  # the task's own level is not theirs to know
    return WEIGHTS[int(errors.argmin())]


def _folds(
    tasks: Sequence[NormalisedTask],
) -> Iterator[tuple[list[NormalisedTask], list[NormalisedTask], set[bytes]]]:
    """Tasks that are left out, those of other datasets, and configurations that these must not show."""
    names = [str(place) if task.dataset is None else f"dataset {task.dataset}" for place, task in enumerate(tasks)]
    datasets = list(dict.fromkeys(names))
    n_folds = max(1, min(FOLDS, len(datasets)))
    order = np.random.default_rng(0).permutation(len(datasets))
    known = sorted({row.tobytes() for task in tasks for row in task.encoded})
    for fold in range(n_folds):
        held = [datasets[place] for place in order[fold::n_folds]]
        out = [task for each in held for task, name in zip(tasks, names, strict=True) if name == each]
        others = [task for task, name in zip(tasks, names, strict=True) if name not in held] or list(tasks)
        half = np.random.default_rng(fold).permutation(len(known))[: len(known) // 2]
        yield out, others, {known[i] for i in half}


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
    ranks = _ranks(others, encoded)
    masks = [np.array([row.tobytes() in hidden for row in other.encoded]) for other in others]
    if is_hidden.any() and not all(mask.all() for mask in masks):
        unknowing = fit_predictor(others, blocks, like=predictor, hidden=masks)
        curves[:, is_hidden] = unknowing.predict(encoded[is_hidden])
        ignorance[is_hidden] = unknowing.mean.ignorance(encoded[is_hidden])
        ranks[:, is_hidden] = _ranks(others, encoded[is_hidden], masks)
    own = [np.array([places[row.tobytes()] for row in task.encoded]) for task in tasks]
    where = np.array([other.location for other in others]), np.array([other.scale for other in others])
    return [LeftOut(task, curves[:, r], ranks[:, r], ignorance[r], *where) for task, r in zip(tasks, own, strict=True)]


def _ranks(
    others: Sequence[NormalisedTask],
    encoded: Float[np.ndarray, "C D"],
    hidden: Sequence[Bool[np.ndarray, " _"]] | None = None,
) -> Float[np.ndarray, "T C"]:
    """How tasks rank configurations, by what they don't hide."""
    seen = [~each for each in hidden] if hidden else [np.ones(len(other.ends), dtype=np.bool_) for other in others]
    told = [(other.encoded[rows], other.ends[rows]) for other, rows in zip(others, seen, strict=True)]
    return Ranks.of([each for each, _ in told], [ends for _, ends in told], RANK_TREES).smoothed(encoded)
