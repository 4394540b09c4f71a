"""Builds the searcher of a name, for replay and for live use.

What a method is made of is imported where it is built, so that stored replays of it don't depend on the code of others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from lightning_quicktune.search.names import DEFAULT_ACQUISITION

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

    from lightning_quicktune.metadataset.table import MetaDataset
    from lightning_quicktune.search.lengths import Lengths
    from lightning_quicktune.search.names import Acquisition, SearcherName
    from lightning_quicktune.search.searcher import Searcher
    from lightning_quicktune.space.search_space import SearchSpace
    from lightning_quicktune.surrogate.cost_model import CostModel
    from lightning_quicktune.surrogate.curves.prior import CurvePrior
    from lightning_quicktune.surrogate.performance_model import PerformanceModel
    from lightning_quicktune.types import Configuration, TaskInfo


@dataclass(frozen=True, eq=False)
class Surrogates:
    """What the other tasks taught."""

    performance: PerformanceModel
    cost: CostModel


@dataclass(frozen=True, eq=False)
class SearchContext:
    """What a searcher may need.

    Args:
        pool: Distinct configurations to choose from.
        task: The new task.
        space: Where the configurations come from.
        reference_step_s: Seconds of one fixed step of the base model on the present device.
        seed: Seed of whatever is random.
        table: Trials of other tasks, without what was measured on test splits; none if there are none.
        surrogates: Gives the surrogates that other tasks taught; called by methods that need them.
        prior: Gives the prior over learning curves that other tasks taught; called by methods that need it.
        encode_for_prior: Configurations as that prior takes them; none if it is of the same space.
        acquisition: What a candidate is worth to the methods with surrogates.
        lengths: Slices of each configuration's own full training; none if all are as the task says.
        first: What is trained before the method chooses, so that one that proposes may learn from it.
    """

    pool: tuple[Configuration, ...]
    task: TaskInfo
    space: SearchSpace
    reference_step_s: float
    seed: int
    table: MetaDataset | None = None
    surrogates: Callable[[], Surrogates] | None = None
    prior: Callable[[], CurvePrior] | None = None
    encode_for_prior: Callable[[Sequence[Configuration]], Float[np.ndarray, "N D"]] | None = None
    acquisition: Acquisition = DEFAULT_ACQUISITION
    lengths: Lengths | None = None
    first: tuple[Configuration, ...] = ()


def build_searcher(name: SearcherName, context: SearchContext) -> Searcher:
    """The searcher of a name.

    Args:
        name: Its name.
        context: What it may need.

    Raises:
        ValueError: If the context lacks what it needs.
    """
    task, pool, space, seed = context.task, context.pool, context.space, context.seed
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

            learned = _given(context.surrogates, name, "surrogates.performance` and `surrogates.cost")()
            of_task = pool, task, learned.performance, learned.cost, context.reference_step_s
            return TransferSearcher(*of_task, context.acquisition, seed, context.lengths)
        case "quicktune":
            from lightning_quicktune.search.quicktune_searcher import QuickTuneSearcher

            learned = _given(context.surrogates, name, "surrogates.performance` and `surrogates.cost")()
            of_task = pool, task, learned.performance, learned.cost, context.reference_step_s
            return QuickTuneSearcher(*of_task, context.acquisition, seed, context.lengths)
        case "curve_transfer":
            from lightning_quicktune.search.curve_searchers import curve_transfer

            return curve_transfer(context, _given(context.prior, name, "surrogates.curves")())
        case "transfer_guarded":
            from lightning_quicktune.search.curve_searchers import curve_searcher, curve_transfer, untaught_curves
            from lightning_quicktune.search.guarded_searcher import GuardedSearcher, without_configurations

            transfer = curve_transfer(context, _given(context.prior, name, "surrogates.curves")())
            orderless = curve_searcher(context, without_configurations(transfer.prior))
            return GuardedSearcher(transfer, (orderless, untaught_curves(context, transfer)))
        case "portfolio_asha" | "forest_portfolio_asha":
            from lightning_quicktune.search.learned_order import learned_order
            from lightning_quicktune.search.racing import racing_searcher

            table = _given(context.table, name, "experience")
            return racing_searcher(learned_order(name, pool, task, table), lengths, table)
        case "portfolio" | "forest_portfolio" | "nearest_task_portfolio":
            from lightning_quicktune.search.learned_order import learned_order
            from lightning_quicktune.search.ordered_searcher import OrderedSearcher

            order = learned_order(name, pool, task, _given(context.table, name, "experience"))
            return OrderedSearcher(order, lengths)
        case _:
            from typing import get_args

            from lightning_quicktune.search.names import SearcherName
            from lightning_quicktune.space.declaration import did_you_mean

            names = get_args(SearcherName)
            raise ValueError(
                f"`searcher` is {name!r}, but there is no such method.{did_you_mean(name, names)} "
                f"Set `searcher` to one of {', '.join(names)}."
            )


_T = TypeVar("_T")


def _given(found: _T | None, name: SearcherName, key: str) -> _T:
    if found is None:
        raise ValueError(
            f"`searcher: {name}` chooses by what earlier tasks taught, but `{key}` is not set. Set `{key}`, or choose "
            "`searcher: successive_halving`, which needs none."
        )
    return found
