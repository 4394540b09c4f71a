"""A fitted prior as arrays and plain numbers, for safetensors and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from lightning_quicktune.surrogate.curves.costs import SliceCosts
from lightning_quicktune.surrogate.curves.kernel import Amplitudes, Kernel
from lightning_quicktune.surrogate.curves.means import MeanCurve, Tried
from lightning_quicktune.surrogate.curves.predictor import CurvePredictor, Deviation, Group
from lightning_quicktune.surrogate.curves.prior import CurvePrior
from lightning_quicktune.surrogate.curves.ranks import Ranks
from lightning_quicktune.surrogate.curves.tables import KnotScale
from lightning_quicktune.surrogate.curves.variances import Residual, Variances

Array = NDArray[np.float64]
_ARRAYS = ("locations", "scales", "shares", "temperatures")


def to_state(prior: CurvePrior) -> tuple[dict[str, Array], dict[str, float]]:
    """Arrays and numbers from which ``from_state`` builds the prior again.

    The trees of its forests are not among them: they are grown again from mean curves and ranks.
    """
    mean, arrays = prior.predictor.mean, {name: getattr(prior, name) for name in _ARRAYS}
    arrays |= {"scale.middle": prior.scale.middle, "scale.spread": prior.scale.spread}
    arrays |= {"residual.following": prior.residual.following, "residual.given_final": prior.residual.given_final}
    arrays |= {f"tried.{name}": getattr(mean.tried, name) for name in ("encoded", "curves", "counts")}
    arrays |= {"ranks.encoded": prior.ranks.encoded, "ranks.values": prior.ranks.values}
    arrays["blocks"] = mean.kernel.blocks.astype(np.float64)
    arrays["lengths"] = mean.kernel.lengths
    for g, group in enumerate(prior.predictor.groups):
        arrays[f"group.{g}.tasks"] = group.tasks.astype(np.float64)
        arrays |= {f"group.{g}.encoded": group.encoded, f"group.{g}.weights": group.weights}
    numbers = {f"variances.{name}": value for name, value in asdict(prior.variances).items()}
    numbers |= {f"deviation.{name}": value for name, value in asdict(prior.predictor.deviation).items()}
    numbers |= {f"amplitudes.{name}": value for name, value in asdict(mean.amplitudes).items()}
    numbers |= {"residual.variance": prior.residual.variance, "n_groups": len(prior.predictor.groups)}
    numbers |= {"forest": mean.forest, "seed": mean.seed, "shortest": prior.lengths[0], "longest": prior.lengths[1]}
    numbers |= {"first_look": prior.first_look, "n_first": prior.n_first, "limit": prior.limit}
    if prior.costs is not None:
        arrays |= {"costs.encoded": prior.costs.encoded, "costs.lengths": prior.costs.kernel.lengths}
        arrays["costs.weights"] = prior.costs.weights
        numbers |= {f"costs.{name}": value for name, value in asdict(prior.costs.amplitudes).items()}
    return arrays, {name: float(value) for name, value in numbers.items()}


def from_state(arrays: Mapping[str, Array], numbers: Mapping[str, float]) -> CurvePrior:
    """The prior that was saved."""
    blocks = arrays["blocks"].astype(np.int64)
    tried = Tried(arrays["tried.encoded"], arrays["tried.curves"], arrays["tried.counts"])
    kernel = Kernel(blocks, arrays["lengths"])
    groups = tuple(
        Group(arrays[f"group.{g}.tasks"].astype(np.int64), arrays[f"group.{g}.encoded"], arrays[f"group.{g}.weights"])
        for g in range(int(numbers["n_groups"]))
    )
    mean = MeanCurve(
        tried, kernel, Amplitudes(**_part(numbers, "amplitudes.")), numbers["forest"], int(numbers["seed"])
    )
    known = {name: np.asarray(arrays[name]) for name in _ARRAYS}
    return CurvePrior(
        predictor=CurvePredictor(mean, Deviation(**_part(numbers, "deviation.")), groups, len(known["scales"])),
        variances=Variances(**_part(numbers, "variances.")),
        residual=Residual(
            arrays["residual.following"], arrays["residual.given_final"], float(numbers["residual.variance"])
        ),
        scale=KnotScale(arrays["scale.middle"], arrays["scale.spread"]),
        costs=_costs(arrays, numbers, blocks),
        lengths=(int(numbers["shortest"]), int(numbers["longest"])),
        first_look=int(numbers["first_look"]),
        ranks=Ranks(arrays["ranks.encoded"], arrays["ranks.values"], are_shared=True),
        n_first=int(numbers["n_first"]),
        limit=float(numbers["limit"]),
        **known,
    )


def _costs(arrays: Mapping[str, Array], numbers: Mapping[str, float], blocks: NDArray[np.int64]) -> SliceCosts | None:
    if "costs.encoded" not in arrays:
        return None
    kernel = Kernel(blocks, arrays["costs.lengths"])
    return SliceCosts(arrays["costs.encoded"], kernel, Amplitudes(**_part(numbers, "costs.")), arrays["costs.weights"])


def _part(numbers: Mapping[str, float], prefix: str) -> dict[str, float]:
    return {name.removeprefix(prefix): float(v) for name, v in numbers.items() if name.startswith(prefix)}
