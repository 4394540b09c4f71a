"""How likely a left-out task's learning curves are, given the other tasks: what the prior's variances are fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_quicktune.surrogate.curves.column_gp import matern52
from lightning_quicktune.surrogate.curves.tables import NormalisedTask

Array = NDArray[np.float64]
LTO_POINTS = 48  # configurations of one left-out task in one evaluation


@dataclass(frozen=True, eq=False)
class LeftOutPoints:
    """Points of one left-out task's curves."""

    target: Tensor
    final_mean: Tensor
    loadings: Tensor
    encoded: Tensor
    same: Tensor
    fidelity: NDArray[np.int64]

    def negative_log_likelihood(
        self, raw: Tensor, following: Tensor, over_fidelities: Tensor, lengths: Tensor
    ) -> Tensor:
        """Of the points, given the other tasks, without constant."""
        smooth = matern52(self.encoded, self.encoded, lengths * torch.exp(raw[3]))
        share = torch.sigmoid(raw[2])
        amplitude = torch.exp(0.5 * raw[6] * self.final_mean)
        outer = amplitude[:, None] * amplitude
        finals = outer * torch.exp(raw[1]) * (share * smooth + (1 - share) * self.same)
        shapes = outer * (torch.exp(raw[7]) * smooth + torch.exp(raw[8]) * self.same)
        follow = following[self.fidelity]
        kernel = torch.exp(raw[0]) * self.loadings @ self.loadings.T + torch.exp(raw[5])
        kernel = kernel + finals * follow[:, None] * follow + shapes * over_fidelities[self.fidelity][:, self.fidelity]
        kernel = kernel + (torch.exp(raw[4]) + 1e-6) * torch.eye(len(self.target), dtype=torch.float64)
        chol = torch.linalg.cholesky(kernel)
        white = torch.linalg.solve_triangular(chol, self.target[:, None], upper=False)
        total: Tensor = 0.5 * (white**2).sum() + chol.diagonal().log().sum()
        return total


def left_out_points(
    task: NormalisedTask, curves: Array, knots: NDArray[np.int64], generator: np.random.Generator
) -> LeftOutPoints:
    """Random points of a task's curves, and what the other tasks say of them.

    Args:
        task: The task that is left out.
        curves: What the others say of its configurations, shape ``(T, N, F)``.
        knots: Fidelities to draw from.
        generator: Source of chance; it moves on.
    """
    sound = np.flatnonzero(~task.failed)
    rows = generator.choice(sound, min(len(sound), LTO_POINTS), replace=False)
    pairs = np.unique(np.stack([np.r_[rows, rows], generator.choice(knots, 2 * len(rows)) - 1], 1), axis=0)
    rows, fidelity = pairs.T
    mean = curves.mean(0)
    loadings = (curves - mean)[:, rows, fidelity].T / np.sqrt(max(len(curves) - 1, 1))
    return LeftOutPoints(
        target=torch.from_numpy(task.curves[rows, fidelity] - mean[rows, fidelity]),
        final_mean=torch.from_numpy(mean[rows, -1]),
        loadings=torch.from_numpy(np.ascontiguousarray(loadings)),
        encoded=torch.from_numpy(task.encoded[rows]),
        same=torch.from_numpy((rows[:, None] == rows).astype(float)),
        fidelity=fidelity,
    )
