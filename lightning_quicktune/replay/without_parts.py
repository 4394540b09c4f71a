"""What methods predict with, as it is or with a part taken away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from lightning_quicktune.search.curve_searchers import pool_without_transfer
from lightning_quicktune.types import Configuration, TaskInfo

if TYPE_CHECKING:
    from lightning_quicktune.replay.methods import Method
    from lightning_quicktune.search.build import SearchContext
    from lightning_quicktune.surrogate.curves.pool_prior import PoolPrior
    from lightning_quicktune.surrogate.interface import CostPredictor, PerformancePredictor


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


def curve_prior(method: Method, context: SearchContext) -> PoolPrior:
    """What ``curve_transfer`` believes of the pool before it has seen anything."""
    if method.pretraining:
        assert context.prior is not None  # the workplace gives it
        prior = context.prior().pool_prior(context.space.encode(context.pool))
    else:
        prior = pool_without_transfer(context)
    prior = prior if method.curve else prior.final_scores_only()
    return prior if method.cost else replace(prior, log_cost=np.zeros_like(prior.log_cost))


def surrogates_of(method: Method, context: SearchContext) -> tuple[PerformancePredictor, CostPredictor]:
    """What ``transfer`` predicts scores and costs with."""
    assert context.surrogates is not None  # the workplace gives them
    learned = context.surrogates()
    performance: PerformancePredictor = learned.performance if method.curve else WithoutCurves(learned.performance)
    return performance, learned.cost if method.cost else EqualCost()
