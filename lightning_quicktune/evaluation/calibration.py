"""How far predictive distributions of final scores can be believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import norm

from lightning_quicktune.evaluation.methods import Method
from lightning_quicktune.evaluation.pool import Recorded, TaskPool
from lightning_quicktune.evaluation.regret import Observed
from lightning_quicktune.evaluation.searchers import curve_prior, performance_of
from lightning_quicktune.metadataset.latent import MARGIN, to_latent
from lightning_quicktune.search.build import SearchContext
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior
from lightning_quicktune.types import Configuration

LEVELS = (0.5, 0.8, 0.95)

Curves = Mapping[str, tuple[float, ...]]
Errors = tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]  # in standard deviations; log density of the score
Forecast = Callable[[Curves, Sequence[Configuration], Float[np.ndarray, " N"]], Errors]


@dataclass(frozen=True)
class Calibrated:
    """How well the final scores still to come were predicted at one moment of a replay.

    Args:
        budget: The moment, in full trainings; 0 before any observation.
        n: Configurations whose final score wasn't seen yet.
        covered: Share of them within the central interval of each of ``LEVELS``.
        log_density: Mean log predictive density of their scores, in units of the task's best minus median score.
    """

    budget: float
    n: int
    covered: tuple[float, ...]
    log_density: float


def forecast_of(method: Method, context: SearchContext) -> Forecast | None:
    """What a method believes of final scores; none for methods without predictive distributions.

    Args:
        method: The method.
        context: What it was built from.
    """
    if method.name == "transfer":
        return _surrogate_forecast(method, context)
    return _curve_forecast(method, context) if method.name == "curve_transfer" else None


def calibrate(
    forecast: Forecast,
    observed: Iterable[Observed],
    pool: TaskPool,
    trials: Mapping[str, Recorded],
    budgets: Sequence[float],
) -> tuple[Calibrated, ...]:
    """Compares predicted with recorded final scores, at several moments of a replay.

    Args:
        forecast: What the method believes, given curves.
        observed: What the replay saw.
        pool: The task.
        trials: The recorded trial of each configuration, by its id.
        budgets: The moments, in full trainings.

    Returns:
        One for each moment at which some final score was still to come.
    """
    seen, found = list(observed), []
    for budget in budgets:
        curves = _curves(each for each in seen if each.at_s <= budget * pool.full_training_s)
        asked = {i: r for i, r in trials.items() if len(curves.get(i, ())) < len(r.slices) == pool.task.max_fidelity}
        if asked:
            finals = np.array([recorded.slices[-1].score for recorded in asked.values()])
            errors, densities = forecast(curves, [recorded.configuration for recorded in asked.values()], finals)
            covered = tuple(float(np.mean(np.abs(errors) <= norm.ppf(0.5 + level / 2))) for level in LEVELS)
            unit = float(np.log(pool.best - pool.median_final))
            found.append(Calibrated(budget, len(asked), covered, float(densities.mean()) + unit))
    return tuple(found)


def calibration_table(cells: Iterable[tuple[Mapping[str, object], Sequence[Calibrated]]]) -> pd.DataFrame:
    """One row per replay and moment.

    Args:
        cells: What names a replay, by column, and what was found in it.
    """
    return pd.DataFrame(
        [
            {**names, "budget": each.budget, "n": each.n, "log_density": each.log_density}
            | {f"coverage_{level:.0%}".rstrip("%"): share for level, share in zip(LEVELS, each.covered, strict=True)}
            for names, several in cells
            for each in several
        ]
    )


def mean_calibration(table: pd.DataFrame) -> pd.DataFrame:
    """Means over replays of a task, then over tasks, by setting, method and budget, in the order of the rows.

    Args:
        table: Rows of ``calibration_table``.
    """
    keys = ["setting", "method", "budget"]
    numbers = table.drop(columns=["seed", "n"]).groupby([*keys, "task"], sort=False).mean()
    return numbers.groupby(level=keys, sort=False).mean().reset_index()


def _curves(observed: Iterable[Observed]) -> dict[str, tuple[float, ...]]:
    curves: dict[str, tuple[float, ...]] = {}
    for each in observed:
        curves[each.config_id] = (*curves.get(each.config_id, ()), each.score)
    return curves


def _surrogate_forecast(method: Method, context: SearchContext) -> Forecast:
    assert context.surrogates is not None  # the workplace gives them
    performance, task = performance_of(method, context), context.task
    temperature = float(context.surrogates().performance.temperature)

    def forecast(curves: Curves, asked: Sequence[Configuration], finals: Float[np.ndarray, " N"]) -> Errors:
        ends = [task.max_fidelity] * len(asked)
        mean, std = performance.predict(task, asked, [curves.get(c.id, ()) for c in asked], ends)
        std = temperature * std
        errors = (to_latent(finals, task.zero_shot_score) - mean) / std
        inside = np.clip(finals, MARGIN, 1 - MARGIN)
        return errors, norm.logpdf(errors) - np.log(std) - np.log(inside * (1 - inside))  # density of the score itself

    return forecast


def _curve_forecast(method: Method, context: SearchContext) -> Forecast:
    prior = curve_prior(method, context)
    places = {configuration.id: place for place, configuration in enumerate(context.pool)}

    def forecast(curves: Curves, asked: Sequence[Configuration], finals: Float[np.ndarray, " N"]) -> Errors:
        posterior = CurvePosterior(prior)
        for config_id, scores in curves.items():
            for knot in np.flatnonzero(prior.knots <= len(scores)).tolist():
                posterior.observe(places[config_id], knot, max(scores[prior.knots[knot] - 1], posterior.floor()))
        last = len(prior.knots) - 1
        mean, std = np.array([posterior.reported(places[c.id], last) for c in asked]).T
        errors = (finals - mean) / std
        return errors, norm.logpdf(errors) - np.log(std)

    return forecast
