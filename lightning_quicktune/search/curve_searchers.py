"""Builds the searchers that transfer learning curves."""

from __future__ import annotations

from lightning_quicktune.search.build import SearchContext
from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher
from lightning_quicktune.search.guarded_searcher import GuardedSearcher
from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.surrogate.curves.prior import CurvePrior


def curve_transfer(context: SearchContext, prior: CurvePrior) -> CurveTransferSearcher:
    """The searcher without a guard.

    Args:
        context: The new task and its pool.
        prior: What other tasks say of learning curves.
    """
    pool_prior = prior.pool_prior(context.space.encode(context.pool))
    return CurveTransferSearcher(context.pool, pool_prior, zero_shot_score=context.task.zero_shot_score)


def curve_transfer_guarded(context: SearchContext, prior: CurvePrior) -> Searcher:
    """The same with a guard, and without what other tasks say of configurations as the fallback.

    Args:
        context: The new task and its pool.
        prior: What other tasks say of learning curves.
    """
    transfer = curve_transfer(context, prior)
    untaught = transfer.prior.without_transfer()
    fallback = CurveTransferSearcher(context.pool, untaught, zero_shot_score=context.task.zero_shot_score)
    return GuardedSearcher(transfer, fallback)
