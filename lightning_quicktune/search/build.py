"""The one builder of searchers, by name, for replay and for live use.

What a method is made of is imported where it is built, so that stored replays of it don't depend on the code of others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from lightning_quicktune.search.knowledge import SearchContext
    from lightning_quicktune.search.names import SearcherName
    from lightning_quicktune.search.searcher import Searcher
    from lightning_quicktune.surrogate.cost_model import CostModel
    from lightning_quicktune.surrogate.performance_model import PerformanceModel


def build_searcher(name: SearcherName, context: SearchContext) -> Searcher:
    """The searcher of a name.

    Args:
        name: Its name.
        context: What it may need.

    Raises:
        ValueError: If the context lacks what it needs.
    """
    task, pool, space, seed, knowledge = context.task, context.pool, context.space, context.seed, context.knowledge
    lengths = context.lengths or task.max_fidelity
    match name:
        case "zero_shot":
            from lightning_quicktune.search.ordered_searcher import ZeroShotSearcher

            return ZeroShotSearcher()
        case "default":
            from lightning_quicktune.search.ordered_searcher import OrderedSearcher

            return OrderedSearcher((space.default,), lengths)
        case "random":
            from lightning_quicktune.search.ordered_searcher import OrderedSearcher
            from lightning_quicktune.search.pool import shuffled

            return OrderedSearcher(shuffled(pool, seed), lengths)
        case "random_nearest":
            from lightning_quicktune.search.nearest import nearest_random_order
            from lightning_quicktune.search.ordered_searcher import OrderedSearcher

            return OrderedSearcher(nearest_random_order(space, pool, seed), lengths)
        case "successive_halving":
            from lightning_quicktune.search.successive_halving_searcher import SuccessiveHalvingSearcher

            return SuccessiveHalvingSearcher(pool, lengths)
        case "optuna":
            from lightning_quicktune.search.optuna_searcher import OptunaSearcher

            return OptunaSearcher(pool, space, lengths, seed, first=context.first)
        case "dehb":
            from lightning_quicktune.search.dehb_searcher import DehbSearcher

            return DehbSearcher(pool, space, lengths, seed)
        case "transfer":
            from lightning_quicktune.search.transfer_searcher import TransferSearcher

            performance = _given(knowledge.performance, name, _SURROGATES)
            cost = _given(knowledge.cost, name, _SURROGATES)
            of_task = pool, task, performance, cost, context.reference_step_s
            return TransferSearcher(*of_task, context.acquisition, seed, context.lengths)
        case "quicktune":
            from lightning_quicktune.search.quicktune_searcher import QuickTuneSearcher

            refitted = cast("PerformanceModel", _given(knowledge.performance, name, _SURROGATES))
            refitted_cost = cast("CostModel", _given(knowledge.cost, name, _SURROGATES))
            of_models = pool, task, refitted, refitted_cost, context.reference_step_s
            return QuickTuneSearcher(*of_models, context.acquisition, seed, context.lengths)
        case "curve_transfer":
            from lightning_quicktune.search.curve_searchers import curve_transfer

            return curve_transfer(context, _given(knowledge.curves, name, "surrogates.curves"))
        case "transfer_guarded":
            from lightning_quicktune.search.curve_searchers import curve_searcher, curve_transfer, untaught_curves
            from lightning_quicktune.search.guarded_searcher import GuardedSearcher
            from lightning_quicktune.surrogate.curves.untaught import without_configurations

            transfer = curve_transfer(context, _given(knowledge.curves, name, "surrogates.curves"))
            orderless = curve_searcher(context, without_configurations(transfer.prior))
            return GuardedSearcher(transfer, (orderless, untaught_curves(context, transfer)))
        case "portfolio_asha" | "forest_portfolio_asha":
            from lightning_quicktune.search.learned_order import learned_order
            from lightning_quicktune.search.racing import racing_searcher

            table = _given(knowledge.table, name, "experience")
            return racing_searcher(learned_order(name, pool, task, table), lengths, table)
        case "portfolio" | "forest_portfolio" | "nearest_task_portfolio":
            from lightning_quicktune.search.learned_order import learned_order
            from lightning_quicktune.search.ordered_searcher import OrderedSearcher

            order = learned_order(name, pool, task, _given(knowledge.table, name, "experience"))
            return OrderedSearcher(order, lengths)
        case _:
            from typing import get_args

            from lightning_quicktune.search.names import SearcherName
            from lightning_quicktune.wording.spelling import did_you_mean

            names = get_args(SearcherName)
            raise ValueError(
                f"`searcher` is {name!r}, but there is no such method.{did_you_mean(name, names)} "
                f"Set `searcher` to one of {', '.join(names)}."
            )


_T = TypeVar("_T")
_SURROGATES = "surrogates.performance` and `surrogates.cost"


def _given(found: _T | None, name: SearcherName, key: str) -> _T:
    if found is None:
        raise ValueError(
            f"`searcher: {name}` chooses by what earlier tasks taught, but `{key}` is not set. Set `{key}`, or choose "
            "`searcher: successive_halving`, which needs none."
        )
    return found
