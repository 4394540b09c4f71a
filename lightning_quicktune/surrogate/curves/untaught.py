"""Priors of somebody who knows less: what evidence for and against earlier tasks is compared with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from lightning_quicktune.surrogate.curves.kernel import Kernel
from lightning_quicktune.surrogate.curves.pool_prior import MOMENTS, PoolPrior

SMOOTH = 0.7  # share of a final score's variance that neighbouring configurations have in common
LENGTH = 1.0  # length scale of each hyperparameter, of an encoding in [0, 1]
SHAPE, NOISE, OFFSET = 0.3, 0.02, 1.0  # variances: of a curve's shape, of a score, of the way to the end, in all
LOCATION, LOCATION_STD = 0.5, 0.3  # of a score in [0, 1]
SCALE, SCALE_FACTOR = 0.05, 4.0  # usual scale, and how many times it may be more or less, one deviation
COST_EXPONENT = 0.5
FLOOR = -20.0  # nothing is cut


def untaught_prior(
    encoded: Float[np.ndarray, "C D"], blocks: Int[np.ndarray, " D"], shares: Float[np.ndarray, " H"]
) -> PoolPrior:
    """A prior that shares nothing with what earlier tasks taught: no order, no scale, no shape of curves, no costs.

    All configurations have the same mean; neighbours are alike; early scores are below final ones by an unknown amount,
    and tell of them the more the later they are.

    Args:
        encoded: The pool's configurations.
        blocks: Which hyperparameter each column of an encoding belongs to.
        shares: Knots as shares of a full training, rising to 1.
    """
    n = len(encoded)
    near = Kernel(blocks, np.full(int(blocks.max()) + 1, LENGTH))(encoded, encoded)
    following, left = np.sqrt(shares), 1.0 - shares
    steps = np.minimum(left[:, None], left)  # covariance of a random walk that ends at 0
    two = np.array([-1.0, 1.0]) / np.sqrt(2.0)  # values whose standard deviation is 1
    return PoolPrior(
        mean=np.zeros((n, len(shares))),
        loadings=np.zeros((n, len(shares), 1)),
        finals=SMOOTH * near + (1.0 - SMOOTH) * np.eye(n),
        shapes=SHAPE * np.eye(n),
        following=following,
        given_final=steps,
        offsets=OFFSET * steps,
        noise=np.full(len(shares), NOISE),
        floor=np.full(len(shares), FLOOR),
        locations=LOCATION + LOCATION_STD * two,
        scales=SCALE * SCALE_FACTOR**two,
        log_cost=np.zeros(n),
        shares=shares,
        cost_exponent=COST_EXPONENT,
        temperatures=np.ones(len(MOMENTS)),
    )


def without_configurations(prior: PoolPrior) -> PoolPrior:
    """The prior of somebody who knows scale and shape of curves, and how alike neighbours are, but no configuration.

    All have the same mean and cost; what they differ by is all residual. Early scores are looked at: whether that pays
    was told by what is no longer believed.

    Args:
        prior: What was taught.
    """
    own = np.diag(prior.finals).mean()
    spread = prior.mean[:, -1].var() + np.square(prior.loadings[:, -1]).sum(1).mean() + own
    return replace(
        prior,
        mean=np.broadcast_to(prior.mean.mean(0), prior.mean.shape).copy(),
        loadings=np.zeros_like(prior.loadings),
        finals=prior.finals * (spread / own),
        log_cost=np.zeros_like(prior.log_cost),
        first_look=0,
        first=(),
    )
