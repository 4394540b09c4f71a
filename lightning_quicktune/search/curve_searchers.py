"""Builds the searchers that transfer learning curves."""

from __future__ import annotations

from lightning_quicktune.search.build import SearchContext
from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher
from lightning_quicktune.surrogate.curves.prior import CurvePrior


def curve_transfer(context: SearchContext, prior: CurvePrior) -> CurveTransferSearcher:
    """The searcher without a guard.

    Args:
        context: The new task and its pool.
        prior: What other tasks say of learning curves.
    """
    pool_prior = prior.pool_prior(context.space.encode(context.pool))
    return CurveTransferSearcher(context.pool, pool_prior, zero_shot_score=context.task.zero_shot_score)


def curve_fallback(context: SearchContext, transfer: CurveTransferSearcher) -> CurveTransferSearcher:
    """The same without what other tasks say of configurations.

    Args:
        context: The new task and its pool.
        transfer: The searcher with it.
    """
    untaught = transfer.prior.without_transfer()
    return CurveTransferSearcher(context.pool, untaught, zero_shot_score=context.task.zero_shot_score)
