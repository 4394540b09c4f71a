"""How much wider or narrower predicted intervals must be to hold their share on a new task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Array = NDArray[np.float64]
LEVEL = 0.8  # of the central interval that is to hold
LEVELS = np.linspace(LEVEL, 1.0, 21)


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
