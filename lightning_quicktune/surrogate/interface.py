"""Predictions that searchers ask for: the interfaces of all surrogates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from lightning_quicktune.types import Configuration, TaskInfo

if TYPE_CHECKING:
    from lightning_quicktune.surrogate.curves.pool_prior import PoolPrior


@runtime_checkable
class PerformancePredictor(Protocol):
    """Predicts learning curves."""

    def predict(
        self,
        task: TaskInfo,
        configurations: Sequence[Configuration],
        curves: Sequence[Sequence[float]],
        fidelities: Sequence[int],
        lengths: Sequence[int] | None = None,
    ) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
        """Mean and standard deviation of the latent score at each target fidelity.

        The latent score is logit(score) - logit(zero-shot score), see ``to_latent``; the standard deviation is that of
        a measured score, noise included.

        Args:
            task: Record of the task.
            configurations: What would be trained.
            curves: Raw scores of each configuration so far, from the first slice on; may be empty.
            fidelities: Fidelity to predict for each configuration, in slices, from 1.
            lengths: Slices of each configuration's own full training; the task's ``max_fidelity`` if not given.
        """
        ...


@runtime_checkable
class CostPredictor(Protocol):
    """Predicts what a slice of training costs."""

    def predict(
        self, task: TaskInfo, configurations: Sequence[Configuration], reference_step_s: float
    ) -> Float[np.ndarray, " N"]:
        """Seconds of one slice (training and validation) of each configuration.

        Args:
            task: Record of the task.
            configurations: What would be trained.
            reference_step_s: Seconds of the reference step on the device that would train.
        """
        ...


@runtime_checkable
class PoolCurves(Protocol):
    """Says how the learning curves of some configurations go together."""

    def pool_prior(self, configurations: Sequence[Configuration]) -> PoolPrior:
        """The prior over the curves of a pool, before any of its trials.

        Args:
            configurations: The pool.
        """
        ...
