"""Forecasts of the final scores still to come, by a method's own beliefs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from lightning_quicktune.types import Configuration

if TYPE_CHECKING:
    from lightning_quicktune.replay.methods import Method
    from lightning_quicktune.search.knowledge import SearchContext

Curves = Mapping[str, tuple[float, ...]]
Errors = tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]  # in standard deviations; log density of the score
Forecast = Callable[[Curves, Sequence[Configuration], Float[np.ndarray, " N"]], Errors]


def forecast_of(method: Method, context: SearchContext) -> Forecast | None:
    """What a method believes of final scores; none for methods without predictive distributions.

    Args:
        method: The method.
        context: What it was built from.
    """
    match method.name:
        case "transfer":
            from lightning_quicktune.replay.forecast_of_surrogate import surrogate_forecast

            return surrogate_forecast(method, context)
        case "curve_transfer":
            from lightning_quicktune.replay.forecast_of_curves import curve_forecast

            return curve_forecast(method, context)
        case _:
            return None
