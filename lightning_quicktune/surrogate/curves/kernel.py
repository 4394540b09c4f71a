"""Kernel between configurations: Matern 5/2 with one length scale for each hyperparameter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.linalg import cho_factor, cho_solve
from torch import Tensor

MOST_POINTS = 200  # that length scales are learned from
PRIOR = 0.05  # weight of the prior that log length scales are near 0: encodings lie in [0, 1]
USUAL_NOISE = 0.02  # share of the variance; where no two configurations are near each other, nothing tells it
JITTER = 1e-4


@dataclass(frozen=True, eq=False)
class Kernel:
    r"""Correlation of configurations.

    .. math:: k(a, b) = (1 + r + r^2 / 3) \, e^{-r}, \quad r^2 = 5 \sum_g |a_g - b_g|^2 / l_g^2

    The columns g of one hyperparameter share a length scale: a choice among hundreds has one, not hundreds.

    Args:
        blocks: Which hyperparameter each column of an encoding belongs to, from 0, shape ``(D,)``.
        lengths: Length scale of each hyperparameter, shape ``(G,)``.

    References:
        Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, eq. 4.17.
    """

    blocks: Int[np.ndarray, " D"]
    lengths: Float[np.ndarray, " G"]

    def __call__(self, a: Float[np.ndarray, "N D"], b: Float[np.ndarray, "M D"]) -> Float[np.ndarray, "N M"]:
        """Correlations, shape ``(N, M)``."""
        wide = 1.0 / self.lengths[self.blocks]
        first, second = a * wide, b * wide
        squared = np.square(first).sum(1)[:, None] + np.square(second).sum(1) - 2.0 * first @ second.T
        r = np.sqrt(5.0 * np.maximum(squared, 0.0))
        return np.asarray((1.0 + r + r * r / 3.0) * np.exp(-r))

    def stretched(self, factor: float) -> Kernel:
        """The same with all length scales times ``factor``."""
        return Kernel(self.blocks, self.lengths * factor)


@dataclass(frozen=True)
class Amplitudes:
    """Variances of a function of configurations in units of its mean square.

    Args:
        smooth: Of what neighbours share.
        noise: Of one value beyond it, seen once.
    """

    smooth: float
    noise: float


def matern52(squared: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Matern 5/2 correlation of scaled squared distances."""
    r = torch.sqrt(5.0 * squared + 1e-12)
    return (1.0 + r + r * r / 3.0) * torch.exp(-r)


def squared_distances(encoded: Float[np.ndarray, "N D"], blocks: Int[np.ndarray, " D"]) -> Float[Tensor, "G N N"]:
    """Squared distance within each hyperparameter, shape ``(G, N, N)``."""
    n = int(blocks.max()) + 1
    found = np.empty((n, len(encoded), len(encoded)))
    for g in range(n):
        own = encoded[:, blocks == g]
        norms = np.square(own).sum(1)
        found[g] = np.maximum(norms[:, None] + norms - 2.0 * own @ own.T, 0.0)
    return torch.from_numpy(found)


def fit_kernel(
    blocks: Int[np.ndarray, " D"],
    encoded: Float[np.ndarray, "N D"],
    values: Float[np.ndarray, "N Q"],
    counts: Float[np.ndarray, " N"],
) -> tuple[Kernel, Amplitudes]:
    """Length scales and amplitudes by the marginal likelihood of some columns of values, with weak priors.

    Args:
        blocks: See ``Kernel``.
        encoded: Where values are known.
        values: The values, centred; all columns share the kernel.
        counts: How many observations each row is the mean of, over their mean.
    """
    chosen = np.random.default_rng(0).permutation(len(encoded))[:MOST_POINTS]
    distances = squared_distances(encoded[chosen], blocks)
    unit = float(np.sqrt(np.mean(values[chosen] ** 2))) or 1.0
    targets = torch.from_numpy(np.ascontiguousarray(values[chosen] / unit))
    outer, n_columns, n = targets @ targets.T, targets.shape[1], len(chosen)
    inverse_counts = torch.from_numpy(1.0 / counts[chosen])
    log_lengths = torch.zeros(len(distances), dtype=torch.float64, requires_grad=True)
    log_smooth = torch.zeros((), dtype=torch.float64, requires_grad=True)
    log_noise = torch.full((), np.log(USUAL_NOISE), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_lengths, log_smooth, log_noise], max_iter=40, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        correlation = matern52(torch.einsum("g,gij->ij", torch.exp(-2.0 * log_lengths), distances))
        noise = (torch.exp(log_noise) + JITTER) * inverse_counts
        factor = torch.linalg.cholesky(torch.exp(log_smooth) * correlation + torch.diag(noise))
        fit = 0.5 * torch.trace(torch.cholesky_solve(outer, factor)) + n_columns * factor.diagonal().log().sum()
        ties = 0.5 * log_smooth**2 + 0.5 * (log_noise - np.log(USUAL_NOISE)) ** 2
        total: Tensor = (fit + PRIOR * n_columns * (log_lengths.square().sum() + ties)) / (n_columns * n)
        torch.autograd.backward(total)
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    lengths = np.exp(log_lengths.detach().numpy())
    smooth, noise = float(log_smooth.detach().exp()), float(log_noise.detach().exp())
    return Kernel(blocks, lengths), Amplitudes(smooth, noise + JITTER)


def solve(matrix: Float[np.ndarray, "N N"], right: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N Q"]:
    """Solution of a system with a positive definite matrix."""
    return np.asarray(cho_solve(cho_factor(matrix, lower=True), right))
