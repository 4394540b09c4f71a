"""Forecasts of single scores by a prior over curves, without those of all others."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_triangular

from lightning_quicktune.surrogate.curves.pool_prior import PoolPrior
from lightning_quicktune.surrogate.curves.posterior import LEAST_VARIANCE, TaskScale


class PointForecasts:
    """The same forecasts as ``CurvePosterior``, for whoever asks for the next score alone: its cost is that of a few.

    Args:
        prior: The prior at the pool's configurations.
    """

    def __init__(self, prior: PoolPrior) -> None:
        self.prior, self.scale = prior, TaskScale.of(prior)
        self._seen: list[tuple[int, int]] = []
        self._factor = np.zeros((0, 0))
        self._white = np.zeros((0, len(self.scale.scales)))

    def forecast(self, configuration: int, knot: int, error: float = 0.0) -> tuple[float, float]:
        """Mean and standard deviation of a score; see ``CurvePosterior``."""
        left, variance = self._row(configuration, knot)
        weights = self.scale.weights(self._white)
        shift = left @ self._white
        each = self.scale.locations + self.scale.scales * (self.prior.mean[configuration, knot] + shift)
        mean = float(weights @ each)
        square = float(weights @ self.scale.scales**2)
        total = square * (max(variance, 0.0) + self.prior.noise[knot]) + float(weights @ (each - mean) ** 2) + error
        return mean, float(np.sqrt(total))

    def observe(self, configuration: int, knot: int, score: float, error: float = 0.0) -> None:
        """Takes in a score; see ``CurvePosterior``."""
        left, variance = self._row(configuration, knot)
        square = float(self.scale.weights(self._white) @ self.scale.scales**2)
        std = np.sqrt(max(variance + self.prior.noise[knot] + error / square, LEAST_VARIANCE))
        n = len(self._seen)
        grown = np.zeros((n + 1, n + 1))
        grown[:n, :n], grown[n, :n], grown[n, n] = self._factor, left, std
        surprise = (score - self.scale.locations) / self.scale.scales - self.prior.mean[configuration, knot]
        self._white = np.vstack([self._white, (surprise - left @ self._white) / std])
        self._factor = grown
        self._seen.append((configuration, knot))

    def _row(self, configuration: int, knot: int) -> tuple[Float[np.ndarray, " n"], float]:
        """Whitened covariances with what was seen, and the variance that is left."""
        prior = self.prior
        others = np.array([*self._seen, (configuration, knot)], dtype=np.int64)
        c, h = others[:, 0], others[:, 1]
        linear = prior.loadings[c, h] @ prior.loadings[configuration, knot]
        finals = prior.finals[configuration, c] * prior.following[knot] * prior.following[h]
        shapes = prior.shapes[configuration, c] * prior.given_final[knot, h]
        cross = linear + finals + shapes + prior.offsets[knot, h] + self.scale.location_variance
        left = solve_triangular(self._factor, cross[:-1], lower=True) if len(cross) > 1 else np.zeros(0)
        return left, float(cross[-1] - left @ left)
