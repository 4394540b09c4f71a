"""Builds the searchers that are replayed: as they are, or with a part taken away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from lightning_quicktune.evaluation.methods import Method
from lightning_quicktune.search.build import SearchContext, build_searcher
from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher
from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.search.transfer_searcher import TransferSearcher
from lightning_quicktune.surrogate.curves.pool_prior import PoolPrior
from lightning_quicktune.surrogate.interface import CostPredictor, PerformancePredictor
from lightning_quicktune.types import Configuration, TaskInfo


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


def replayed_searcher(method: Method, context: SearchContext) -> Searcher:
    """The searcher of a method.

    Args:
        method: The method, with its options.
        context: What it may need.
    """
    if method.name == "curve_transfer":
        prior = curve_prior(method, context)
        return CurveTransferSearcher(context.pool, prior, method.cost, context.task.zero_shot_score)
    if method.name == "transfer":
        performance, cost = _surrogates(method, context)
        return TransferSearcher(
            context.pool, context.task, performance, cost, context.reference_step_s, method.acquisition, context.seed
        )
    return build_searcher(method.name, replace(context, acquisition=method.acquisition))


def performance_of(method: Method, context: SearchContext) -> PerformancePredictor:
    """What ``transfer`` predicts scores with."""
    return _surrogates(method, context)[0]


def curve_prior(method: Method, context: SearchContext) -> PoolPrior:
    """What ``curve_transfer`` believes of the pool before it has seen anything."""
    assert context.prior is not None  # the workplace gives it
    prior = context.prior().pool_prior(context.space.encode(context.pool))
    if not method.pretraining:
        prior = prior.without_transfer()
    if not method.curve:
        prior = replace(prior, knots=prior.knots[-1:])
    return prior if method.cost else replace(prior, log_cost=np.zeros_like(prior.log_cost))


def _surrogates(method: Method, context: SearchContext) -> tuple[PerformancePredictor, CostPredictor]:
    assert context.surrogates is not None  # the workplace gives them
    learned = context.surrogates()
    performance = learned.performance if method.curve else WithoutCurves(learned.performance)
    return performance, learned.cost if method.cost else EqualCost()
