"""Findings of an evaluation, before they are written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from lightning_quicktune.evaluation.comparison import Comparison
from lightning_quicktune.evaluation.summary import Summary
from lightning_quicktune.metadataset.outcome import Outcome
from lightning_quicktune.replay.settings import SettingName


@dataclass(frozen=True)
class Folds:
    """Folds that were replayed, by what may be concluded from them.

    Args:
        compared: Names of those that are compared: all, or those on which no method was developed.
        development: Names of the others.
    """

    compared: tuple[str, ...]
    development: tuple[str, ...]


@dataclass(frozen=True)
class LeftOut:
    """What was recorded and not replayed.

    Args:
        tasks: Why tasks were not replayed, by name.
        outcomes: How many trials of the replayed folds had which outcome.
    """

    tasks: Mapping[str, str]
    outcomes: Mapping[Outcome, int]


@dataclass(frozen=True)
class Time:
    """What moved the simulated clock.

    Args:
        charges_thinking: Whether thinking was paid.
        lacks_costs: Whether slices were counted because no cost was recorded.
    """

    charges_thinking: bool
    lacks_costs: bool


@dataclass(frozen=True, eq=False)
class Findings:
    """What goes into a report.

    Args:
        summaries: The comparison at the settings' budgets, by setting; those in seconds follow those in full trainings.
        development: The same on the folds of development; empty if there are none apart from those compared.
        comparisons: One method against the others, the primary one first.
        calibration: Means by setting, method and budget, of methods that predict distributions; may be empty.
        thinking: CPU seconds per suggestion of each method, median over replays.
        fallen_back: How many replays of a guarded method fell back, of how many, by setting and method.
        left_out: What was not replayed.
        time: What moved the simulated clock.
        stand_ins: What was replayed in place of something that wasn't recorded, in words.
    """

    summaries: Mapping[SettingName, Sequence[Summary]]
    development: Mapping[SettingName, Sequence[Summary]]
    comparisons: Sequence[Comparison]
    calibration: pd.DataFrame
    thinking: Mapping[str, float]
    fallen_back: Mapping[tuple[str, str], tuple[int, int]]
    left_out: LeftOut
    time: Time
    stand_ins: Sequence[str] = ()
