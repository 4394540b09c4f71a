"""Knowledge of earlier tasks, and the context in which a searcher is built with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from lightning_quicktune.search.left import Left
from lightning_quicktune.search.names import DEFAULT_ACQUISITION

if TYPE_CHECKING:
    from lightning_quicktune.metadataset.table import MetaDataset
    from lightning_quicktune.search.lengths import Lengths
    from lightning_quicktune.search.names import Acquisition
    from lightning_quicktune.space.search_space import SearchSpace
    from lightning_quicktune.surrogate.interface import CostPredictor, PerformancePredictor, PoolCurves
    from lightning_quicktune.types import Configuration, TaskInfo


class Knowledge:
    """What earlier tasks taught: their trials, and what was learned of them.

    Each part is read when it is first asked for, and once; one that isn't given is none.

    Args:
        table: Reads the trials, without what was measured on test splits.
        performance: Reads what predicts scores.
        cost: Reads what predicts seconds.
        curves: Reads what says how learning curves go.
    """

    def __init__(
        self,
        table: Callable[[], MetaDataset] | None = None,
        performance: Callable[[], PerformancePredictor] | None = None,
        cost: Callable[[], CostPredictor] | None = None,
        curves: Callable[[], PoolCurves] | None = None,
    ) -> None:
        self._table, self._performance, self._cost, self._curves = table, performance, cost, curves

    @cached_property
    def table(self) -> MetaDataset | None:
        """The trials of other tasks."""
        return self._table() if self._table is not None else None

    @cached_property
    def performance(self) -> PerformancePredictor | None:
        """Predicts scores."""
        return self._performance() if self._performance is not None else None

    @cached_property
    def cost(self) -> CostPredictor | None:
        """Predicts seconds."""
        return self._cost() if self._cost is not None else None

    @cached_property
    def curves(self) -> PoolCurves | None:
        """Says how learning curves go."""
        return self._curves() if self._curves is not None else None


@dataclass(frozen=True, eq=False)
class SearchContext:
    """What a searcher may need.

    Args:
        pool: Distinct configurations to choose from.
        task: The new task.
        space: Where the configurations come from.
        reference_step_s: Seconds of one fixed step of the base model on the present device.
        seed: Seed of whatever is random.
        knowledge: What earlier tasks taught.
        acquisition: What a candidate is worth to the methods with surrogates.
        lengths: Slices of each configuration's own full training; none if all are as the task says.
        first: What is trained before the method chooses, so that one that proposes may learn from it.
        left: What may still be spent; who spends it keeps it up to date.
    """

    pool: tuple[Configuration, ...]
    task: TaskInfo
    space: SearchSpace
    reference_step_s: float
    seed: int
    knowledge: Knowledge = field(default_factory=Knowledge)
    acquisition: Acquisition = DEFAULT_ACQUISITION
    lengths: Lengths | None = None
    first: tuple[Configuration, ...] = ()
    left: Left = field(default_factory=Left)
