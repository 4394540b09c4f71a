"""Builds the searcher of a name, for replay and for live use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher
from lightning_quicktune.search.default_searcher import DefaultSearcher
from lightning_quicktune.search.names import SearcherName
from lightning_quicktune.search.random_searcher import RandomSearcher
from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.search.successive_halving_searcher import SuccessiveHalvingSearcher
from lightning_quicktune.search.transfer_searcher import TransferSearcher
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
    """

    pool: tuple[Configuration, ...]
    task: TaskInfo
    space: SearchSpace
    reference_step_s: float
    seed: int
    table: MetaDataset | None = None
    surrogates: Callable[[], Surrogates] | None = None
    prior: Callable[[], CurvePrior] | None = None


def build_searcher(name: SearcherName, context: SearchContext) -> Searcher:
    """The searcher of a name.

    Args:
        name: Its name.
        context: What it may need.
    """
    task, pool = context.task, context.pool
    if name == "default":
        return DefaultSearcher(context.space.default, task.max_fidelity)
    if name == "random":
        return RandomSearcher(pool, task.max_fidelity, context.seed)
    if name == "successive_halving":
        return SuccessiveHalvingSearcher(pool, task.max_fidelity)
    if name == "transfer" and context.surrogates is not None:
        learned = context.surrogates()
        return TransferSearcher(pool, task, learned.performance, learned.cost, context.reference_step_s)
    if name == "curve_transfer" and context.prior is not None:
        return CurveTransferSearcher(pool, context.prior().pool_prior(context.space.encode(list(pool))))
    raise ValueError(f"{name} is not built yet. Choose another `searcher`.")
