"""Searchers that transfer learning curves, with the priors that they are given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from lightning_quicktune.metadataset.noise import validation_records
from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher
from lightning_quicktune.search.knowledge import SearchContext
from lightning_quicktune.search.lengths import as_lengths
from lightning_quicktune.surrogate.curves.pool_prior import PoolPrior
from lightning_quicktune.surrogate.curves.tables import knots_of
from lightning_quicktune.surrogate.curves.untaught import untaught_prior
from lightning_quicktune.surrogate.interface import PoolCurves
from lightning_quicktune.types import Configuration


def curve_transfer(context: SearchContext, curves: PoolCurves) -> CurveTransferSearcher:
    """The searcher without a guard.

    Args:
        context: The new task and its pool.
        curves: What other tasks say of learning curves.
    """
    return curve_searcher(context, curves.pool_prior(context.pool))


def untaught_curves(context: SearchContext, like: CurveTransferSearcher) -> CurveTransferSearcher:
    """The same without what other tasks say of anything.

    Args:
        context: The new task and its pool.
        like: Gives the shares of a training at which scores are looked at.
    """
    return curve_searcher(context, _untaught(context, context.pool, like.prior.shares))


class UntaughtCurves:
    """What somebody believes of learning curves who knows no other task.

    Args:
        context: The new task; the longest full training gives the shares at which scores are looked at.
    """

    def __init__(self, context: SearchContext) -> None:
        self._context = context

    def pool_prior(self, configurations: Sequence[Configuration]) -> PoolPrior:
        """See ``PoolCurves``."""
        knots = knots_of(as_lengths(self._context.lengths or self._context.task.max_fidelity).longest)
        return _untaught(self._context, configurations, knots / knots[-1])


def _untaught(
    context: SearchContext, configurations: Sequence[Configuration], shares: Float[np.ndarray, " H"]
) -> PoolPrior:
    return untaught_prior(context.space.encode(configurations), np.array(context.space.encoded_blocks), shares)


def curve_searcher(context: SearchContext, prior: PoolPrior) -> CurveTransferSearcher:
    """The searcher of a prior.

    Args:
        context: The new task and its pool.
        prior: What is believed of the pool.
    """
    task = context.task
    lengths = context.lengths or task.max_fidelity
    n_records = validation_records(task)
    return CurveTransferSearcher(context.pool, prior, lengths, task.zero_shot_score, n_records, context.left)
