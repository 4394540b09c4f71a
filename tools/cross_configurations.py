#!/usr/bin/env python
"""Crosses the best configurations of a meta-dataset with each other: a denser choice where it matters.

Each value comes from one of two parents, drawn from those with the best mean rank over tasks. What it prints is what
`configurations` of `collect` takes.

    tools/cross_configurations.py --meta_dataset runs/suite_nano/meta_dataset --leave_out '[TASK, ...]' > FILE
"""

import sys
from dataclasses import dataclass, field

import numpy as np
import yaml
from scipy.stats import rankdata

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.metadataset.arrays import curve_arrays
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration, Value


@dataclass(frozen=True)
class CrossSettings:
    """Which configurations are crossed.

    Args:
        meta_dataset: Folder or URI of the meta-dataset.
        leave_out: Tasks that don't count.
        n_parents: How many of the best are parents.
        n_children: How many new configurations to make.
        seed: Seed of the draws.
    """

    meta_dataset: str
    leave_out: list[str] = field(default_factory=list)
    n_parents: int = 5
    n_children: int = 10
    seed: int = 0


def parents(settings: CrossSettings) -> tuple[SearchSpace, list[Configuration]]:
    """The space, and the configurations with the best mean rank of those that were trained to the end on every task."""
    table = load(settings.meta_dataset)
    arrays = curve_arrays(table, [name for name in table.task_names if name not in settings.leave_out])
    places = np.flatnonzero(np.isfinite(arrays.final).all(axis=0))
    mean_rank = rankdata(-arrays.final[:, places], axis=1).mean(axis=0)
    best = places[np.argsort(mean_rank, kind="stable")[: settings.n_parents]]
    return table.space, [arrays.configurations[place] for place in best]


def cross(
    space: SearchSpace, first: Configuration, second: Configuration, generator: np.random.Generator
) -> Configuration:
    """A configuration each of whose values is that of one of two others."""
    values: dict[str, Value] = {}
    for h in space.hyperparameters:
        if h.is_active(values):
            known = [c.values[h.name] for c in (first, second) if h.name in c.values]
            values[h.name] = known[int(generator.integers(len(known)))]
    return Configuration(values)


def children(settings: CrossSettings) -> list[Configuration]:
    """New configurations, each of a random pair of parents."""
    space, best = parents(settings)
    generator, known = np.random.default_rng(settings.seed), {c.id for c in best}
    found: list[Configuration] = []
    while len(found) < settings.n_children:
        first, second = generator.choice(len(best), size=2, replace=False)
        child = cross(space, best[first], best[second], generator)
        if child.id not in known:
            known.add(child.id)
            found.append(child)
    return found


if __name__ == "__main__":
    chosen = children(parse_settings("cross_configurations", CrossSettings, sys.argv[1:]))
    yaml.safe_dump([dict(c.values) for c in chosen], sys.stdout, sort_keys=False, width=200, default_flow_style=None)
