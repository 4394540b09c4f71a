"""The plan of an evaluation: which replays it consists of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from lightning_quicktune.metadataset.layout import undescribed
from lightning_quicktune.replay.methods import Method
from lightning_quicktune.replay.pool import TaskPool
from lightning_quicktune.replay.results import Replayed, ReplayKey, ReplayStore
from lightning_quicktune.replay.splits import Split
from lightning_quicktune.replay.workplace import LearnJob, ReplayJob, Workplace


class Plan:
    """All replays of an evaluation: each method on each telling task of the replayed folds, with each seed.

    Args:
        place: Meta-dataset and settings.

    Raises:
        ValueError: If no task tells methods apart, or the default configuration is to be replayed and was recorded on
            none.
    """

    def __init__(self, place: Workplace) -> None:
        self._place, self._settings, self._divider = place, place.settings, place.divider
        self._seeds = range(self._settings.seed, self._settings.seed + self._settings.n_seeds)
        self.left_out: dict[str, str] = {}
        names = sorted({name for fold in self._divider.test_folds for name in self._divider.held_out(fold)})
        described = [method.shown for method in self._settings.entries if method.lesson == "surrogates"]
        unknown = undescribed(place.table) if described else ()
        for name in names:
            poor = next((pool for pool in self._pools(name) if not pool.is_telling), None)
            if poor is not None:
                self.left_out[name] = _reason(poor)
            elif name in unknown:
                self.left_out[name] = f"it has none of the meta-features, by which {described[0]} goes"
        self.tasks = [name for name in names if name not in self.left_out]
        if not self.tasks:
            raise ValueError(
                f"None of the {len(names)} tasks of {self._settings.meta_dataset} tells search methods apart: "
                f"{'; '.join(f'{name}: {reason}' for name, reason in self.left_out.items())}. "
                "Collect more configurations, up to full trainings."
            )
        self._leave_out_without_default()
        replayed = [f for f in self._divider.test_folds if set(self._divider.held_out(f)) & set(self.tasks)]
        held_out = [fold for fold in replayed if fold not in self._divider.development_folds]
        self.compared_folds = tuple(held_out or replayed)
        self.development_folds = tuple(fold for fold in replayed if fold not in self.compared_folds)
        self._wanted = list(self._keys())

    def missing(self, store: ReplayStore) -> tuple[list[LearnJob], list[ReplayJob]]:
        """What must be learned, and then replayed, for the store to be complete."""
        seeds: dict[tuple[Split, Method, str], list[int]] = {}
        for method, key in self._wanted:
            if store.find(key, self._horizon_s(key.task, key.split)) is None:
                seeds.setdefault((key.split, method, key.task), []).append(key.seed)
        jobs = [
            ReplayJob(split, method, task, tuple(own), self._horizon_s(task, split))
            for (split, method, task), own in seeds.items()
        ]
        lessons = {(job.split, lesson) for job in jobs if (lesson := job.method.lesson) is not None}
        return [LearnJob(split, lesson) for split, lesson in sorted(lessons)], jobs

    def replays(self, store: ReplayStore) -> list[Replayed]:
        """All of them from a complete store, in the order of settings, folds and methods, which go by their labels."""
        found = [(m, store.find(key, self._horizon_s(key.task, key.split))) for m, key in self._wanted]
        return [replace(each, key=replace(each.key, method=m.shown)) for m, each in found if each is not None]

    def _keys(self) -> Iterator[tuple[Method, ReplayKey]]:
        """Replays of one split follow each other, so that a process needs few training tables at a time."""
        settings = self._settings
        seeds: dict[Split, list[int]] = {}
        for setting in settings.setting_names:
            for fold in self._divider.test_folds:
                for seed in self._seeds:
                    seeds.setdefault(self._divider.split(setting, fold, seed), []).append(seed)
        for split, own in seeds.items():
            for method in settings.entries:
                for task in (task for task in self._divider.held_out(split.fold) if task in self.tasks):
                    yield from ((method, ReplayKey(split, method.key, task, seed)) for seed in own)

    def _pools(self, task: str) -> list[TaskPool]:
        """The whole pool of a task, and each part of it that is searched."""
        settings = self._settings
        splits = {self._divider.split(setting, "", seed) for setting in settings.setting_names for seed in self._seeds}
        return [self._place.whole_pool(task), *(self._place.pool(task, split) for split in sorted(splits))]

    def _leave_out_without_default(self) -> None:
        """Leaves out tasks on which the default configuration wasn't recorded, where a method replays it."""
        needing = next((m.key for m in self._settings.entries if m.name == "default" or m.default_first), None)
        default = self._place.table.space.default.id
        lacking = [name for name in self.tasks if default not in self._place.whole_pool(name).trials]
        if needing is None or not lacking:
            return
        if len(lacking) == len(self.tasks):
            raise ValueError(
                f"`methods` has `{needing}`, but the default configuration ({default}) was not recorded on "
                f"{len(lacking)} tasks ({', '.join(lacking[:5])}), so it can't be replayed there. Take `{needing}` out "
                "of `methods`, or collect its trials."
            )
        self.left_out |= dict.fromkeys(lacking, f"the default configuration, by which {needing} goes, has no trial")
        self.tasks = [name for name in self.tasks if name not in lacking]

    def _horizon_s(self, task: str, split: Split) -> float:
        pool = self._place.pool(task, split)
        return max([self._settings.budgets[-1] * pool.full_training_s, *self._settings.budgets_s])


def _reason(pool: TaskPool) -> str:
    if not np.isfinite(pool.median_final):
        return "no trial reached a full training"
    gain = pool.best - pool.median_final
    return f"best and median score differ by {gain:.3g}, not more than the noise between seeds ({pool.seed_std:.3g})"
