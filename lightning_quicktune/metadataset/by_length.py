"""The length of training: how the best configuration of a dataset moves with it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lightning_quicktune.metadataset.agreement import rank_correlation
from lightning_quicktune.metadataset.arrays import CurveArrays
from lightning_quicktune.metadataset.border import ordered_names
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.space.categorical import CategoricalDomain
from lightning_quicktune.space.hyperparameter import Domain
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Value

FEWEST = 3  # configurations that were trained to the end at both lengths


class Lengthened(NamedTuple):
    """One dataset, trained for two lengths; of the configurations that were trained to the end at both.

    Args:
        dataset: Name of the dataset.
        records: Records of a full training, the shorter one first.
        n_configurations: How many configurations.
        correlation: Rank correlation of their final scores; not a number for fewer than five.
        regret: Normalised regret, in the longer training, of the configuration that is best in the shorter one: over
            best minus median final score; not a number where these are equal.
        best: Place of the best configuration in each, among those of the arrays.
    """

    dataset: str
    records: tuple[int, int]
    n_configurations: int
    correlation: float
    regret: float
    best: tuple[int, int]


class Move(NamedTuple):
    """Where the best value of a hyperparameter lies in the longer of two trainings.

    Args:
        name: The hyperparameter.
        lower: Datasets on which it is lower there.
        same: Datasets on which it is the same.
        higher: Datasets on which it is higher.
        change: Median over datasets of the change, in places of an ordered choice, decades of a number on a log scale,
            units of others.
    """

    name: str
    lower: int
    same: int
    higher: int
    change: float


def lengthened(table: MetaDataset, arrays: CurveArrays) -> list[Lengthened]:
    """Compares the shortest and the longest training of each dataset that has several.

    Args:
        table: The meta-dataset.
        arrays: Its learning curves.
    """
    records = [table.task_info(name).training_records for name in arrays.tasks]
    found = []
    for dataset in sorted(set(arrays.datasets)):
        own = sorted((records[i], i) for i, each in enumerate(arrays.datasets) if each == dataset)
        (shortest, short), (longest, long) = own[0], own[-1]
        if shortest < longest:
            found.append(_compared(arrays, dataset, (short, long), (shortest, longest)))
    return [pair for pair in found if pair is not None]


def moves(found: list[Lengthened], arrays: CurveArrays, space: SearchSpace) -> list[Move]:
    """How the values of the best configuration move, for each hyperparameter with an order that both have.

    Args:
        found: What ``lengthened`` found.
        arrays: The learning curves.
        space: Where the configurations come from.
    """
    domains = {h.name: h.domain for h in space.hyperparameters}
    rows = []
    for name in ordered_names(space):
        pairs = [[arrays.configurations[place].values.get(name) for place in each.best] for each in found]
        known = [[_place(domains[name], value) for value in pair if value is not None] for pair in pairs]
        changes = np.array([pair[1] - pair[0] for pair in known if len(pair) == 2])
        if len(changes):
            lower, higher = int((changes < 0).sum()), int((changes > 0).sum())
            rows.append(Move(name, lower, len(changes) - lower - higher, higher, float(np.median(changes))))
    return rows


def _compared(arrays: CurveArrays, dataset: str, tasks: tuple[int, int], records: tuple[int, int]) -> Lengthened | None:
    short, long = (arrays.final[task] for task in tasks)
    both = np.isfinite(short) & np.isfinite(long)
    if both.sum() < FEWEST:
        return None
    best = _best(short, both), _best(long, both)
    span = float(long[both].max() - np.median(long[both]))
    regret = float(long[best[1]] - long[best[0]]) / span if span > 0 else float("nan")
    return Lengthened(dataset, records, int(both.sum()), rank_correlation(short, long), regret, best)


def _best(final: Float[np.ndarray, " C"], among: np.ndarray) -> int:
    return int(np.where(among, final, -np.inf).argmax())


def _place(domain: Domain, value: Value) -> float:
    if isinstance(domain, CategoricalDomain):
        return float(domain.index(value))
    return float(np.log10(float(value))) if domain.log else float(value)
