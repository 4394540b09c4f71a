"""Searchers that are replayed: those that users have, with a part taken away or a head start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lightning_quicktune.search.build import build_searcher

if TYPE_CHECKING:
    from lightning_quicktune.replay.methods import Method
    from lightning_quicktune.replay.recorded import Recorded
    from lightning_quicktune.search.knowledge import SearchContext
    from lightning_quicktune.search.searcher import Searcher


def replayed_searcher(method: Method, context: SearchContext, trials: Mapping[str, Recorded] | None = None) -> Searcher:
    """The searcher of a method.

    Args:
        method: The method, with its options.
        context: What it may need.
        trials: The recorded trial of each configuration, by its id; only ``oracle`` looks at them.
    """
    context = replace(context, acquisition=method.acquisition)
    match method.head_start:
        case "default_first":
            from lightning_quicktune.search.default_first_searcher import DefaultFirstSearcher

            default = context.space.default
            told = _searcher(method, replace(context, first=(default,)), trials)
            return DefaultFirstSearcher(default, told, context.lengths or context.task.max_fidelity)
        case _:
            return _searcher(method, context, trials)


def _searcher(method: Method, context: SearchContext, trials: Mapping[str, Recorded] | None) -> Searcher:
    match method.name:
        case "oracle":
            from lightning_quicktune.replay.oracle import best_first
            from lightning_quicktune.search.ordered_searcher import OrderedSearcher

            assert trials is not None  # the workplace gives them
            order = best_first(context.pool, trials)
            return OrderedSearcher(order, context.lengths or context.task.max_fidelity)
        case "strong":
            from lightning_quicktune.replay.strong import nearest_to_strong
            from lightning_quicktune.search.ordered_searcher import OrderedSearcher

            nearest = nearest_to_strong(context.space, context.pool)
            return OrderedSearcher((nearest,), context.lengths or context.task.max_fidelity)
        case "recommended":
            from lightning_quicktune.replay.recommended import recommended_order
            from lightning_quicktune.search.ordered_searcher import OrderedSearcher

            order = recommended_order(context.pool, context.knowledge)
            return OrderedSearcher(order, context.lengths or context.task.max_fidelity)
        case "curve_transfer" | "transfer":
            from lightning_quicktune.replay.without_parts import ablated

            return build_searcher(method.name, ablated(method, context))
        case _:
            return build_searcher(method.name, context)
