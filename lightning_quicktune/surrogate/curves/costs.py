"""Costs of a slice by configuration, up to a constant of the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from lightning_quicktune.surrogate.curves.kernel import Amplitudes, Kernel, fit_kernel, solve
from lightning_quicktune.surrogate.curves.tables import TaskTable

MOST_CONFIGURATIONS = 1000
EQUAL = 1e-6  # spread of log costs below which all configurations cost the same


@dataclass(frozen=True, eq=False)
class SliceCosts:
    """Log seconds of a slice as a function of the configuration.

    Args:
        encoded: Configurations whose costs are known, shape ``(N, D)``.
        kernel: Between configurations.
        amplitudes: Of log costs.
        weights: Of the kernel's columns, shape ``(N,)``.
    """

    encoded: Float[np.ndarray, "N D"]
    kernel: Kernel
    amplitudes: Amplitudes
    weights: Float[np.ndarray, " N"]

    def predict(self, encoded: Float[np.ndarray, "C D"]) -> Float[np.ndarray, " C"]:
        """Log seconds, 0 in the mean over configurations."""
        return np.asarray(self.amplitudes.smooth * self.kernel(encoded, self.encoded) @ self.weights)


def fit_costs(tables: Sequence[TaskTable], blocks: Int[np.ndarray, " D"]) -> SliceCosts | None:
    """Learns from the tasks whose costs are known; none if there are none, or all configurations cost the same.

    Args:
        tables: The training tasks.
        blocks: Which hyperparameter each column of an encoding belongs to.
    """
    found: dict[bytes, list[float]] = {}
    points = {}
    for table in tables:
        known = np.isfinite(table.costs_s) & (table.costs_s > 0)
        rows = np.flatnonzero(known.any(1))
        seconds = np.array([table.costs_s[r][known[r]].mean() for r in rows])
        for r, value in zip(rows, np.log(seconds) - np.log(seconds).mean() if len(rows) else [], strict=True):
            key = table.encoded[r].tobytes()
            found.setdefault(key, []).append(float(value))
            points[key] = table.encoded[r]
    keys = sorted(found)
    if not keys:
        return None
    keys = [keys[i] for i in np.random.default_rng(0).permutation(len(keys))[:MOST_CONFIGURATIONS]]
    values = np.array([np.mean(found[key]) for key in keys])
    unit = float(values.std())
    if unit < EQUAL:
        return None
    encoded = np.stack([points[key] for key in keys])
    kernel, amplitudes = fit_kernel(blocks, encoded, values[:, None] / unit, np.ones(len(values)))
    covariance = amplitudes.smooth * kernel(encoded, encoded) + amplitudes.noise * np.eye(len(values))
    return SliceCosts(encoded, kernel, amplitudes, solve(covariance, values[:, None])[:, 0])
