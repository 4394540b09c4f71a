"""The forecast of ``transfer``: its beliefs of the final scores still to come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from lightning_quicktune.metadataset.latent import MARGIN, to_latent
from lightning_quicktune.replay.forecast import Curves, Errors, Forecast
from lightning_quicktune.replay.without_parts import ablated
from lightning_quicktune.types import Configuration

if TYPE_CHECKING:
    from lightning_quicktune.replay.methods import Method
    from lightning_quicktune.search.knowledge import SearchContext
    from lightning_quicktune.surrogate.performance_model import PerformanceModel


def surrogate_forecast(method: Method, context: SearchContext) -> Forecast:
    """Gaussian in the surrogate's latent scale, at the end of each configuration's own training.

    Args:
        method: The method.
        context: What it was built from.
    """
    performance, task, lengths = ablated(method, context).knowledge.performance, context.task, context.lengths
    assert performance is not None  # ablated or not, the method has one
    temperature = float(cast("PerformanceModel", context.knowledge.performance).temperature)

    def forecast(curves: Curves, asked: Sequence[Configuration], finals: Float[np.ndarray, " N"]) -> Errors:
        ends = [lengths.of(c.id) if lengths else task.max_fidelity for c in asked]
        own: dict[str, Any] = {"lengths": ends} if lengths else {}
        mean, std = performance.predict(task, asked, [curves.get(c.id, ()) for c in asked], ends, **own)
        std = temperature * std
        errors = (to_latent(finals, task.zero_shot_score) - mean) / std
        inside = np.clip(finals, MARGIN, 1 - MARGIN)
        return errors, norm.logpdf(errors) - np.log(std) - np.log(inside * (1 - inside))  # density of the score itself

    return forecast
