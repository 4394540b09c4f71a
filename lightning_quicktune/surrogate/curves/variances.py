"""Variances of a new task's curves around what others say, by the likelihood of left-out tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from lightning_quicktune.surrogate.curves.kernel import Kernel, matern52, squared_distances
from lightning_quicktune.surrogate.curves.left_out import LeftOut

POINTS = 48  # configurations of one left-out task in one evaluation
MOST_TASKS = 60  # left-out tasks that are looked at
FEW_TASKS = 30  # up to so many are looked at twice
STIFFNESS, STIFFNESS_OF_ONE = 0.001, 0.3  # weight of the starting values: always, and if there is one task
ITERATIONS = 60
FEW = 2  # training tasks from which nothing can be told of others
FARTHEST = 8.0  # from its starting value that a parameter is taken to be, in logarithms
UNKNOWN_RESIDUAL = 0.4  # where there are too few tasks to tell
RIDGE = 0.3 / 50


@dataclass(frozen=True, eq=False)
class Residual:
    """What is left of a task's curves once the others' span is taken out, over fidelities.

    Args:
        following: How it follows its final value, 1 at the end, shape ``(H,)``.
        given_final: Covariance over knots given the final value, shape ``(H, H)``.
        variance: Of the final value.
    """

    following: Float[np.ndarray, " H"]
    given_final: Float[np.ndarray, "H H"]
    variance: float


@dataclass(frozen=True)
class Variances:
    """Variances of the prior, in squared normalised scores.

    Args:
        transfer: Of a new task along the deviations of the training tasks from their mean, which is 1 if it is like
            them.
        residual: Of the rest of a final score.
        smooth: Share of the residual that neighbouring configurations have in common.
        stretch: Length scales of the residual over those of the mean.
        noise: Of what no other score of the curve tells.
        shape_smooth: Of a curve's shape given its end, in common with neighbours.
        shape_own: Of the same, to itself.
        ignorance: How many times larger the residual is, beyond 1, for a configuration that nothing is known of.
    """

    transfer: float
    residual: float
    smooth: float
    stretch: float
    noise: float
    shape_smooth: float
    shape_own: float
    ignorance: float


class _Logs(NamedTuple):
    """Unbounded: logarithms of ``Variances``, the logit of ``smooth``, and the logarithm of the variance of a level."""

    transfer: Float[Tensor, ""]
    residual: Float[Tensor, ""]
    smooth: Float[Tensor, ""]
    stretch: Float[Tensor, ""]
    noise: Float[Tensor, ""]
    level: Float[Tensor, ""]
    shape_smooth: Float[Tensor, ""]
    shape_own: Float[Tensor, ""]
    ignorance: Float[Tensor, ""]

    @classmethod
    def start(cls, residual: float) -> _Logs:
        """Where the search for them begins.

        Args:
            residual: Variance of the residual.
        """
        logs = {
            "transfer": np.log(0.7),
            "residual": np.log(residual),
            "smooth": 1.0,
            "stretch": 0.0,
            "noise": np.log(1e-3),
            "level": np.log(0.1),
            "shape_smooth": -0.7,
            "shape_own": -0.7,
            "ignorance": -1.0,
        }
        return cls(**{name: torch.tensor(value, dtype=torch.float64) for name, value in logs.items()})


def residual_curves(left: Sequence[LeftOut]) -> Residual:
    """Second moments of what a ridge regression on the other tasks' curves leaves of a left-out task.

    Args:
        left: The left-out tasks.
    """
    n_knots = left[0].curves.shape[2]
    total, some = np.zeros((n_knots, n_knots)), _some(left, 1)
    for each in some:
        curves, own = each.curves[:, each.sound], each.task.curves[each.sound]
        mean = curves.mean(0)
        design = np.stack([np.ones(mean.size), *(curves - mean).reshape(len(curves), -1)], 1)
        target = (own - mean).ravel()
        ridge = np.diag([1e-9, *[RIDGE * mean.size * len(curves)] * len(curves)])
        weights = np.linalg.solve(design.T @ design + ridge, design.T @ target)
        rest = (target - design @ weights).reshape(mean.shape)
        total += rest.T @ rest / (len(rest) * len(some))
    variance = float(total[-1, -1]) + 1e-6
    following = total[-1] / variance
    following[-1] = 1.0
    return Residual(following, total - np.outer(following, following) * total[-1, -1], variance)


class LeftOutLikelihood(nn.Module):
    """Negative log likelihood of random points of left-out tasks' curves, given the other tasks, per point.

    Its parameters are those of ``Variances``, unbounded; starting values hold them weakly, and firmly where there are
    too few tasks to tell.

    Args:
        left: The left-out tasks.
        kernel: Between configurations.
        residual: See ``residual_curves``.
        n_tasks: Training tasks.
        seed: Decides which points.
    """

    def __init__(self, left: Sequence[LeftOut], kernel: Kernel, residual: Residual, n_tasks: int, seed: int) -> None:
        super().__init__()
        generator, some = np.random.default_rng(seed), _some(left, seed)
        repeats = 2 if len(some) <= FEW_TASKS else 1
        self._batches = [_Points.draw(each, kernel, residual, generator) for each in some for _ in range(repeats)]
        self._n_points = sum(len(batch.target) for batch in self._batches)
        variance = max(residual.variance, 0.05) if n_tasks > FEW else UNKNOWN_RESIDUAL
        self._start = torch.stack(_Logs.start(variance))
        self._stiffness = STIFFNESS + STIFFNESS_OF_ONE / n_tasks**2
        self.raw = nn.Parameter(self._start.clone())

    def forward(self) -> Float[Tensor, ""]:
        """The value to minimise."""
        named = self._logs
        fit = torch.stack([batch.negative_log_likelihood(named) for batch in self._batches]).sum() / self._n_points
        total: Tensor = fit + self._stiffness * (self.raw - self._start).square().sum()
        return total

    def optimizer(self, iterations: int = ITERATIONS) -> torch.optim.Optimizer:
        """What minimises it, in one step of so many iterations."""
        return torch.optim.LBFGS([self.raw], max_iter=iterations, line_search_fn="strong_wolfe")

    def minimise(self) -> None:
        """Finds the most likely variances."""
        optimizer = self.optimizer()

        def loss() -> Tensor:
            optimizer.zero_grad()
            value: Tensor = self()
            torch.autograd.backward(value)
            return value

        optimizer.step(loss)  # type: ignore[arg-type]

    @property
    def _logs(self) -> _Logs:
        """The parameters, which a line search may try far from anything that can be computed with."""
        return _Logs(*(self._start + (self.raw - self._start).clamp(-FARTHEST, FARTHEST)))

    @property
    def variances(self) -> Variances:
        """The variances at the present parameters."""
        done = _Logs(*(value.detach() for value in self._logs))
        return Variances(
            transfer=float(done.transfer.exp()),
            residual=float(done.residual.exp()),
            smooth=float(torch.sigmoid(done.smooth)),
            stretch=float(done.stretch.exp()),
            noise=float(done.noise.exp()),
            shape_smooth=float(done.shape_smooth.exp()),
            shape_own=float(done.shape_own.exp()),
            ignorance=float(done.ignorance.exp()),
        )


@dataclass(frozen=True, eq=False)
class _Points:
    """Random points of one left-out task's curves, ``N`` of them, and what is needed for their likelihood."""

    target: Float[Tensor, " N"]  # minus the mean of the other tasks
    loadings: Float[Tensor, "N T"]
    distances: Float[Tensor, "N N"]  # by the kernel's lengths
    same: Float[Tensor, "N N"]  # 1 within a configuration
    following: Float[Tensor, " N"]
    given_final: Float[Tensor, "N N"]
    ignorance: Float[Tensor, " N"]

    @classmethod
    def draw(cls, left: LeftOut, kernel: Kernel, residual: Residual, generator: np.random.Generator) -> _Points:
        rows = generator.choice(left.sound, min(len(left.sound), POINTS), replace=False)
        knots = generator.choice(left.curves.shape[2], 2 * len(rows))
        row, knot = np.unique(np.stack([np.r_[rows, rows], knots], 1), axis=0).T
        mean = left.curves.mean(0)
        loadings = (left.curves - mean)[:, row, knot].T / np.sqrt(max(len(left.curves) - 1, 1))
        apart = squared_distances(left.task.encoded[row], kernel.blocks)
        return cls(
            target=torch.from_numpy(left.task.curves[row, knot] - mean[row, knot]),
            loadings=torch.from_numpy(np.ascontiguousarray(loadings)),
            distances=torch.einsum("g,gij->ij", torch.from_numpy(kernel.lengths**-2.0), apart),
            same=torch.from_numpy((row[:, None] == row).astype(np.float64)),
            following=torch.from_numpy(residual.following[knot]),
            given_final=torch.from_numpy(residual.given_final[np.ix_(knot, knot)]),
            ignorance=torch.from_numpy(left.ignorance[row]),
        )

    def negative_log_likelihood(self, logs: _Logs) -> Float[Tensor, ""]:
        """Of the points, without constant."""
        near = matern52(self.distances * torch.exp(-2.0 * logs.stretch))
        share, wide = torch.sigmoid(logs.smooth), torch.sqrt(1.0 + torch.exp(logs.ignorance) * self.ignorance)
        outer = wide[:, None] * wide
        finals = torch.exp(logs.residual) * (share * near + (1.0 - share) * self.same)
        shapes = torch.exp(logs.shape_smooth) * near + torch.exp(logs.shape_own) * self.same
        kernel = torch.exp(logs.transfer) * self.loadings @ self.loadings.T + torch.exp(logs.level)
        kernel = kernel + outer * (finals * self.following[:, None] * self.following + shapes * self.given_final)
        kernel = kernel + (torch.exp(logs.noise) + 1e-6) * torch.eye(len(self.target), dtype=torch.float64)
        factor = torch.linalg.cholesky(kernel)
        white = torch.linalg.solve_triangular(factor, self.target[:, None], upper=False)
        total: Tensor = 0.5 * white.square().sum() + factor.diagonal().log().sum()
        return total


def _some(left: Sequence[LeftOut], seed: int) -> list[LeftOut]:
    telling = [each for each in left if len(each.sound)]
    if len(telling) <= MOST_TASKS:
        return telling
    return [telling[i] for i in np.random.default_rng(seed).permutation(len(telling))[:MOST_TASKS]]
