"""Evidence of a task's first trials for and against what earlier tasks taught."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

LIMIT = math.log(20.0)  # of how many times as likely as by what was taught scores may be without
CAP = 1.5  # most that one trial counts, either way: just over half of the way to that limit, so that it takes two
WEIGHED = 16  # trials that are weighed: what comes later is foretold by the task's own curves more than by others


class Evidence:
    """Log of how many times likelier scores are by what earlier tasks taught than by each of some alternatives.

    It is summed up trial by trial, in the order in which they were begun; each counts at most ``CAP`` either way,
    however many scores its curve has, and none after the first ``WEIGHED``.

    Args:
        n_alternatives: What it is compared with.
    """

    def __init__(self, n_alternatives: int) -> None:
        self._trials: dict[int, NDArray[np.float64]] = {}
        self._none = np.zeros(n_alternatives)

    def add(self, trial: int, log_ratios: Float[np.ndarray, " A"]) -> None:
        """Takes in a score.

        Args:
            trial: Which configuration's it is.
            log_ratios: Log of how many times likelier it is by what was taught than by each alternative.
        """
        self._trials[trial] = self._trials.get(trial, self._none) + log_ratios

    @property
    def of_alternatives(self) -> Float[np.ndarray, " A"]:
        """The evidence against each alternative; below 0 where it predicts better than what was taught."""
        weighed = list(self._trials.values())[:WEIGHED]
        return np.clip(weighed, -CAP, CAP).sum(0) if weighed else self._none

    @property
    def least(self) -> float:
        """That of the alternative that predicts best."""
        return float(self.of_alternatives.min())

    @property
    def best_alternative(self) -> int:
        """Which one predicts best."""
        return int(self.of_alternatives.argmin())

    @property
    def n_trials(self) -> int:
        """Trials of which there is a score."""
        return len(self._trials)
