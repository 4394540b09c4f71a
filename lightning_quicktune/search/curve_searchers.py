"""Builds the searchers that transfer learning curves."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from lightning_quicktune.metadataset.noise import validation_records
from lightning_quicktune.search.build import SearchContext
from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher
from lightning_quicktune.search.lengths import as_lengths
from lightning_quicktune.surrogate.curves.pool_prior import PoolPrior
from lightning_quicktune.surrogate.curves.prior import CurvePrior
from lightning_quicktune.surrogate.curves.tables import knots_of
from lightning_quicktune.surrogate.curves.untaught import untaught_prior


def curve_transfer(context: SearchContext, prior: CurvePrior) -> CurveTransferSearcher:
    """The searcher without a guard.

    Args:
        context: The new task and its pool.
        prior: What other tasks say of learning curves.
    """
    encode = context.encode_for_prior or context.space.encode
    return curve_searcher(context, prior.pool_prior(encode(context.pool)))


def untaught_curves(context: SearchContext, like: CurveTransferSearcher) -> CurveTransferSearcher:
    """The same without what other tasks say of anything.

    Args:
        context: The new task and its pool.
        like: Gives the shares of a training at which scores are looked at.
    """
    return curve_searcher(context, _untaught(context, like.prior.shares))


def pool_without_transfer(context: SearchContext) -> PoolPrior:
    """What somebody who knows no other task believes of the pool.

    Args:
        context: The new task and its pool.
    """
    knots = knots_of(as_lengths(context.lengths or context.task.max_fidelity).longest)
    return _untaught(context, knots / knots[-1])


def _untaught(context: SearchContext, shares: Float[np.ndarray, " H"]) -> PoolPrior:
    return untaught_prior(context.space.encode(context.pool), np.array(context.space.encoded_blocks), shares)


def curve_searcher(context: SearchContext, prior: PoolPrior, learns_costs: bool = True) -> CurveTransferSearcher:
    """The searcher of a prior.

    Args:
        context: The new task and its pool.
        prior: What is believed of the pool.
        learns_costs: See ``CurveTransferSearcher``.
    """
    task = context.task
    lengths = context.lengths or task.max_fidelity
    return CurveTransferSearcher(
        context.pool, prior, lengths, learns_costs, task.zero_shot_score, validation_records(task)
    )
