"""The prior over a new task's learning curves, learned from other tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_quicktune.surrogate.curves.column_gp import ColumnGP, matern52
from lightning_quicktune.surrogate.curves.likelihood import left_out_points
from lightning_quicktune.surrogate.curves.pool_prior import MOMENTS, PoolPrior, knots_of
from lightning_quicktune.surrogate.curves.tables import NormalisedTask, TaskTable, normalise
from lightning_quicktune.surrogate.curves.temperature import left_out_errors, temperatures_of

Array = NDArray[np.float64]
KEPT_VARIANCE = 0.999  # of the learning curves, by their principal components
MAX_COMPONENTS = 6
SEARCHED_ROWS = 128  # most configurations of a training task that are searched as if it were new
COST_EXPONENT = 0.35  # between improvement (0) and improvement per second (1)


class CurvePrior:
    """Learns from the tables of other tasks how learning curves vary between tasks, configurations and fidelities.

    Nothing is refitted on a new task: ``pool_prior`` only evaluates what was learned at its configurations.

    Args:
        tables: Trials of the training tasks, all with the same encoding and ``max_fidelity``.
        seed: Decides which points the likelihood is evaluated on.
    """

    def __init__(self, tables: Sequence[TaskTable], seed: int = 0) -> None:
        self.tasks = normalise(tables)
        self.max_fidelity = self.tasks[0].curves.shape[1]
        self.cost_exponent = COST_EXPONENT
        self.temperatures = np.ones(len(MOMENTS))  # until they are known
        self._fit_columns()
        left_out = [self._left_out(t) for t in range(len(self.tasks))]
        self._fit_fidelities(left_out)
        self._fit_variances(left_out, seed)
        self._fit_costs(tables)
        searched = [self._as_new(t, *pair) for t, pair in enumerate(left_out)]
        self.temperatures = temperatures_of([left_out_errors(*each) for each in searched])

    def predict_columns(self, encoded: Array) -> Array:
        """Normalised curve of each configuration on each training task, shape ``(T, C, F)``."""
        coefficients = np.stack([gp.predict(encoded) for gp in self.columns], 2)
        return np.asarray(coefficients @ self.components + self.mean_curve)

    def pool_prior(self, encoded: Array) -> PoolPrior:
        """The prior at a new task's configurations."""
        return self._pool_prior(encoded, self.predict_columns(encoded), range(len(self.tasks)))

    def left_out_prior(self, t: int, rows: NDArray[np.int64]) -> PoolPrior:
        """The prior at some of training task ``t``'s configurations, if the task had not been recorded."""
        others = [o for o in range(len(self.tasks)) if o != t] or [t]
        return self._pool_prior(self.tasks[t].encoded[rows], self._left_out(t)[1][:, rows], others)

    def _as_new(self, t: int, task: NormalisedTask, curves: Array) -> tuple[PoolPrior, Array]:
        """What the other tasks say of some configurations of training task ``t``, and their scores there."""
        sound = np.flatnonzero(~task.failed)
        rows = np.random.default_rng(t).permutation(sound)[:SEARCHED_ROWS]
        others = [o for o in range(len(self.tasks)) if o != t] or [t]
        prior = self._pool_prior(task.encoded[rows], curves[:, rows], others)
        return prior, task.location + task.scale * task.curves[rows]

    def _pool_prior(self, encoded: Array, curves: Array, tasks: Sequence[int]) -> PoolPrior:
        mean = curves.mean(0)
        loadings = np.sqrt(self.transfer / max(len(curves) - 1, 1)) * (curves - mean)
        outer = np.exp(0.5 * self.slope * (mean[:, None, -1] + mean[None, :, -1]))
        points = torch.from_numpy(np.ascontiguousarray(encoded))
        smooth, own = matern52(points, points, self.lengths).numpy(), np.eye(len(encoded))
        return PoolPrior(
            mean=mean,
            loadings=loadings.transpose(1, 2, 0),
            finals=outer * self.residual * (self.smoothness * smooth + (1 - self.smoothness) * own),
            shapes=outer * (self.shared_shape * smooth + self.own_shape * own),
            following=self.following,
            over_fidelities=self.over_fidelities,
            noise=self.noise,
            locations=np.array([self.tasks[o].location for o in tasks]),
            scales=np.array([self.tasks[o].scale for o in tasks]),
            log_cost=self.costs.predict(encoded)[0] if self.costs else np.zeros(len(encoded)),
            knots=knots_of(self.max_fidelity),
            cost_exponent=self.cost_exponent,
            temperatures=self.temperatures,
        )

    def _fit_columns(self) -> None:
        flat = np.concatenate([t.curves for t in self.tasks])
        self.mean_curve = flat.mean(0)
        _, singular, components = np.linalg.svd(flat - self.mean_curve, full_matrices=False)
        share = np.cumsum(singular**2) / max((singular**2).sum(), 1e-12)
        n = min(MAX_COMPONENTS, int(np.searchsorted(share, KEPT_VARIANCE)) + 1, len(components))
        self.components = components[:n]
        coefficients = [(t.curves - self.mean_curve) @ self.components.T for t in self.tasks]
        encoded = [t.encoded for t in self.tasks]
        self.columns = [ColumnGP(encoded, [c[:, p] for c in coefficients]) for p in range(n)]

    def _left_out(self, t: int) -> tuple[NormalisedTask, Array]:
        """Task ``t`` and what the others say of its configurations, a configuration's own rows unseen."""
        task = self.tasks[t]
        others = [o for o in range(len(self.tasks)) if o != t] or [t]
        coefficients = np.stack([gp.predict(task.encoded) for gp in self.columns], 2)[others]
        rows = {row.tobytes(): i for i, row in enumerate(task.encoded)}
        for k, o in enumerate(others):
            pairs = [(rows[r.tobytes()], j) for j, r in enumerate(self.tasks[o].encoded) if r.tobytes() in rows]
            if pairs:
                own, their = np.array(pairs).T
                coefficients[k, own] = np.stack([gp.leave_one_out(o)[their] for gp in self.columns], 1)
        return task, coefficients @ self.components + self.mean_curve

    def _fit_fidelities(self, left_out: Sequence[tuple[NormalisedTask, Array]]) -> None:
        """Second moments over fidelities of what the other tasks' span doesn't explain of a left-out task."""
        total = np.zeros((self.max_fidelity, self.max_fidelity))
        for task, curves in left_out:
            curves, kept = curves[:, ~task.failed], task.curves[~task.failed]
            mean = curves.mean(0)
            design = np.stack([np.ones(mean.size), *(curves - mean).reshape(len(curves), -1)], 1)
            target = (kept - mean).ravel()
            ridge = np.diag([0.0] + [0.3 * mean.shape[0] / 50 * mean.shape[1] * len(curves)] * len(curves))
            weights = np.linalg.solve(design.T @ design + ridge + 1e-9 * np.eye(len(ridge)), design.T @ target)
            rest = (target - design @ weights).reshape(mean.shape)
            total += rest.T @ rest / (len(rest) * len(left_out))
        self.residual = float(total[-1, -1]) + 1e-6
        self.following = total[-1] / self.residual
        self.following[-1] = 1.0
        self.over_fidelities = total - np.outer(self.following, self.following) * total[-1, -1]

    def _fit_variances(self, left_out: Sequence[tuple[NormalisedTask, Array]], seed: int) -> None:
        """Maximises the likelihood of left-out tasks given the others, on random points of their curves."""
        generator = np.random.default_rng(seed)
        knots = knots_of(self.max_fidelity)
        batches = [left_out_points(task, curves, knots, generator) for task, curves in left_out for _ in range(2)]
        following, over_fidelities = torch.from_numpy(self.following), torch.from_numpy(self.over_fidelities)
        lengths = self.columns[0].lengths
        start = [np.log(0.7), np.log(self.residual), 1.0, 0.0, np.log(1e-3), np.log(0.1), 0.0, -0.7, -0.7]
        raw = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([raw], max_iter=60, line_search_fn="strong_wolfe")
        total = sum(len(b.target) for b in batches)

        def loss() -> Tensor:
            optimizer.zero_grad()
            nll = sum(b.negative_log_likelihood(raw, following, over_fidelities, lengths) for b in batches) / total
            nll = nll + 0.001 * ((raw - torch.tensor(start, dtype=torch.float64)) ** 2).sum()
            torch.autograd.backward(nll)
            return nll

        optimizer.step(loss)  # type: ignore[no-untyped-call]
        done = raw.detach()
        self.transfer, self.residual = float(done[0].exp()), float(done[1].exp())
        self.smoothness, self.lengths = float(torch.sigmoid(done[2])), lengths * done[3].exp()
        self.noise, self.slope = float(done[4].exp()), float(done[6])
        self.shared_shape, self.own_shape = float(done[7].exp()), float(done[8].exp())

    def _fit_costs(self, tables: Sequence[TaskTable]) -> None:
        """Log seconds of a slice as a constant of the task plus a function of the configuration."""
        found: dict[bytes, list[float]] = {}
        points: dict[bytes, Array] = {}
        for table in tables:
            known = np.isfinite(table.costs_s) & (table.costs_s > 0)
            rows = np.flatnonzero(known.any(1))
            if not len(rows):
                continue
            seconds = np.array([table.costs_s[r][known[r]].mean() for r in rows])
            for r, value in zip(rows, np.log(seconds) - np.log(seconds).mean(), strict=True):
                key = table.encoded[r].tobytes()
                found.setdefault(key, []).append(float(value))
                points[key] = table.encoded[r]
        keys = sorted(found)
        self.costs = None
        if keys:
            chosen = np.random.default_rng(0).permutation(len(keys))[:1000]
            encoded = np.stack([points[keys[i]] for i in chosen])
            self.costs = ColumnGP([encoded], [np.array([np.mean(found[keys[i]]) for i in chosen])])
