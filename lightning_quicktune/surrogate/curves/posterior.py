"""Posterior over the learning curves of a pool, given the scores observed on a new task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from lightning_quicktune.surrogate.curves.pool_prior import PoolPrior

Array = NDArray[np.float64]
SCALES = np.linspace(-2.2, 2.2, 9)  # standard deviations of the log scale over training tasks
LEAST_SCALE_STD = 0.2  # of the log scale: few training tasks seem more alike than tasks are
UNKNOWN_LOCATION, UNKNOWN_LOG_SCALE = 0.25, 1.0  # variance, and standard deviation, if there is one training task
NEGLIGIBLE = 1e-3  # weight of a scale that is left out
LEAST_VARIANCE = 1e-8


@dataclass(frozen=True, eq=False)
class TaskScale:
    """What is believed of a new task's location and scale, on a grid of scales.

    Args:
        scales: The grid, in scores, shape ``(S,)``.
        log_prior: Log probability of each, without constant, shape ``(S,)``.
        locations: Mean location given each scale, in scores, shape ``(S,)``.
        location_variance: Of the location given the scale, in squared scales.
    """

    scales: Float[np.ndarray, " S"]
    log_prior: Float[np.ndarray, " S"]
    locations: Float[np.ndarray, " S"]
    location_variance: float

    @classmethod
    def of(cls, prior: PoolPrior) -> TaskScale:
        """By the training tasks."""
        log_scales, n = np.log(prior.scales), len(prior.scales)
        spread = max(float(log_scales.std(ddof=1)) if n > 1 else UNKNOWN_LOG_SCALE, LEAST_SCALE_STD)
        slope, variance = _locations(prior.locations, log_scales)
        return cls(
            scales=np.exp(log_scales.mean() + spread * SCALES),
            log_prior=-0.5 * SCALES**2,
            locations=prior.locations.mean() + slope * SCALES,
            location_variance=variance / float(np.exp(2 * log_scales.mean())) + 1e-3,
        )

    def weights(self, white: Float[np.ndarray, "n S"]) -> Float[np.ndarray, " S"]:
        """Posterior probability of each scale.

        Args:
            white: Whitened surprises of what was observed.
        """
        log_weights = self.log_prior - 0.5 * np.square(white).sum(0) - len(white) * np.log(self.scales)
        weights = np.exp(log_weights - log_weights.max())
        return np.asarray(weights / weights.sum())


class CurvePosterior:
    """Scores at the knots of all configurations of a pool, given observed ones.

    score = location + scale x curve. Scale has a log-normal prior and is marginalised on a grid; location is Gaussian
    given the scale (tasks of high scores have little room, so the two go together) and marginalised with everything
    else that is linear. In units of the scale all covariances are the same, so one factorisation serves the whole grid.
    Each observation appends one row to it.

    Args:
        prior: The prior at the pool's configurations.
    """

    def __init__(self, prior: PoolPrior) -> None:
        self.prior = prior
        self.n_configurations, self.n_knots = prior.mean.shape
        self.scale = TaskScale.of(prior)
        self._flat = prior.loadings.reshape(self.n_configurations * self.n_knots, -1)
        self.covariance = (
            prior.loadings @ prior.loadings.transpose(0, 2, 1)
            + np.diag(prior.finals)[:, None, None] * np.outer(prior.following, prior.following)
            + np.diag(prior.shapes)[:, None, None] * prior.given_final
            + prior.offsets
            + self.scale.location_variance
        )
        self.n_observed = 0
        n_columns = self.n_configurations * self.n_knots
        self._rows, self._white = np.zeros((64, n_columns)), np.zeros((64, len(SCALES)))
        self._shift = np.zeros((n_columns, len(SCALES)))  # of each score by what was observed, in scales

    def observe(self, configuration: int, knot: int, score: float, error: float = 0.0) -> None:
        """Takes in a score.

        Args:
            configuration: Index into the pool.
            knot: Index into the knots.
            score: In the units of the table.
            error: Its variance by the number of records it was measured on, 0 if unknown.
        """
        n, column = self.n_observed, configuration * self.n_knots + knot
        if n == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
            self._white = np.concatenate([self._white, np.zeros_like(self._white)])
        cross = self._cross_covariance(configuration, knot)
        left = self._rows[:n, column].copy()
        noise = self.prior.noise[knot] + error / self.mean_square_scale
        std = np.sqrt(max(cross[column] + noise - left @ left, LEAST_VARIANCE))
        row = (cross - left @ self._rows[:n]) / std
        self._rows[n] = row
        surprise = (score - self.scale.locations) / self.scale.scales - self.prior.mean[configuration, knot]
        self._white[n] = (surprise - left @ self._white[:n]) / std
        self._shift += row[:, None] * self._white[n]
        table = row.reshape(self.n_configurations, self.n_knots)
        self.covariance -= table[:, :, None] * table[:, None, :]
        self.n_observed += 1

    def moments(self) -> tuple[Float[np.ndarray, "C H"], Float[np.ndarray, "C H H"]]:
        """Mean of every score, shape ``(C, H)``, and its covariance within a configuration, shape ``(C, H, H)``."""
        weights = self.scale_weights()
        kept = weights > NEGLIGIBLE
        weights, scales = weights[kept] / weights[kept].sum(), self.scale.scales[kept]
        shape = (self.n_configurations, self.n_knots)
        each = self.scale.locations[kept] + scales * (self.prior.mean.reshape(-1, 1) + self._shift[:, kept])
        mean = each @ weights
        between = ((each - mean[:, None]) * np.sqrt(weights)).reshape(*shape, -1)
        return mean.reshape(shape), (weights @ scales**2) * self.covariance + between @ between.transpose(0, 2, 1)

    def joint(self, points: Sequence[tuple[int, int]]) -> tuple[Array, Array]:
        """Mean, shape ``(N,)``, and covariance, shape ``(N, N)``, of scores at pairs of configuration and knot.

        Args:
            points: The pairs.
        """
        columns = [configuration * self.n_knots + knot for configuration, knot in points]
        prior = np.array([self._cross_covariance(*point)[columns] for point in points])
        seen = self._rows[: self.n_observed][:, columns]
        weights = self.scale_weights()
        curves = np.array([self.prior.mean[point] for point in points])[:, None] + self._shift[columns]
        each = self.scale.locations + self.scale.scales * curves  # (N, S)
        mean = each @ weights
        between = (each - mean[:, None]) * np.sqrt(weights)
        return mean, self.mean_square_scale * (prior - seen.T @ seen) + between @ between.T

    def forecast(self, configuration: int, knot: int, error: float = 0.0) -> tuple[float, float]:
        """Mean and standard deviation of the score that would be measured there; see ``observe``."""
        column, weights = configuration * self.n_knots + knot, self.scale_weights()
        each = self.scale.locations + self.scale.scales * (self.prior.mean[configuration, knot] + self._shift[column])
        mean = float(weights @ each)
        known = max(float(self.covariance[configuration, knot, knot]), 0.0) + self.prior.noise[knot]
        variance = self.mean_square_scale * known + float(weights @ (each - mean) ** 2) + error
        return mean, float(np.sqrt(variance))

    def reported(self, configuration: int, knot: int) -> tuple[float, float]:
        """As ``forecast``, with the standard deviation that people are told: one whose intervals hold their share."""
        mean, std = self.forecast(configuration, knot)
        return mean, std * self.prior.temperature(self.n_observed)

    def floor(self, knot: int) -> float:
        """Score at a knot below which curves are all alike on this task, as far as is known.

        There training tasks were cut. Before anything is observed, nothing is known of it.
        """
        if not self.n_observed:
            return -np.inf
        shift = self._shift.reshape(self.n_configurations, self.n_knots, -1)[:, knot].mean(0)
        each = self.scale.locations + self.scale.scales * (shift + self.prior.floor[knot])
        return float(self.scale_weights() @ each)

    def carried(self, configuration: int, knot: int) -> Float[np.ndarray, " H"]:
        """How much of a score's distance from what was expected its training has at each knot, from 0 to 1.

        That is the regression on it by what a configuration has to itself, apart from its task.

        Args:
            configuration: Index into the pool.
            knot: Index into the knots.
        """
        prior = self.prior
        finals = prior.finals[configuration, configuration] * prior.following[knot] * prior.following
        own = finals + prior.shapes[configuration, configuration] * prior.given_final[knot]
        return np.asarray(np.clip(own / max(own[knot] + prior.noise[knot], LEAST_VARIANCE), 0.0, 1.0))

    def noise_variance(self, knot: int) -> float:
        """Expected variance of a score at a knot beyond what ``moments`` says of it."""
        return self.mean_square_scale * float(self.prior.noise[knot])

    @property
    def mean_square_scale(self) -> float:
        """Expected square of the task's scale."""
        return float(self.scale_weights() @ self.scale.scales**2)

    def scale_weights(self) -> Float[np.ndarray, " S"]:
        """Posterior probability of each scale of the grid."""
        return self.scale.weights(self._white[: self.n_observed])

    def _cross_covariance(self, configuration: int, knot: int) -> Float[np.ndarray, " CH"]:
        prior = self.prior
        finals = np.outer(prior.finals[configuration], prior.following[knot] * prior.following)
        shapes = np.outer(prior.shapes[configuration], prior.given_final[knot]) + prior.offsets[knot]
        linear = self._flat @ prior.loadings[configuration, knot]
        return np.asarray(linear + (finals + shapes).ravel() + self.scale.location_variance)


def _locations(locations: Float[np.ndarray, " T"], log_scales: Float[np.ndarray, " T"]) -> tuple[float, float]:
    """How locations go with log scales over training tasks: slope by deviations, and the variance that is left."""
    n = len(locations)
    if n < 2:
        return 0.0, UNKNOWN_LOCATION
    variance = float(locations.var(ddof=1))
    if n < 3 or locations.std() < 1e-9 or log_scales.std() < 1e-9:
        return 0.0, variance
    correlation = float(np.corrcoef(log_scales, locations)[0, 1]) * (n - 2) / (n + 1)  # few tasks show too much of it
    return correlation * np.sqrt(variance), variance * (1 - correlation**2)
