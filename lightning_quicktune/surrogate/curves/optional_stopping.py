"""The index of a paused trial: what training it on is worth, with the option to stop at the next knot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Array = NDArray[np.float64]
NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
NODE_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
ITERATIONS = 2


def expected_improvement(mean: Array, std: Array, incumbent: Array | float) -> Array:
    """Expected excess of a Gaussian over the incumbent."""
    z = (mean - incumbent) / std
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    improvement: Array = std * (z * ndtr(z) + density)
    return improvement


def optional_stopping_index(
    mean: Array, covariance: Array, price: Array, following: NDArray[np.int64], incumbent: float
) -> Array:
    r"""Largest ratio of expected improvement to expected price, of all plans that may stop after the next knot.

    A plan trains to the next knot, sees the score there, and then either stops or trains on to a later knot, whichever
    is worth its price. The ratio r is the fixed point of

    .. math:: r = E[I_1 + 1_{go} I_2] / E[p_1 + 1_{go} p_2], \quad go: I_2 > r p_2

    which starts from the best plan without the option (Dinkelbach's iteration). The outer expectation is by
    Gauss-Hermite quadrature, the inner one is closed.

    Args:
        mean: Mean score at each knot, shape ``(C, H)``.
        covariance: Covariance of a configuration's scores, shape ``(C, H, H)``.
        price: Price of training on to each knot, shape ``(C, H)``; only later knots count.
        following: Index of the next knot of each configuration, ``H`` where its training is complete, shape ``(C,)``.
        incumbent: Best score so far.

    Returns:
        Log of the index, minus infinity where training is complete, shape ``(C,)``.

    References:
        Gittins (1979), Bandit Processes and Dynamic Allocation Indices; Dinkelbach (1967), On Nonlinear Fractional
        Programming.
    """
    n_knots = mean.shape[1]
    rows, first = np.arange(len(mean)), np.minimum(following, n_knots - 1)
    variance = np.maximum(np.einsum("chh->ch", covariance), 1e-12)
    later = np.arange(n_knots)[None] > first[:, None]
    plain = expected_improvement(mean, np.sqrt(variance), incumbent) / price
    index = np.where(later | (np.arange(n_knots)[None] == first[:, None]), plain, 0.0).max(1)

    std_1, price_1 = np.sqrt(variance[rows, first]), price[rows, first]
    slope = covariance[rows, first] / std_1[:, None]
    rest = np.sqrt(np.maximum(variance - slope**2, 1e-12))
    score_1 = mean[rows, first][:, None] + std_1[:, None] * NODES  # (C, Q)
    gain_1 = np.maximum(score_1 - incumbent, 0.0)
    price_2 = np.maximum(price - price_1[:, None], 1e-9)[:, :, None]
    gain_2 = expected_improvement(
        mean[:, :, None] + slope[:, :, None] * NODES, rest[:, :, None], np.maximum(score_1, incumbent)[:, None]
    )
    gain_2 = np.where(later[:, :, None], gain_2, 0.0)  # (C, H, Q)
    for _ in range(ITERATIONS):
        net = gain_2 - index[:, None, None] * price_2
        best = net.argmax(1)[:, None]
        go = np.take_along_axis(net, best, 1)[:, 0] > 0
        gain = gain_1 + go * np.take_along_axis(gain_2, best, 1)[:, 0]
        paid = go * np.take_along_axis(np.broadcast_to(price_2, gain_2.shape), best, 1)[:, 0]
        index = np.maximum(index, (gain @ NODE_WEIGHTS) / (price_1 + paid @ NODE_WEIGHTS))
    return np.where(following < n_knots, np.log(index + 1e-300), -np.inf)
