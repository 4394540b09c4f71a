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
        regret: The same as normalised regret, over best minus median final score; infinite where these are equal.
        n_alike: Configurations beside the best whose best score is less than a standard error below.
    """

    n_records: int
    standard_error: float
    regret: float
    n_alike: int


def score_noise(scores: Float[np.ndarray, "C F"], final: Float[np.ndarray, " C"], n_records: int) -> ScoreNoise | None:
    r"""Binomial noise at the best score of a task.

    .. math:: s = \sqrt{p (1 - p) / n}

    The mean of any scores in [0, 1] has this error at most. The difference of two configurations on the same records
    has one of the same order, the more alike their answers the smaller.

    Args:
        scores: Score of each configuration after each slice, not a number where there is none.
        final: Final score of each, not a number where there is none.
        n_records: Records that each was measured on.

    Returns:
        The noise; none where no final score is known or the number of records is not.
    """
    if n_records < 1 or not np.isfinite(final).any():
        return None
    peaks = np.sort(np.nanmax(scores[np.isfinite(scores).any(axis=1)], axis=1))
    best = float(peaks[-1])
    error, span = math.sqrt(best * (1.0 - best) / n_records), best - float(np.nanmedian(final))
    n_alike = int(((peaks[:-1] > best - error) | (peaks[:-1] == best)).sum())
    return ScoreNoise(n_records, error, error / span if span > 0 else math.inf, n_alike)


def validation_records(task: TaskInfo) -> int:
    """Number of records that the scores of a task were measured on, 0 where it is not known.

    Args:
        task: Record of the task.
    """
    found = task.facts.get(VALIDATION_RECORDS, task.meta_features.get(VALIDATION_RECORDS, 0))
    return int(found) if isinstance(found, int | float) else 0
