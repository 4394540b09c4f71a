"""Each configuration of a search with all that came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lightning_quicktune.metadataset.noise import score_noise, validation_records
from lightning_quicktune.space.border import AtBorder, at_border
from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.rows import RowName
from lightning_quicktune.types import Configuration

Ended = Literal["trained", "failed", "interrupted"]


@dataclass(frozen=True)
class Tried:
    """One configuration and what came of it.

    Args:
        configuration: What was trained.
        scores: Validation score after each slice, shape ``(F,)``; none if not even the first one ended.
        cost_s: Seconds in all, thinking included.
        ended: Whether it was trained as far as was wanted, or ended by a failure of its own or by errors.
    """

    configuration: Configuration
    scores: tuple[float, ...]
    cost_s: float
    ended: Ended

    @property
    def best(self) -> float | None:
        """Its best score; none without any."""
        return max(self.scores, default=None)


def tried(outcome: Outcome) -> tuple[Tried, ...]:
    """All configurations, the best score first and those without one last."""
    found: dict[str, Tried] = {}
    for entry in outcome.result.entries:
        configuration, observation = entry.suggestion.configuration, entry.observation
        ended: Ended = "failed" if observation.failed else "trained"
        if observation.failed and configuration.id in outcome.interrupted:
            ended = "interrupted"
        before = found[configuration.id].cost_s if configuration.id in found else 0.0
        scores = observation.curve.scores
        found[configuration.id] = Tried(configuration, scores, before + observation.cost_s, ended)
    if (row := outcome.row("chosen")) is not None and outcome.incumbent is not None:
        config_id = row.config_id or ""  # trained for comparison, and better than what was searched
        if config_id not in found or len(found[config_id].scores) < len(row.curve):
            found[config_id] = Tried(outcome.incumbent.configuration, row.curve, row.cost_s, "trained")
    return tuple(sorted(found.values(), key=lambda each: -1.0 if each.best is None else each.best, reverse=True))


def runner_up(outcome: Outcome) -> Tried | None:
    """The best of those that were not chosen; none if no other has a score."""
    chosen = outcome.incumbent.configuration.id if outcome.incumbent else None
    return next((t for t in tried(outcome) if t.scores and t.configuration.id != chosen), None)


def luck(outcome: Outcome) -> str | None:
    """How exactly the best score was measured, and how many come that near to it; none where that is unknown."""
    curves = [each.scores for each in tried(outcome) if each.scores]
    scores = np.full((len(curves), max(map(len, curves), default=0)), np.nan)
    for row, curve in zip(scores, curves, strict=True):
        row[: len(curve)] = curve
    noise = score_noise(scores, np.array([curve[-1] for curve in curves]), validation_records(outcome.task))
    if noise is None:
        return None
    said = f"The best score was measured on {noise.n_records} validation records: a standard error of "
    said += f"{noise.standard_error:.3f}, if it is a share of right answers."
    if len(curves) == 1:
        return said
    said += f" It is the best of {len(curves)} configurations, and {noise.n_alike or 'none'} of the others came nearer"
    return f"{said}{', so which of them was chosen may be luck' if noise.n_alike else ''}."


def chosen_curve(outcome: Outcome) -> tuple[float, ...]:
    """Validation scores of what was chosen, slice by slice, wherever it was trained; none if nothing was chosen."""
    chosen = outcome.incumbent.configuration if outcome.incumbent else None
    return next((each.scores for each in tried(outcome) if each.configuration == chosen), ())


def chosen_from(outcome: Outcome) -> RowName | None:
    """The row of the comparison that was itself chosen; none if a trial of the search was."""
    chosen = outcome.row("chosen")
    if chosen is None:
        return None
    asked = ("config_id", "fidelity", "validation_score", "curve")
    same = [r for r in outcome.rows if r is not chosen and all(getattr(r, a) == getattr(chosen, a) for a in asked)]
    return next((row.name for row in sorted(same, key=lambda row: row.name != "recipe")), None)


def borders(outcome: Outcome) -> list[AtBorder]:
    """Where the chosen configuration lies at the border of the space, or of what was tried."""
    if outcome.incumbent is None:
        return []
    configurations = [entry.suggestion.configuration for entry in outcome.result.entries]
    return at_border(outcome.space, outcome.incumbent.configuration, configurations)


def varied(configurations: Sequence[Configuration], names: Sequence[str]) -> tuple[str, ...]:
    """Names of the hyperparameters in which some of the configurations differ, in the order of ``names``."""
    values = [c.values for c in configurations]
    return tuple(name for name in names if len({repr(v.get(name)) for v in values}) > 1)
