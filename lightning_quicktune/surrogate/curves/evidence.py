"""Evidence of a task's first trials for and against what earlier tasks taught."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.stats import norm

from lightning_quicktune.surrogate.curves.points import PointForecasts
from lightning_quicktune.surrogate.curves.pool_prior import PoolPrior

CAP = 1.5  # most that one trial counts, either way: just over half of the way to the least limit, so that it takes two
WEIGHED = 16  # trials that are weighed: what comes later is foretold by the task's own curves more than by others
LEAST_STD = 0.003  # of a forecast: no score is foretold better than that


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


class Witnesses:
    """The alternatives to what was taught: each foretells every score from those before it.

    Args:
        priors: What they believe of the pool.
    """

    def __init__(self, priors: Sequence[PoolPrior]) -> None:
        self._points = [PointForecasts(prior) for prior in priors]

    def weigh(
        self, place: int, knot: int, observed: float, taught: tuple[float, float], error: float = 0.0
    ) -> Float[np.ndarray, " A"]:
        """Takes in a score.

        Args:
            place: Index of the configuration.
            knot: Index of the knot.
            observed: The score.
            taught: Mean and standard deviation that what was taught foretold.
            error: Part of its variance by the number of records it was measured on, 0 if unknown.

        Returns:
            Log of how many times likelier it is by what was taught than by each alternative, where no deviation is
            below ``LEAST_STD``.
        """
        others = [log_density(observed, *points.forecast(place, knot, error)) for points in self._points]
        for points in self._points:
            points.observe(place, knot, observed, error)
        return log_density(observed, *taught) - np.array(others)


def log_density(observed: float, mean: float, std: float) -> float:
    """Of a normal, whose deviation is at least ``LEAST_STD``."""
    return float(norm.logpdf(observed, mean, max(std, LEAST_STD)))
