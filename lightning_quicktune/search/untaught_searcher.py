"""A search that knows of other tasks only what is worth trying first."""

from __future__ import annotations

from lightning_quicktune.search.curve_searchers import UntaughtCurves, curve_searcher
from lightning_quicktune.search.default_first_searcher import DefaultFirstSearcher
from lightning_quicktune.search.knowledge import SearchContext
from lightning_quicktune.search.searcher import Searcher


def untaught_after(context: SearchContext) -> Searcher:
    """Trains what ``context.first`` names, one after another, and then goes by this task's learning curves alone.

    Args:
        context: The new task and its pool, in which ``first`` is.
    """
    lengths = context.lengths or context.task.max_fidelity
    searcher: Searcher = curve_searcher(context, UntaughtCurves(context).pool_prior(context.pool))
    for configuration in reversed(context.first):
        searcher = DefaultFirstSearcher(configuration, searcher, lengths)
    return searcher
