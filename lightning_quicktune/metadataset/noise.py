"""The noise of a score that was measured on few records: below which difference the better one may be luck."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lightning_quicktune.types import TaskInfo

VALIDATION_RECORDS = "validation_records"  # a fact of a task: how many records its scores were measured on


class ScoreNoise(NamedTuple):
    """How exactly the scores of one task were measured.

    Args:
        n_records: Records of the validation split.
        standard_error: Standard error of the best score, if it is the share of records that are right.
        regret: The same as normalised regret: over the best minus the median final score; infinite where they are equal.
        n_alike: Configurations, beside the best, whose final score is less than a standard error below the best.
    """

    n_records: int
    standard_error: float
    regret: float
    n_alike: int


def score_noise(final: Float[np.ndarray, " C"], n_records: int) -> ScoreNoise | None:
    r"""Binomial noise at the best score of a task.

    .. math:: s = \sqrt{p (1 - p) / n}

    A mean of scores in [0, 1] per record has this error at most. A difference of two configurations on the same records
    has one of the same order, the more alike their answers the smaller.

    Args:
        final: Final score of each configuration, not a number where unknown.
        n_records: Records that each was measured on.

    Returns:
        The noise; none where no final score is known or the number of records is not.
    """
    known = np.sort(final[np.isfinite(final)])
    if not len(known) or n_records < 1:
        return None
    best = float(known[-1])
    error = math.sqrt(best * (1.0 - best) / n_records)
    span = best - float(np.median(known))
    n_alike = int((known[:-1] > best - error).sum()) if error > 0 else int((known[:-1] == best).sum())
    return ScoreNoise(n_records, error, error / span if span > 0 else math.inf, n_alike)


def validation_records(task: TaskInfo) -> int:
    """Number of records that the scores of a task were measured on, 0 where it is not known.

    Args:
        task: Record of the task.
    """
    found = task.facts.get(VALIDATION_RECORDS, task.meta_features.get(VALIDATION_RECORDS, 0))
    return int(found) if isinstance(found, int | float) else 0
