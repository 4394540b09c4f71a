"""Gaussian processes over configurations, one for each task, with one kernel for all tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]
JITTER = 1e-4
LENGTH_PRIOR = 0.05  # weight of the prior that log length scales are near 0: encodings lie in [0, 1]


def matern52(a: Tensor, b: Tensor, lengths: Tensor) -> Tensor:
    """Matern 5/2 kernel of amplitude 1."""
    squared = (((a / lengths)[:, None] - (b / lengths)[None]) ** 2).sum(-1)
    r = torch.sqrt(5 * squared + 1e-12)
    return (1 + r + r * r / 3) * torch.exp(-r)


class ColumnGP:
    """Predicts values (such as a coefficient of the learning curve) of unseen configurations on each training task.

    Tasks with the same configurations share one factorisation.

    Args:
        encoded: Encoded configurations of each task, shape ``(N, D)`` each.
        values: Values of each task, shape ``(N,)`` each.
        max_points: Most configurations of a task that are used to learn the kernel.
    """

    def __init__(self, encoded: Sequence[Array], values: Sequence[Array], max_points: int = 200) -> None:
        self.groups = _grouped(encoded)
        self.encoded = [torch.from_numpy(np.ascontiguousarray(e)) for e in encoded]
        self.means = np.array([v.mean() for v in values])
        centred = [v - v.mean() for v in values]
        self.unit = float(np.sqrt(np.mean(np.concatenate(centred) ** 2))) or 1.0
        self._targets = [torch.from_numpy(c / self.unit) for c in centred]
        self._learn_kernel(max_points)
        self._factorise()

    @classmethod
    def from_weights(
        cls,
        encoded: Sequence[Array],
        means: Array,
        weights: Array,
        lengths: Array,
        amplitude: float,
        noise: float,
        unit: float,
    ) -> ColumnGP:
        """A fitted one: weights of all tasks, one after the other, and the kernel's constants."""
        gp = cls.__new__(cls)
        gp.groups = _grouped(encoded)
        gp.encoded = [torch.from_numpy(np.array(e)) for e in encoded]
        gp.means, gp.unit = np.asarray(means), float(unit)
        parts = np.split(np.array(weights), np.cumsum([len(e) for e in encoded])[:-1])
        gp.weights = {t: torch.from_numpy(part) for t, part in enumerate(parts)}
        gp.lengths = torch.from_numpy(np.array(lengths))
        constants = torch.tensor([float(amplitude), float(noise)], dtype=torch.float64)
        gp.amplitude, gp.noise = constants[0], constants[1]
        return gp

    def predict(self, encoded: Array) -> Array:
        """Posterior means, shape ``(T, N)``."""
        out = np.empty((len(self.encoded), len(encoded)))
        points = torch.from_numpy(np.ascontiguousarray(encoded))
        for members in self.groups:
            cross = self.amplitude * matern52(points, self.encoded[members[0]], self.lengths)
            for t in members:
                out[t] = (cross @ self.weights[t]).numpy() * self.unit + self.means[t]
        return out

    def leave_one_out(self, t: int) -> Array:
        """Predictions for task ``t``'s own configurations, each without its own value."""
        target = self._targets[t] - self.weights[t] / self.inverse_diagonal[t]
        return np.asarray(target.numpy() * self.unit + self.means[t])

    def _learn_kernel(self, max_points: int) -> None:
        n_dims = self.encoded[0].shape[1]
        generator = np.random.default_rng(0)
        data = []
        for members in self.groups:
            n = len(self.encoded[members[0]])
            rows = torch.from_numpy(generator.choice(n, min(n, max_points), replace=False))
            targets = torch.stack([self._targets[t][rows] for t in members], 1)
            data.append((self.encoded[members[0]][rows], targets @ targets.T, len(members)))
        total = sum(len(x) * q for x, _, q in data)
        prior = LENGTH_PRIOR * sum(q for _, _, q in data)
        raw = torch.tensor([0.0] * n_dims + [0.0, -2.0], dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([raw], max_iter=40, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            nll = prior * (raw[:n_dims] ** 2).sum()
            for x, outer, q in data:
                kernel = torch.exp(raw[-2]) * matern52(x, x, torch.exp(raw[:n_dims]))
                kernel = kernel + (torch.exp(raw[-1]) + JITTER) * torch.eye(len(x), dtype=torch.float64)
                chol = torch.linalg.cholesky(kernel)
                nll = nll + 0.5 * torch.trace(torch.cholesky_solve(outer, chol)) + q * chol.diagonal().log().sum()
            nll = nll / total
            torch.autograd.backward(nll)
            return nll

        optimizer.step(loss)  # type: ignore[no-untyped-call]
        done = raw.detach()
        self.lengths, self.amplitude = torch.exp(done[:n_dims]), torch.exp(done[-2])
        self.noise = torch.exp(done[-1]) + JITTER

    def _factorise(self) -> None:
        self.weights: dict[int, Tensor] = {}
        self.inverse_diagonal: dict[int, Tensor] = {}
        for members in self.groups:
            x = self.encoded[members[0]]
            kernel = self.amplitude * matern52(x, x, self.lengths) + self.noise * torch.eye(len(x), dtype=torch.float64)
            inverse = torch.linalg.inv(kernel)
            for t in members:
                self.weights[t] = inverse @ self._targets[t]
                self.inverse_diagonal[t] = inverse.diagonal()


def _grouped(encoded: Sequence[Array]) -> list[list[int]]:
    groups: dict[bytes, list[int]] = {}
    for t, e in enumerate(encoded):
        groups.setdefault(np.ascontiguousarray(e).tobytes(), []).append(t)
    return list(groups.values())
