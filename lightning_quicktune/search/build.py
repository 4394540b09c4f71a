"""Builds the searcher of a name, for replay and for live use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, get_args

from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher
from lightning_quicktune.search.dehb_searcher import DehbSearcher
from lightning_quicktune.search.guarded_searcher import GuardedSearcher
from lightning_quicktune.search.names import DEFAULT_ACQUISITION, Acquisition, SearcherName
from lightning_quicktune.search.nearest import nearest_random_order
from lightning_quicktune.search.optuna_searcher import OptunaSearcher
from lightning_quicktune.search.ordered_searcher import OrderedSearcher
from lightning_quicktune.search.pool import shuffled
from lightning_quicktune.search.portfolio import greedy_order, ranked_order
from lightning_quicktune.search.quicktune_searcher import QuickTuneSearcher
from lightning_quicktune.search.rank_model import nearest_task, rank_model
from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.search.successive_halving_searcher import SuccessiveHalvingSearcher
from lightning_quicktune.search.transfer_searcher import TransferSearcher
from lightning_quicktune.search.zero_shot_searcher import ZeroShotSearcher
from lightning_quicktune.space.declaration import did_you_mean
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
        acquisition: What a candidate is worth to the methods with surrogates.
    """

    pool: tuple[Configuration, ...]
    task: TaskInfo
    space: SearchSpace
    reference_step_s: float
    seed: int
    table: MetaDataset | None = None
    surrogates: Callable[[], Surrogates] | None = None
    prior: Callable[[], CurvePrior] | None = None
    acquisition: Acquisition = DEFAULT_ACQUISITION


def build_searcher(name: SearcherName, context: SearchContext) -> Searcher:
    """The searcher of a name.

    Args:
        name: Its name.
        context: What it may need.

    Raises:
        ValueError: If the context lacks what it needs.
    """
    task, pool, space, seed = context.task, context.pool, context.space, context.seed
    match name:
        case "zero_shot":
            return ZeroShotSearcher()
        case "default":
            return OrderedSearcher((space.default,), task.max_fidelity)
        case "random":
            return OrderedSearcher(shuffled(pool, seed), task.max_fidelity)
        case "random_nearest":
            return OrderedSearcher(nearest_random_order(space, pool, seed), task.max_fidelity)
        case "successive_halving":
            return SuccessiveHalvingSearcher(pool, task.max_fidelity)
        case "optuna":
            return OptunaSearcher(pool, space, task.max_fidelity, seed)
        case "dehb":
            return DehbSearcher(pool, space, task.max_fidelity, seed)
        case "transfer" | "quicktune":
            kind = TransferSearcher if name == "transfer" else QuickTuneSearcher
            learned = _given(context.surrogates, name, "surrogates.performance` and `surrogates.cost")()
            step_s = context.reference_step_s
            return kind(pool, task, learned.performance, learned.cost, step_s, context.acquisition, seed)
        case "curve_transfer":
            return _curve_transfer(context, _given(context.prior, name, "surrogates.curves")())
        case "transfer_guarded":
            transfer = _curve_transfer(context, _given(context.prior, name, "surrogates.curves")())
            untaught = transfer.prior.without_transfer()
            fallback = CurveTransferSearcher(pool, untaught, zero_shot_score=task.zero_shot_score)
            return GuardedSearcher(transfer, fallback)
        case "portfolio_asha" | "forest_portfolio_asha":
            return SuccessiveHalvingSearcher(_learned_order(name, context), task.max_fidelity)
        case "portfolio" | "forest_portfolio" | "nearest_task_portfolio":
            return OrderedSearcher(_learned_order(name, context), task.max_fidelity)
    raise ValueError(
        f"`searcher` is {name!r}, but there is no such method.{did_you_mean(name, get_args(SearcherName))} "
        f"Set `searcher` to one of {', '.join(get_args(SearcherName))}."
    )


def _curve_transfer(context: SearchContext, prior: CurvePrior) -> CurveTransferSearcher:
    pool_prior = prior.pool_prior(context.space.encode(context.pool))
    return CurveTransferSearcher(context.pool, pool_prior, zero_shot_score=context.task.zero_shot_score)


def _learned_order(name: SearcherName, context: SearchContext) -> tuple[Configuration, ...]:
    model = rank_model(_given(context.table, name, "experience"))
    if name == "nearest_task_portfolio":
        place = nearest_task(context.task, model.tasks)
        return ranked_order(context.pool, model.known(context.pool)[place])
    ranks = model.predicted(context.pool) if name.startswith("forest") else model.known(context.pool)
    return greedy_order(context.pool, ranks)


_T = TypeVar("_T")


def _given(found: _T | None, name: SearcherName, key: str) -> _T:
    if found is None:
        raise ValueError(
            f"`searcher: {name}` chooses by what earlier tasks taught, but `{key}` is not set. Set `{key}`, or choose "
            "`searcher: successive_halving`, which needs none."
        )
    return found
