"""A fitted prior as arrays and plain facts, for safetensors and JSON."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from lightning_quicktune.surrogate.curves.column_gp import ColumnGP
from lightning_quicktune.surrogate.curves.prior import CurvePrior
from lightning_quicktune.surrogate.curves.tables import NormalisedTask

Array = NDArray[np.float64]
_NUMBERS = ("transfer", "residual", "smoothness", "noise", "slope", "shared_shape", "own_shape", "cost_exponent")
_ARRAYS = ("mean_curve", "components", "following", "over_fidelities", "temperatures")


def to_state(prior: CurvePrior) -> tuple[dict[str, Array], dict[str, float]]:
    """Arrays and numbers from which ``from_state`` builds the prior again."""
    arrays: dict[str, Array] = {name: getattr(prior, name) for name in _ARRAYS}
    arrays["lengths"] = prior.lengths.numpy()
    arrays["locations"] = np.array([t.location for t in prior.tasks])
    arrays["scales"] = np.array([t.scale for t in prior.tasks])
    for p, column in enumerate(prior.columns):
        arrays |= _column_state(f"column.{p}", column)
    if prior.costs is not None:
        arrays |= _column_state("costs", prior.costs)
    first = prior.columns[0]
    for g, members in enumerate(first.groups):
        arrays[f"group.{g}.encoded"] = first.encoded[members[0]].numpy()
        arrays[f"group.{g}.tasks"] = np.array(members, dtype=np.float64)
    if prior.costs is not None:
        arrays["costs.encoded"] = prior.costs.encoded[0].numpy()
    return arrays, {name: float(getattr(prior, name)) for name in _NUMBERS}


def from_state(arrays: Mapping[str, Array], numbers: Mapping[str, float]) -> CurvePrior:
    """The prior that was saved; it predicts, and can't be fitted further."""
    prior = CurvePrior.__new__(CurvePrior)
    for name in _ARRAYS:
        setattr(prior, name, np.asarray(arrays[name]))
    for name in _NUMBERS:
        setattr(prior, name, float(numbers[name]))
    prior.lengths = torch.from_numpy(np.array(arrays["lengths"]))
    prior.max_fidelity = len(prior.mean_curve)
    none = np.zeros((0, 0))
    prior.tasks = [
        NormalisedTask(none, none, np.zeros(0, dtype=np.bool_), float(location), float(scale))
        for location, scale in zip(arrays["locations"], arrays["scales"], strict=True)
    ]
    groups = {int(t): g for g in range(len(prior.tasks)) for t in arrays.get(f"group.{g}.tasks", ())}
    encoded = [arrays[f"group.{groups[t]}.encoded"] for t in range(len(prior.tasks))]
    prior.columns = [_column(arrays, f"column.{p}", encoded) for p in range(len(prior.components))]
    prior.costs = _column(arrays, "costs", [arrays["costs.encoded"]]) if "costs.encoded" in arrays else None
    return prior


def _column_state(name: str, column: ColumnGP) -> dict[str, Array]:
    constants = np.array([float(column.amplitude), float(column.noise), column.unit])
    weights = np.concatenate([column.weights[t].numpy() for t in range(len(column.means))])
    return {
        f"{name}.constants": constants,
        f"{name}.lengths": column.lengths.numpy(),
        f"{name}.means": column.means,
        f"{name}.weights": weights,
    }


def _column(arrays: Mapping[str, Array], name: str, encoded: list[Array]) -> ColumnGP:
    amplitude, noise, unit = arrays[f"{name}.constants"]
    return ColumnGP.from_weights(
        encoded, arrays[f"{name}.means"], arrays[f"{name}.weights"], arrays[f"{name}.lengths"], amplitude, noise, unit
    )
