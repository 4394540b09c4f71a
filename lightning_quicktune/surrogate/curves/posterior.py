"""What the observations on a new task say of its configurations' learning curves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lightning_quicktune.surrogate.curves.pool_prior import PoolPrior
from lightning_quicktune.surrogate.curves.tables import LOWEST

Array = NDArray[np.float64]
SCALES = np.linspace(-2.2, 2.2, 9)  # standard deviations of the log scale over training tasks
LEAST_SCALE_STD = 0.2  # of the log scale: few training tasks seem more alike than tasks are
LEAST_NOISE = 1e-5
NEGLIGIBLE = 1e-3  # weight of a scale that is left out


class CurvePosterior:
    """Scores at the knots of all configurations of a pool, given observed ones.

    score = location + scale x (normalised curve). Location is Gaussian and marginalised with everything else that is
    linear; scale has a log-normal prior and is marginalised on a grid: in units of the scale all covariances are the
    same, so one factorisation serves the whole grid. Each observation appends one row to it.

    Args:
        prior: The prior at the pool's configurations.
    """

    def __init__(self, prior: PoolPrior) -> None:
        knots = prior.knots - 1
        self.prior = prior
        self.mean = prior.mean[:, knots]
        self.loadings = prior.loadings[:, knots]
        self.following = prior.following[knots]
        self.over_fidelities = prior.over_fidelities[np.ix_(knots, knots)]
        self.n_configurations, self.n_knots = self.mean.shape
        log_scales = np.log(prior.scales)
        spread = log_scales.std(ddof=1) if len(log_scales) > 1 else 1.0
        self.scales = np.exp(log_scales.mean() + max(spread, LEAST_SCALE_STD) * SCALES)
        self.log_prior = -0.5 * SCALES**2
        self.location = float(prior.locations.mean())
        variance = prior.locations.var(ddof=1) if len(prior.locations) > 1 else 0.25
        self.location_variance = float(variance / np.exp(2 * log_scales.mean())) + 1e-3
        self.covariance = (
            self.loadings @ self.loadings.transpose(0, 2, 1)
            + np.diag(prior.finals)[:, None, None] * np.outer(self.following, self.following)
            + np.diag(prior.shapes)[:, None, None] * self.over_fidelities
            + self.location_variance
        )
        self.n_observed = 0
        n_columns = self.n_configurations * self.n_knots
        self._rows = np.zeros((64, n_columns))
        self._white_score, self._white_mean = np.zeros(64), np.zeros(64)
        self._shift_score, self._shift_mean = np.zeros(n_columns), np.zeros(n_columns)

    def observe(self, configuration: int, knot: int, score: float) -> None:
        """Takes in a score.

        Args:
            configuration: Index into the pool.
            knot: Index into the knots.
            score: In the units of the table.
        """
        n, column = self.n_observed, configuration * self.n_knots + knot
        self._make_room()
        cross = self._cross_covariance(configuration, knot)
        left = self._rows[:n, column].copy()
        std = np.sqrt(max(cross[column] + max(self.prior.noise, LEAST_NOISE) - left @ left, 1e-8))
        row = (cross - left @ self._rows[:n]) / std
        self._rows[n] = row
        self._white_score[n] = (score - self.location - left @ self._white_score[:n]) / std
        self._white_mean[n] = (self.mean[configuration, knot] - left @ self._white_mean[:n]) / std
        self._shift_score += row * self._white_score[n]
        self._shift_mean += row * self._white_mean[n]
        table = row.reshape(self.n_configurations, self.n_knots)
        self.covariance -= table[:, :, None] * table[:, None, :]
        self.n_observed += 1

    def moments(self) -> tuple[Array, Array]:
        """Mean of every score, shape ``(C, H)``, and its covariance within a configuration, shape ``(C, H, H)``."""
        weights = self.scale_weights()
        kept = weights > NEGLIGIBLE
        weights, scales = weights[kept] / weights[kept].sum(), self.scales[kept]
        shape = (self.n_configurations, self.n_knots)
        slope = self.mean - self._shift_mean.reshape(shape)  # the mean is linear in the scale
        middle, second = weights @ scales, weights @ scales**2
        mean = self.location + middle * slope + self._shift_score.reshape(shape)
        between = (second - middle**2) * slope[:, :, None] * slope[:, None, :]
        return mean, second * self.covariance + between

    def forecast(self, configuration: int, knot: int) -> tuple[float, float]:
        """Mean and standard deviation of the score that would be measured there; see ``observe``."""
        column, weights = configuration * self.n_knots + knot, self.scale_weights()
        slope = self.mean[configuration, knot] - self._shift_mean[column]
        middle, second = float(weights @ self.scales), float(weights @ self.scales**2)
        variance = second * self.covariance[configuration, knot, knot] + (second - middle**2) * slope**2
        mean = self.location + middle * slope + self._shift_score[column]
        return float(mean), float(np.sqrt(max(variance, 0.0) + self.noise_variance()))

    def reported(self, configuration: int, knot: int) -> tuple[float, float]:
        """As ``forecast``, with the standard deviation that people are told: one whose intervals hold their share."""
        mean, std = self.forecast(configuration, knot)
        return mean, std * self.prior.temperature(self.n_observed)

    def floor(self) -> float:
        """Score below which curves are all alike on this task, as far as is known: there training tasks were cut."""
        middle = float(self.scale_weights() @ self.scales)
        shift = (self._shift_score - middle * self._shift_mean).reshape(self.mean.shape)[:, -1].mean()
        return self.location + float(shift) + LOWEST * middle

    def noise_variance(self) -> float:
        """Expected variance of a score beyond what ``moments`` says of it."""
        return float(self.scale_weights() @ self.scales**2) * max(self.prior.noise, LEAST_NOISE)

    def scale_weights(self) -> Array:
        """Posterior probability of each scale of the grid."""
        n = self.n_observed
        white = self._white_score[:n, None] / self.scales - self._white_mean[:n, None]
        log_weights = self.log_prior - 0.5 * (white**2).sum(0) - n * np.log(self.scales)
        weights: Array = np.exp(log_weights - log_weights.max())
        return np.asarray(weights / weights.sum())

    def _cross_covariance(self, configuration: int, knot: int) -> Array:
        linear = self.loadings.reshape(-1, self.loadings.shape[2]) @ self.loadings[configuration, knot]
        finals = np.outer(self.prior.finals[configuration], self.following[knot] * self.following)
        shapes = np.outer(self.prior.shapes[configuration], self.over_fidelities[knot])
        cross: Array = linear + (finals + shapes).ravel() + self.location_variance
        return cross

    def _make_room(self) -> None:
        if self.n_observed == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
            self._white_score = np.concatenate([self._white_score, np.zeros_like(self._white_score)])
            self._white_mean = np.concatenate([self._white_mean, np.zeros_like(self._white_mean)])
