"""The prior over learning curves with its card: what an artifact holds, and what it predicts of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lightning_quicktune.surrogate.card import SurrogateCard
from lightning_quicktune.surrogate.curves.cost_level import ByTokens
from lightning_quicktune.surrogate.curves.pool_prior import PoolPrior
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior
from lightning_quicktune.surrogate.curves.prior import CurvePrior
from lightning_quicktune.surrogate.curves.state import from_state, to_state
from lightning_quicktune.types import Configuration, TaskInfo

_NUMBER, _LEVEL, _SLOPE, _LOG_TOKENS = "number.", "cost_level", "token_slope", "log_tokens"


class PredictedCurves(NamedTuple):
    """Mean and standard deviation of each configuration's score after each slice, shape ``(N, F)``, not latent."""

    mean: Float[np.ndarray, "N F"]
    std: Float[np.ndarray, "N F"]


class CurveModel:
    """Predicts learning curves and costs of configurations on a new task, before any of its trials.

    Args:
        card: What it was learned from.
        prior: What was learned.
        cost_level: Mean over the training tasks of what a slice costs beyond ``prior``'s ``log_cost``: logarithm of
            reference steps per record, not a number where no cost is known.
        by_tokens: How that goes with the length of a task's records; not at all if not given.
    """

    def __init__(
        self, card: SurrogateCard, prior: CurvePrior, cost_level: float, by_tokens: ByTokens | None = None
    ) -> None:
        self.card, self.prior, self.cost_level = card, prior, cost_level
        self.by_tokens = by_tokens or ByTokens()

    @classmethod
    def from_state_dict(cls, card: SurrogateCard, tensors: Mapping[str, Tensor]) -> CurveModel:
        """The model that ``state_dict`` was taken of."""
        arrays = {name: tensor.numpy() for name, tensor in tensors.items() if not name.startswith(_NUMBER)}
        numbers = {name.removeprefix(_NUMBER): float(t) for name, t in tensors.items() if name.startswith(_NUMBER)}
        by_tokens = ByTokens(numbers.get(_SLOPE, 0.0), numbers.get(_LOG_TOKENS, 0.0))
        return cls(card, from_state(arrays, numbers), numbers[_LEVEL], by_tokens)

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that was learned."""
        arrays, numbers = to_state(self.prior)
        tensors = {name: torch.from_numpy(np.array(array, dtype=np.float64)) for name, array in arrays.items()}
        numbers = {**numbers, _LEVEL: self.cost_level}
        if self.by_tokens.slope:
            numbers |= {_SLOPE: self.by_tokens.slope, _LOG_TOKENS: self.by_tokens.log_tokens}
        return tensors | {f"{_NUMBER}{name}": torch.tensor(v, dtype=torch.float64) for name, v in numbers.items()}

    def pool_prior(self, configurations: Sequence[Configuration]) -> PoolPrior:
        """What other tasks say of the learning curves of some configurations."""
        return self.prior.pool_prior(self.card.encode(configurations))

    def best_tried(self, most: int) -> tuple[Configuration, ...]:
        """Configurations that training tasks have tried, from the best predicted final score on.

        Args:
            most: How many at most.
        """
        tried = self.prior.predictor.mean.tried.encoded
        final = self.prior.pool_prior(tried, is_searched=False).mean[:, -1]
        return tuple(self.card.space.decode(tried[np.argsort(-final, kind="stable")[:most]]))

    def predict(self, task: TaskInfo, configurations: Sequence[Configuration]) -> PredictedCurves:
        """Learning curves of untried configurations; the standard deviation is that of a measured score.

        Args:
            task: Record of the task.
            configurations: What would be trained.

        Raises:
            ValueError: If the task doesn't fit what was learned.
        """
        self.check_task(task)
        return predict_curves(self._prior_of(configurations), task.max_fidelity)

    def predict_cost(
        self, task: TaskInfo, configurations: Sequence[Configuration], reference_step_s: float
    ) -> Float[np.ndarray, " N"]:
        """Seconds of one slice; not a number if no cost was known on any training task.

        Args:
            task: Record of the task.
            configurations: What would be trained.
            reference_step_s: Seconds of the reference step on the device that would train.
        """
        costs_s = self.slice_costs_s(configurations, reference_step_s, task.records_per_slice)
        return np.asarray(costs_s * np.exp(self.by_tokens.beyond(task)))

    def slice_costs_s(
        self, configurations: Sequence[Configuration], reference_step_s: float, records_per_slice: int
    ) -> Float[np.ndarray, " N"]:
        """The same, before anything else is known of the task, as if its records were of usual length.

        Args:
            configurations: What would be trained.
            reference_step_s: Seconds of the reference step on the device that would train.
            records_per_slice: Training records of a slice.
        """
        log_cost = self._prior_of(configurations).log_cost + self.cost_level
        return np.asarray(np.exp(log_cost) * reference_step_s * records_per_slice)

    def _prior_of(self, configurations: Sequence[Configuration]) -> PoolPrior:
        """Of configurations that aren't searched."""
        return self.prior.pool_prior(self.card.encode(configurations), is_searched=False)

    def check_task(self, task: TaskInfo) -> None:
        """Refuses a task whose score or full training is another one.

        Raises:
            ValueError: If the metric differs, or ``max_fidelity`` is none that was learned from.
        """
        self.card.check_task(task)
        shortest, longest = self.prior.lengths
        if not shortest <= task.max_fidelity <= longest:
            known = str(longest) if shortest == longest else f"{shortest} to {longest}"
            raise ValueError(
                f"A full training of task {task.name!r} has {task.max_fidelity} slices, but the surrogate of learning "
                f"curves knows full trainings of {known}. Set `max_fidelity: {longest}`, or train the surrogate on "
                "trials of that length."
            )


def predict_curves(prior: PoolPrior, length: int) -> PredictedCurves:
    """Scores after every slice of the configurations of a pool, before any is trained, within [0, 1].

    Args:
        prior: The prior at the configurations.
        length: Slices of a full training; between knots, means and deviations go straight over the log of the share.
    """
    posterior = CurvePosterior(prior)
    mean, covariance = posterior.moments()
    noise = np.array([posterior.noise_variance(knot) for knot in range(len(prior.shares))])
    std = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2) + noise) * prior.temperature(0)
    asked, known = np.log(np.arange(1, length + 1) / length), np.log(prior.shares)
    curves = [np.stack([np.interp(asked, known, row) for row in values]) for values in (mean, std)]
    return PredictedCurves(np.clip(curves[0], 0.0, 1.0), curves[1])
