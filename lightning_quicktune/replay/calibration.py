"""Calibration: how far predictive distributions of final scores can be believed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from lightning_quicktune.replay.forecast import Forecast
from lightning_quicktune.replay.observed import Observed
from lightning_quicktune.replay.pool import TaskPool
from lightning_quicktune.replay.recorded import Recorded

LEVELS = (0.5, 0.8, 0.95)


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
        asked = {i: r for i, r in trials.items() if r.is_full and len(curves.get(i, ())) < r.max_fidelity}
        if asked:
            finals = np.array([recorded.slices[-1].score for recorded in asked.values()])
            errors, densities = forecast(curves, [recorded.configuration for recorded in asked.values()], finals)
            covered = tuple(float(np.mean(np.abs(errors) <= norm.ppf(0.5 + level / 2))) for level in LEVELS)
            unit = float(np.log(pool.best - pool.median_final))
            found.append(Calibrated(budget, len(asked), covered, float(densities.mean()) + unit))
    return tuple(found)


def _curves(observed: Iterable[Observed]) -> dict[str, tuple[float, ...]]:
    curves: dict[str, tuple[float, ...]] = {}
    for each in observed:
        curves[each.config_id] = (*curves.get(each.config_id, ()), each.score)
    return curves
