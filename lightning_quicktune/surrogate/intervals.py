"""Predicted intervals: within [0, 1], and as wide as it takes to hold their share on a new task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from lightning_quicktune.surrogate.scale import to_score

Array = NDArray[np.float64]
COVERAGE = 0.9  # of the intervals that people are shown
LEVEL = 0.8  # of the central interval that is to hold
LEVELS = np.linspace(LEVEL, 1.0, 21)
_REACH = float(ndtri((1 + COVERAGE) / 2))  # standard deviations


class ScoreIntervals(NamedTuple):
    """Predicted scores and the ends of the intervals that hold them with probability ``COVERAGE``, all in [0, 1]."""

    score: Array
    lower: Array
    upper: Array


def intervals_of_latent(mean: Array, std: Array, zero_shot: float) -> ScoreIntervals:
    """Intervals of normally distributed latent scores.

    Args:
        mean: Means.
        std: Standard deviations, as wide as they are meant.
        zero_shot: Zero-shot score of the task, see ``to_score``.
    """
    reach = _REACH * std
    return ScoreIntervals(*(to_score(latent, zero_shot) for latent in (mean, mean - reach, mean + reach)))


def intervals_of_scores(mean: Array, std: Array) -> ScoreIntervals:
    """Intervals of normally distributed scores, cut off where there are no scores.

    Args:
        mean: Means.
        std: Standard deviations, as wide as they are meant.
    """
    reach = _REACH * std
    return ScoreIntervals(*(np.clip(score, 0.0, 1.0) for score in (mean, mean - reach, mean + reach)))


def width_factor(errors: Sequence[Array]) -> float:
    """Factor on standard deviations with which a normal's central interval holds ``LEVEL`` of what comes true.

    It is the quantile of all absolute errors at the lowest level from ``LEVEL`` on with which what the other tasks say
    holds its share on a task, in the mean over tasks: a new task is not among those that the factor is learned from.

    Args:
        errors: Of each task at least one, over the predicted standard deviation.
    """
    absolute = [np.abs(each) for each in errors]
    return float(np.quantile(np.concatenate(absolute), _level(absolute)) / ndtri(0.5 + LEVEL / 2))


def _level(errors: Sequence[Array]) -> float:
    if len(errors) == 1:
        return LEVEL
    others = [np.concatenate([*errors[:t], *errors[t + 1 :]]) for t in range(len(errors))]
    widths = np.array([np.quantile(each, LEVELS) for each in others])  # (T, levels)
    held = np.mean([(each[:, None] <= row).mean(0) for each, row in zip(errors, widths, strict=True)], axis=0)
    return float(LEVELS[int(np.argmax(held >= LEVEL))] if held[-1] >= LEVEL else LEVELS[-1])
