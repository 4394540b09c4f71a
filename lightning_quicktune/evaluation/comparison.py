"""The comparison of one method with the others: how large the difference is, and how sure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from lightning_quicktune.evaluation.settings import PrimaryComparison
from lightning_quicktune.evaluation.summary import Summary, groups_of
from lightning_quicktune.replay.settings import SettingName
from lightning_quicktune.statistics.intervals import Bootstrap, holm, permutation_p


@dataclass(frozen=True)
class Comparison:
    """Two methods at one budget, paired by task and seed.

    Args:
        setting: Whether the pool's configurations are known from other tasks.
        method: The first method.
        against: The second method.
        budget: In full trainings.
        gain: Mean over tasks of the second's regret minus the first's; above 0 if the first is better.
        lower: Lower end of its interval.
        upper: Upper end of its interval.
        standardised: The gain over the standard deviation of the tasks' gains; not a number for a single task.
        p: Two-sided probability of so large a gain if both were alike.
        is_primary: Whether it was named beforehand; all others are exploratory, and their ``p`` is Holm-corrected.
    """

    setting: SettingName
    method: str
    against: str
    budget: float
    gain: float
    lower: float
    upper: float
    standardised: float
    p: float
    is_primary: bool


def compare(
    summaries: Mapping[SettingName, Summary],
    method: str,
    primary: PrimaryComparison | None,
    clusters: Mapping[str, int],
    seed: int,
    limits: Collection[str] = (),
) -> list[Comparison]:
    """Compares a method with each other one, at every budget in every setting; the primary comparison comes first.

    Args:
        summaries: Summary at budgets in full trainings, by setting.
        method: The method.
        primary: What was named beforehand, if anything.
        clusters: Cluster of each task.
        seed: Seed of intervals and tests.
        limits: Names of what no method can do, which is compared with none.
    """
    found = [
        each
        for setting, summary in summaries.items()
        for each in _pairs(summary, setting, method, clusters, seed, limits)
    ]
    named = [replace(each, is_primary=True) for each in found if primary is not None and _is(each, primary)]
    others = [each for each in found if primary is None or not _is(each, primary)]
    corrected = holm(np.array([each.p for each in others], dtype=np.float64))
    return named + [replace(each, p=float(p)) for each, p in zip(others, corrected, strict=True)]


def _pairs(
    summary: Summary,
    setting: SettingName,
    method: str,
    clusters: Mapping[str, int],
    seed: int,
    limits: Collection[str],
) -> list[Comparison]:
    place = summary.methods.index(method)
    others = [m for m, name in enumerate(summary.methods) if m != place and name not in limits]
    if not others:
        return []
    gains = (summary.per_seed[others] - summary.per_seed[place]).transpose(
        1, 2, 0, 3
    )  # (tasks, seeds, others, budgets)
    per_task, groups = gains.mean(axis=1), groups_of(summary.tasks, clusters)
    lower, upper = Bootstrap(groups, gains.shape[1], seed).interval(gains)
    mean, p = per_task.mean(axis=0), permutation_p(per_task, groups, seed)
    spread = per_task.std(axis=0, ddof=1) if len(per_task) > 1 else np.full(mean.shape, np.nan)
    return [
        Comparison(
            setting=setting,
            method=method,
            against=summary.methods[other],
            budget=budget,
            gain=float(mean[o, b]),
            lower=float(lower[o, b]),
            upper=float(upper[o, b]),
            standardised=float(mean[o, b] / spread[o, b]) if spread[o, b] > 0 else math.nan,
            p=float(p[o, b]),
            is_primary=False,
        )
        for o, other in enumerate(others)
        for b, budget in enumerate(summary.budgets)
    ]


def _is(comparison: Comparison, primary: PrimaryComparison) -> bool:
    return (comparison.setting, comparison.method, comparison.against, comparison.budget) == (
        primary.setting,
        primary.method,
        primary.against,
        primary.budget,
    )
