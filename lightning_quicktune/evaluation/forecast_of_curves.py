"""What ``curve_transfer`` believes of the final scores still to come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from lightning_quicktune.evaluation.forecast import Curves, Errors, Forecast
from lightning_quicktune.evaluation.without_parts import curve_prior
from lightning_quicktune.search.lengths import as_lengths
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior
from lightning_quicktune.types import Configuration

if TYPE_CHECKING:
    from lightning_quicktune.evaluation.methods import Method
    from lightning_quicktune.search.build import SearchContext


def curve_forecast(method: Method, context: SearchContext) -> Forecast:
    """Gaussian in the score, given the knots of all curves so far; a knot is a share of each own training.

    Args:
        method: The method.
        context: What it was built from.
    """
    prior, lengths = curve_prior(method, context), as_lengths(context.lengths or context.task.max_fidelity)
    places, last = {configuration.id: place for place, configuration in enumerate(context.pool)}, len(prior.knots) - 1
    shares = (prior.knots / prior.knots[last]).tolist()

    def forecast(curves: Curves, asked: Sequence[Configuration], finals: Float[np.ndarray, " N"]) -> Errors:
        posterior = CurvePosterior(prior)
        for config_id, scores in curves.items():
            for knot, share in enumerate(shares):
                fidelity = lengths.at_share(config_id, share)
                if fidelity <= len(scores):
                    posterior.observe(places[config_id], knot, max(scores[fidelity - 1], posterior.floor()))
        mean, std = np.array([posterior.reported(places[c.id], last) for c in asked]).T
        errors = (finals - mean) / std
        return errors, norm.logpdf(errors) - np.log(std)

    return forecast
