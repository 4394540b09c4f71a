"""Divisions: which tasks and configurations a replay may learn from, and which it searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lightning_quicktune.metadataset.table import TEST, MetaDataset, counts
from lightning_quicktune.replay.folds import HELD_OUT, folds_of
from lightning_quicktune.replay.settings import ReplaySettings, SettingName


@dataclass(frozen=True, order=True)
class Split:
    """One division of a meta-dataset.

    Args:
        setting: Whether the pool's configurations are known from other tasks, or new.
        fold: Name of the fold whose tasks are replayed.
        halving: Which draw of halves; 0 where configurations are known.
        half: Which half of the configurations the pool is, 0 or 1; 0 where they are known.
    """

    setting: SettingName
    fold: str
    halving: int
    half: int

    @property
    def name(self) -> str:
        """For folders and messages."""
        return f"{self.setting}-{self.fold}-{self.halving}-{self.half}"


class Divider:
    """Divides the tasks of a meta-dataset into folds and its configurations into halves.

    Tasks of one dataset, which differ in how long is trained, are never learned from when another of them is replayed.

    Each pair of seeds takes the next of ``n_halvings`` draws: the even one searches the first half and the odd one the
    second, while methods learn from the other one, so that intervals know of the luck of the draw. The default
    configuration is in both pools, and in neither table of new configurations.

    Args:
        table: The meta-dataset.
        settings: How it is divided.
        taught: What is learned from; the same meta-dataset if not given.

    Raises:
        ValueError: If there is one task only, tasks lack what folds are made by, or there is no fold of a name.
    """

    def __init__(self, table: MetaDataset, settings: ReplaySettings, taught: MetaDataset | None = None) -> None:
        self._settings = settings
        self._datasets, self._taught = table.datasets, (table if taught is None else taught).datasets
        self._default = table.space.default.id
        self._all = folds_of(table, settings)
        self.test_folds = (HELD_OUT,) if settings.held_out else self._named("test_folds", settings.test_folds)
        self.train_folds = self._named("train_folds", settings.train_folds)
        for fold in self.test_folds:
            self.learned_tasks(fold)
        developed = settings.development_folds
        self.development_folds = () if developed is None else self._named("development_folds", developed)
        self._kept = _share_of(table if taught is None else taught, settings)
        self._ids = np.array(sorted(set(table.trials["config_id"]) - {self._default}), dtype=object)
        self._halves = lru_cache(maxsize=None)(self._draw_halves)

    def split(self, setting: SettingName, fold: str, seed: int) -> Split:
        """The division for a replay of one seed."""
        if setting == "known":
            return Split(setting, fold, 0, 0)
        pair, half = divmod(seed, 2)
        return Split(setting, fold, pair % self._settings.n_halvings, half)

    def held_out(self, fold: str) -> tuple[str, ...]:
        """Tasks of a fold."""
        return self._all[fold]

    def learned_tasks(self, fold: str) -> tuple[str, ...]:
        """Tasks that may be learned from when a fold is replayed.

        Raises:
            ValueError: If there are none.
        """
        replayed = {self._datasets[name] for name in self._all[fold]}
        names = self._taught if self._settings.learn_from else [n for f in self.train_folds for n in self._all[f]]
        others = {name: self._taught[name] for name in names if self._taught[name] not in replayed}
        if not others:
            key = "learn_from" if self._settings.learn_from else "train_folds"
            chosen = self._settings.learn_from or list(self.train_folds)
            raise ValueError(
                f"Fold {fold!r} would be replayed, but `{key}` is {chosen}, so no task of another dataset is "
                f"left to learn from. Name at least one other in `{key}`."
            )
        datasets = sorted(set(others.values()))
        order = np.random.default_rng(self._settings.seed).permutation(len(datasets))
        kept = {datasets[i] for i in order[: max(1, round(self._settings.train_share * len(datasets)))]}
        return tuple(sorted(name for name, dataset in others.items() if dataset in kept))

    def searched(self, split: Split) -> frozenset[str] | None:
        """Ids of the configurations that a pool is made of; none if all of them are."""
        return self._halves(split.halving)[split.half] | {self._default} if split.setting == "new" else None

    def learned_table(self, visible: MetaDataset, split: Split) -> MetaDataset:
        """What methods may learn from.

        Args:
            visible: The meta-dataset, without what was measured on test splits.
            split: The division.
        """
        table = visible.select(self.learned_tasks(split.fold))
        searched = self.searched(split)
        if searched is None and self._kept is None:
            return table
        hidden = table.trials["config_id"].isin(list(searched or ()))
        shown = True if self._kept is None else table.trials["config_id"].isin(list(self._kept))
        trials = table.trials[~hidden & shown].reset_index(drop=True)
        return MetaDataset(trials, table.tasks, table.space, {**table.meta, **counts(trials, table.tasks)})

    def _draw_halves(self, halving: int) -> tuple[frozenset[str], ...]:
        order = np.random.default_rng([self._settings.seed, halving]).permutation(len(self._ids))
        return tuple(frozenset(self._ids[part].tolist()) for part in np.array_split(order, 2))

    def _named(self, key: str, names: Sequence[int | str] | None) -> tuple[str, ...]:
        if names is None:
            return tuple(self._all)
        unknown = [name for name in names if str(name) not in self._all]
        if unknown or not names:
            raise ValueError(
                f"`{key}` is {list(names)}, but the folds by `folds: {self._settings.folds}` are "
                f"{', '.join(self._all)}. Name some of these in `{key}`, or leave it out for all."
            )
        return tuple(dict.fromkeys(str(name) for name in names))


def _share_of(table: MetaDataset, settings: ReplaySettings) -> frozenset[str] | None:
    """The configurations of which trials are learned from; of a larger share the same and more; none if all are."""
    if settings.configuration_share == 1.0:
        return None
    ids = sorted(set(table.trials["config_id"]))
    order = np.random.default_rng(settings.seed).permutation(len(ids))
    return frozenset(ids[i] for i in order[: max(1, round(settings.configuration_share * len(ids)))])


def without_test(table: MetaDataset, cost: str) -> MetaDataset:
    """What methods may see: nothing measured on test splits, and as seconds the cost that a replay pays.

    Args:
        table: The whole meta-dataset.
        cost: Column of the cost that is paid.
    """
    kept = table.trials.drop(columns=[c for c in table.trials.columns if c.startswith(TEST)])
    seen = kept.assign(cost_s=kept["cost_cpu_s"]) if cost == "cost_cpu_s" else kept
    return MetaDataset(seen, table.tasks, table.space, table.meta)
