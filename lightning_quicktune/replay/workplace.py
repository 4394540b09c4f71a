"""The workplace of one process that replays: what it needs, loaded once and kept between its jobs."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.metadataset.import_table import REFERENCE_STEP_S
from lightning_quicktune.metadataset.merge import merged
from lightning_quicktune.metadataset.speed import at_one_speed
from lightning_quicktune.replay.ablations import replayed_searcher
from lightning_quicktune.replay.calibration import Calibrated, calibrate
from lightning_quicktune.replay.code import replay_code
from lightning_quicktune.replay.costs import counted_in_slices, has_costs
from lightning_quicktune.replay.forecast import forecast_of
from lightning_quicktune.replay.lessons import Lessons
from lightning_quicktune.replay.observed import incumbents
from lightning_quicktune.replay.pool import TaskPool, part_of, task_pool, with_shuffled_configurations
from lightning_quicktune.replay.recorded import Recorded, lengths_of
from lightning_quicktune.replay.results import Replayed, ReplayKey, write_replays
from lightning_quicktune.replay.simulate import replay
from lightning_quicktune.replay.splits import Divider, Split, without_test
from lightning_quicktune.search.knowledge import SearchContext
from lightning_quicktune.search.left import Left
from lightning_quicktune.search.pool import shuffled
from lightning_quicktune.search.searcher import Guarded

if TYPE_CHECKING:
    from lightning_quicktune.metadataset.table import MetaDataset
    from lightning_quicktune.replay.methods import Lesson, Method
    from lightning_quicktune.replay.settings import ReplaySettings

log = logging.getLogger(__name__)

_POOLS = 64  # pools kept at a time: jobs come sorted by split
_TABLES = 2  # training tables kept at a time


@dataclass(frozen=True)
class LearnJob:
    """To learn from the training tasks of a split.

    Args:
        split: The division.
        lesson: What to learn.
    """

    split: Split
    lesson: Lesson


@dataclass(frozen=True)
class ReplayJob:
    """To replay a method on a task.

    Args:
        split: The division.
        method: The method.
        task: Name of the task.
        seeds: One replay each.
        horizon_s: Budget in simulated seconds.
    """

    split: Split
    method: Method
    task: str
    seeds: tuple[int, ...]
    horizon_s: float


class Workplace:
    """Loads the meta-dataset, builds pools and searchers, and does jobs; results go to disk.

    Args:
        settings: The evaluation.
    """

    def __init__(self, settings: ReplaySettings) -> None:
        table = load(settings.meta_dataset, with_test=True)
        self.lacks_costs = settings.cost != "slices" and not has_costs(table)
        if self.lacks_costs:
            log.warning(
                "%s has no costs, so a slice costs 1: `cost` is slices instead of %s.",
                settings.meta_dataset,
                settings.cost,
            )
            settings = replace(settings, cost="slices")
        self.settings = settings
        self.table = self._counted(table)
        taught = self._taught()
        self.visible = without_test(self.table if taught is None else taught, settings.cost)
        self.divider = Divider(self.table, settings, taught)
        self.output = Path(settings.output)
        self.whole_pool = lru_cache(maxsize=None)(self._whole_pool)
        self.pool = lru_cache(maxsize=_POOLS)(self._pool)
        self.lessons = lru_cache(maxsize=_TABLES)(self._lessons)
        self.codes = {method.key: replay_code(method) for method in settings.entries}

    @property
    def charges_thinking(self) -> bool:
        """Whether thinking is paid: as the settings say, else where the costs of the table are this package's own."""
        wanted = self.settings.charge_thinking
        if wanted is not None or self.settings.cost == "slices":
            return bool(wanted)
        return bool((self.table.trials["reference_step_s"].dropna() != REFERENCE_STEP_S).any())

    def _counted(self, table: MetaDataset) -> MetaDataset:
        if self.settings.cost == "slices":
            return counted_in_slices(table)
        return at_one_speed(table) if self.settings.cost == "reference" else table

    def _taught(self) -> MetaDataset | None:
        """The meta-datasets that are learned from, as one; none if it is the one that is replayed."""
        names = self.settings.learn_from
        taught = merged([self._counted(load(name)) for name in names], names) if names else None
        differing = taught.space.differences(self.table.space) if taught else []
        if differing:
            raise ValueError(
                f"`learn_from` is {names}, of another search space than {self.settings.meta_dataset} (first: what is "
                f"learned from, second: what is replayed): {'; '.join(differing)}. Name meta-datasets of its space."
            )
        return taught

    def do(self, job: LearnJob | ReplayJob) -> list[Replayed]:
        """Does a job; what comes of it is on disk on return.

        Raises:
            RuntimeError: If it fails.
        """
        try:
            if isinstance(job, LearnJob):
                self.lessons(job.split).learn(job.lesson)
                return []
            replays = [self._replay(job, seed) for seed in job.seeds]
        except Exception as error:
            raise RuntimeError(
                f"{job} failed: {type(error).__name__}: {error}. Everything that was finished before is kept: correct "
                "the cause, or take the method out of `methods`, then start the same command again."
            ) from error
        write_replays(self.output, self.codes[job.method.key], replays)
        return replays

    def _replay(self, job: ReplayJob, seed: int) -> Replayed:
        pool = self.pool(job.task, job.split)
        description_s = pool.task.meta_features_cost_s if job.method.describes_the_task else 0.0
        own_seed = _seed_of(seed, job.task)
        trials = pool.draw(own_seed)
        left = Left(usual_slice_s=pool.full_training_s / pool.task.max_fidelity)
        context = self._context(pool, job, own_seed, trials, left)
        searcher = replayed_searcher(job.method, context, trials)
        played = replay(
            searcher,
            pool,
            trials,
            job.horizon_s,
            self.charges_thinking,
            description_s,
            self.settings.at_once,
            left if self.settings.tells_budget else None,
        )
        key = ReplayKey(job.split, job.method.key, job.task, seed)
        calibration: tuple[Calibrated, ...] = ()
        moments = self.settings.calibration_budgets
        forecast = forecast_of(job.method, context) if moments else None
        if forecast is not None:
            calibration = calibrate(forecast, played.observed, pool, trials, moments)
        best = incumbents(played.observed)
        fell_back = searcher.verdict.is_unlike if isinstance(searcher, Guarded) else None
        return Replayed(key, job.horizon_s, best, played.thinking_s, played.n_suggestions, calibration, fell_back)

    def _context(
        self, pool: TaskPool, job: ReplayJob, seed: int, trials: Mapping[str, Recorded], left: Left
    ) -> SearchContext:
        return SearchContext(
            pool=shuffled(pool.configurations, seed),
            task=pool.task,
            space=self.table.space,
            reference_step_s=pool.reference_step_s(),
            seed=seed,
            knowledge=self.lessons(job.split).knowledge(job.method.lesson),
            lengths=lengths_of(pool.task, trials),
            left=left,
        )

    def _whole_pool(self, task: str) -> TaskPool:
        pool = task_pool(self.table, task, self.settings.cost)
        if not self.settings.shuffle_configurations:
            return pool
        return with_shuffled_configurations(pool, _seed_of(self.settings.seed, task))

    def _pool(self, task: str, split: Split) -> TaskPool:
        return part_of(self.whole_pool(task), self.divider.searched(split))

    def _lessons(self, split: Split) -> Lessons:
        table = self.divider.learned_table(self.visible, split)
        return Lessons(table, self.output / "lessons" / split.name, self.settings.surrogates, self.settings.seed)


def _seed_of(seed: int, task: str) -> int:
    """Another seed for each task, so that one lucky order doesn't count on all of them."""
    return int.from_bytes(hashlib.sha256(f"{seed} {task}".encode()).digest()[:4], "big")
