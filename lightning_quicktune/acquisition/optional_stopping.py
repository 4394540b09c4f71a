"""Index of a paused trial: what training it on is worth, with the option to stop at the next knot."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from lightning_quicktune.acquisition.improvement import log_bounded_improvement

Array = NDArray[np.float64]
NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
NODE_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
ITERATIONS = 2
PROMISING = 48  # candidates whose option to stop is worked out: those that are worth most without it
LEAST_VARIANCE = 1e-12
HOPELESS = -1e300  # log index of what can't improve any more, but may still be trained


def optional_stopping_index(
    mean: Float[np.ndarray, "C H"],
    covariance: Float[np.ndarray, "C H H"],
    price: Float[np.ndarray, "C H"],
    following: Int[np.ndarray, " C"],
    incumbent: Float[np.ndarray, "C H"] | float,
) -> Float[np.ndarray, " C"]:
    r"""Largest ratio of expected improvement to expected price, of all plans that may stop after the next knot.

    A plan trains to the next knot, sees the score there, and then either stops or trains on to a later knot, whichever
    is worth its price. The ratio r is the fixed point of

    .. math:: r = E[I_1 + 1_{go} I_2] / E[p_1 + 1_{go} p_2], \quad go: I_2 > r p_2

    which starts from the best plan without the option (Dinkelbach's iteration). The expected improvement at the next
    knot and, given the score there, at a later one are closed; only the option is by Gauss-Hermite quadrature. All of
    it is counted in units of the plan without option, so that nothing underflows.

    Args:
        mean: Mean score at each knot.
        covariance: Covariance of a configuration's scores.
        price: Price of training on to each knot; only later knots count.
        following: Index of the next knot of each configuration, ``H`` where its training is complete.
        incumbent: What each configuration has to beat at each knot.

    Returns:
        Log of the index, minus infinity where training is complete. Of more than ``PROMISING`` configurations the
        others have that of the best plan without the option.

    References:
        Gittins (1979), Bandit Processes and Dynamic Allocation Indices; Dinkelbach (1967), On Nonlinear Fractional
        Programming.
    """
    n_knots = mean.shape[1]
    beaten = np.broadcast_to(np.asarray(incumbent, dtype=np.float64), mean.shape)
    std = np.sqrt(np.maximum(np.einsum("chh->ch", covariance), LEAST_VARIANCE))
    plain = log_bounded_improvement(mean, std, beaten) - np.log(price)
    ahead = np.arange(n_knots) >= following[:, None]
    index = np.where(ahead, plain, -np.inf).max(1)
    open_ones = np.flatnonzero(np.isfinite(index) & (following < n_knots - 1))
    some = open_ones[np.argsort(-index[open_ones], kind="stable")[:PROMISING]]
    if len(some):
        index[some] += np.log(
            _with_option(mean[some], covariance[some], price[some], following[some], beaten[some], index[some])
        )
    return np.asarray(index)


def _with_option(
    mean: Array, covariance: Array, price: Array, first: NDArray[np.int64], incumbent: Array, plain: Array
) -> Array:
    """How many times the index without the option is that with it, at least 1, shape ``(C,)``."""
    rows = np.arange(len(mean))
    variance = np.maximum(np.einsum("chh->ch", covariance), LEAST_VARIANCE)
    std_1, price_1 = np.sqrt(variance[rows, first]), price[rows, first]
    slope = covariance[rows, first] / std_1[:, None]
    rest = np.sqrt(np.maximum(variance - slope**2, LEAST_VARIANCE))
    gain_1 = np.exp(log_bounded_improvement(mean[rows, first], std_1, incumbent[rows, first]) - plain)
    score_1 = mean[rows, first][:, None] + std_1[:, None] * NODES  # (C, Q)
    beaten = np.maximum(score_1[:, None], incumbent[:, :, None])  # (C, H, Q)
    wide = np.broadcast_to(rest[:, :, None], beaten.shape)
    log_gain = log_bounded_improvement(mean[:, :, None] + slope[:, :, None] * NODES, wide, beaten)
    later = np.arange(mean.shape[1]) > first[:, None]
    gain_2 = np.where(later[:, :, None], np.exp(np.minimum(log_gain - plain[:, None, None], 700.0)), 0.0)  # (C, H, Q)
    price_2 = np.maximum(price - price_1[:, None], 1e-9)[:, :, None]
    ratio = np.ones(len(mean))
    for _ in range(ITERATIONS):
        net = gain_2 - ratio[:, None, None] * price_2
        best = net.argmax(1)[:, None]
        go = np.take_along_axis(net, best, 1)[:, 0] > 0
        gained = go * np.take_along_axis(gain_2, best, 1)[:, 0]
        paid = go * np.take_along_axis(np.broadcast_to(price_2, gain_2.shape), best, 1)[:, 0]
        ratio = np.maximum(ratio, (gain_1 + gained @ NODE_WEIGHTS) / (price_1 + paid @ NODE_WEIGHTS))
    return ratio
