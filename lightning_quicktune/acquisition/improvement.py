"""Acquisition functions: what trying a candidate next is worth."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from scipy.special import erfcx, log_ndtr, ndtr

_LOG_SQRT_2_PI = 0.5 * math.log(2 * math.pi)
_SMALLEST_STD = 1e-12  # of a surrogate that claims to be certain
HIGHEST = 1.0  # score
_FAR = 1e4  # standard deviations; farther below, the exact tail is lost to rounding


def log_expected_improvement(
    mean: Float[np.ndarray, "*shape"], std: Float[np.ndarray, "*shape"], incumbent: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    r"""Logarithm of the expected improvement, finite where the improvement itself would round to 0.

    .. math:: \log \left[ (m - b) \, \Phi(z) + s \, \phi(z) \right], \quad z = (m - b) / s

    So that candidates can still be told apart when all of them are unlikely to improve.

    Args:
        mean: Posterior mean score.
        std: Posterior standard deviation; below 1e-12 it counts as 1e-12.
        incumbent: Best score observed so far, to which each candidate is compared.

    Returns:
        Natural logarithm of the expected improvement in units of the score.

    References:
        Jones, Schonlau and Welch (1998), Efficient Global Optimization of Expensive Black-Box Functions.
        Ament, Daulton, Eriksson, Balandat and Bakshy (2023), Unexpected Improvements to Expected Improvement for
        Bayesian Optimization.
    """
    std = np.maximum(std, _SMALLEST_STD)
    z = (mean - incumbent) / std
    near = np.maximum(z, -1.0)
    density = np.exp(-0.5 * np.square(np.minimum(near, 40.0)) - _LOG_SQRT_2_PI)
    log_near = np.log(near * ndtr(near) + density)
    distance = np.maximum(-z, 1.0)
    # Below -1, Phi / phi goes through the scaled erfc; far below, 1 - |z| Phi / phi is 1 / z^2.
    capped = np.minimum(distance, _FAR)
    exact = np.log1p(-capped * math.sqrt(math.pi / 2) * erfcx(capped / math.sqrt(2)))
    log_far = -0.5 * distance**2 - _LOG_SQRT_2_PI + np.where(distance < _FAR, exact, -2 * np.log(distance))
    return np.asarray(np.log(std) + np.where(z > -1.0, log_near, log_far))


def log_bounded_improvement(
    mean: Float[np.ndarray, "*shape"], std: Float[np.ndarray, "*shape"], incumbent: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    r"""Logarithm of the expected improvement of a score, which can't exceed 1.

    .. math:: \log E[(\min(Y, 1) - b)^+] = \log [ EI(b) - EI(1) ]

    Args:
        mean: Posterior mean score.
        std: Posterior standard deviation; below 1e-12 it counts as 1e-12.
        incumbent: Best score observed so far, to which each candidate is compared.

    Returns:
        Natural logarithm; minus infinity where nothing is left to improve.
    """
    beyond, above = (log_expected_improvement(mean, std, b) for b in (incumbent, np.full_like(incumbent, HIGHEST)))
    with np.errstate(divide="ignore"):
        bounded = beyond + np.log1p(-np.exp(np.minimum(above - beyond, 0.0)))
    return np.asarray(np.where(incumbent < HIGHEST, bounded, -np.inf))


def log_probability_of_improvement(
    mean: Float[np.ndarray, " N"], std: Float[np.ndarray, " N"], threshold: float
) -> Float[np.ndarray, " N"]:
    """Logarithm of the probability that each candidate exceeds a threshold; finite in practice, however small.

    Args:
        mean: Posterior mean score.
        std: Posterior standard deviation; below 1e-12 it counts as 1e-12.
        threshold: What is to be exceeded, in units of the score.
    """
    return np.asarray(log_ndtr((mean - threshold) / np.maximum(std, _SMALLEST_STD)))
