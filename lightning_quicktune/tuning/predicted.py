"""What is expected after a slice of training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PredictedSlice:
    """What is expected after a slice of training, before any.

    Args:
        fidelity: Slices trained.
        score: Median of the predicted score.
        lower: Lower end of the interval that the score is in with probability ``COVERAGE``.
        upper: Upper end of it.
    """

    fidelity: int
    score: float
    lower: float
    upper: float
