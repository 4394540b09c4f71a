"""Knowledge with a part taken away: what ablated methods predict with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from jaxtyping import Float

from lightning_quicktune.search.knowledge import Knowledge
from lightning_quicktune.types import Configuration, TaskInfo

if TYPE_CHECKING:
    from lightning_quicktune.replay.methods import Method
    from lightning_quicktune.search.knowledge import SearchContext
    from lightning_quicktune.surrogate.curves.pool_prior import PoolPrior
    from lightning_quicktune.surrogate.interface import CostPredictor, PerformancePredictor, PoolCurves

_T = TypeVar("_T")


def ablated(method: Method, context: SearchContext) -> SearchContext:
    """The context of a method, without what its options take away.

    Args:
        method: The method.
        context: That of the method with all its parts.
    """
    whole = context.knowledge
    match method.name:
        case "curve_transfer":
            from lightning_quicktune.search.curve_searchers import UntaughtCurves

            def curves() -> PoolCurves:
                taught = _given(whole.curves) if method.pretraining else UntaughtCurves(context)
                return PartOfCurves(taught, method.curve, method.cost, method.order)

            return replace(context, knowledge=Knowledge(curves=curves))
        case "transfer":

            def performance() -> PerformancePredictor:
                return _given(whole.performance) if method.curve else WithoutCurves(_given(whole.performance))

            def cost() -> CostPredictor:
                return _given(whole.cost) if method.cost else EqualCost()

            return replace(context, knowledge=Knowledge(performance=performance, cost=cost))
        case _:
            return context


class PartOfCurves:
    """Learning curves of which some part is not looked at.

    Args:
        curves: Says all of it.
        whole: Whether scores are seen before the end of a training.
        costs: Whether it is told what a slice costs.
        order: Whether it is told in which order to begin.
    """

    def __init__(self, curves: PoolCurves, whole: bool, costs: bool, order: bool) -> None:
        self._curves, self._whole, self._costs, self._order = curves, whole, costs, order

    def pool_prior(self, configurations: Sequence[Configuration]) -> PoolPrior:
        """See ``PoolCurves``."""
        prior = self._curves.pool_prior(configurations)
        prior = prior if self._whole else prior.final_scores_only()
        prior = prior if self._costs else prior.equal_costs()
        return prior if self._order else replace(prior, first=())


class WithoutCurves:
    """Predicts from configuration and fidelity alone, as if no slice of it had been trained.

    Args:
        performance: Predicts with curves.
    """

    def __init__(self, performance: PerformancePredictor) -> None:
        self._performance = performance

    def predict(
        self,
        task: TaskInfo,
        configurations: Sequence[Configuration],
        curves: Sequence[Sequence[float]],
        fidelities: Sequence[int],
        lengths: Sequence[int] | None = None,
    ) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
        """See ``PerformancePredictor``; the curves are not looked at."""
        return self._performance.predict(task, configurations, [()] * len(configurations), fidelities, lengths)


class EqualCost:
    """Takes every slice of every configuration to cost the same."""

    def predict(
        self, task: TaskInfo, configurations: Sequence[Configuration], reference_step_s: float
    ) -> Float[np.ndarray, " N"]:
        """See ``CostPredictor``; one second each."""
        return np.ones(len(configurations))


def _given(part: _T | None) -> _T:
    assert part is not None  # the lesson of the method has it
    return part
