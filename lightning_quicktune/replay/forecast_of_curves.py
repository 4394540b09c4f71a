"""The forecast of ``curve_transfer``: its beliefs of the final scores still to come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from lightning_quicktune.metadataset.noise import validation_records
from lightning_quicktune.replay.forecast import Curves, Errors, Forecast
from lightning_quicktune.replay.without_parts import ablated
from lightning_quicktune.search.curve_transfer_searcher import binomial_variance
from lightning_quicktune.search.lengths import as_lengths
from lightning_quicktune.surrogate.curves.pool_prior import KnotPlan
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior
from lightning_quicktune.types import Configuration

if TYPE_CHECKING:
    from lightning_quicktune.replay.methods import Method
    from lightning_quicktune.search.knowledge import SearchContext


def curve_forecast(method: Method, context: SearchContext) -> Forecast:
    """Gaussian in the score, given the knots of all curves so far; a knot is a share of each own training.

    Args:
        method: The method.
        context: What it was built from.
    """
    lengths = as_lengths(context.lengths or context.task.max_fidelity)
    believed = ablated(method, context).knowledge.curves
    assert believed is not None  # ablated or not, the method has some
    prior = believed.pool_prior(context.pool)
    places = {configuration.id: place for place, configuration in enumerate(context.pool)}
    plan = KnotPlan.of(prior.shares, np.array([lengths.of(config_id) for config_id in places], dtype=np.int64))
    last, n_records = len(prior.shares) - 1, validation_records(context.task)

    def forecast(curves: Curves, asked: Sequence[Configuration], finals: Float[np.ndarray, " N"]) -> Errors:
        posterior, shortfall = CurvePosterior(prior), np.zeros(len(places))
        for config_id, scores in curves.items():
            for knot in plan.reached(places[config_id], len(scores)):
                score = scores[plan.slices[places[config_id], knot] - 1]
                observed = max(score, posterior.floor(knot))
                carried = posterior.carried(places[config_id], knot)[last]
                shortfall[places[config_id]] = (observed - score) * carried
                posterior.observe(places[config_id], knot, observed, binomial_variance(score, n_records))
        mean, std = np.array([posterior.reported(places[c.id], last) for c in asked]).T
        mean -= shortfall[[places[c.id] for c in asked]]
        errors = (finals - mean) / std
        return errors, norm.logpdf(errors) - np.log(std)

    return forecast
