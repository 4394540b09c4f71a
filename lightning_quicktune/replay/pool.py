"""The pool of one task: what was recorded on it, and what searches are replayed on."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lightning_quicktune.metadataset.outcome import ENDED
from lightning_quicktune.metadataset.table import CurveRow, MetaDataset
from lightning_quicktune.replay.recorded import PaidOverheads, Recorded, costs_of, recorded
from lightning_quicktune.replay.settings import CostName
from lightning_quicktune.types import Configuration, TaskInfo

NOISE = 3.0  # seed standard deviations that search must be able to gain


@dataclass(frozen=True, eq=False)
class TaskPool:
    """The recorded trials of one task that can be replayed, and what regret is measured by.

    Args:
        task: Record of the task.
        trials: Trials of each configuration, by its id; the default configuration is the first where it was recorded.
        cost: Recorded cost that is paid.
        best: Best score at any fidelity.
        median_final: Median score at the end of the own training, of the trials that reached it; not a number if none
            did.
        seed_std: Standard deviation of a final score between seeds of a configuration; 0 if each has one seed.
        full_training_s: Median cost of a full training; those of one task may differ in length.
        start_score: Score before any slice: of the untrained base model, or the lowest recorded one if unknown.
        overheads: What starting and resuming a trial cost.
    """

    task: TaskInfo
    trials: Mapping[str, tuple[CurveRow, ...]]
    cost: CostName
    best: float
    median_final: float
    seed_std: float
    full_training_s: float
    start_score: float
    overheads: PaidOverheads

    @property
    def is_telling(self) -> bool:
        """Whether search can gain more here than the noise between seeds; not so where all scores are equal."""
        return self.best - self.median_final > NOISE * self.seed_std

    @cached_property
    def configurations(self) -> tuple[Configuration, ...]:
        """All configurations of the pool."""
        return tuple(rows[0].configuration for rows in self.trials.values())

    @cached_property
    def recorded(self) -> Mapping[str, tuple[Recorded, ...]]:
        """The same trials, ready to be replayed."""
        return {config_id: tuple(recorded(r, self.cost) for r in rows) for config_id, rows in self.trials.items()}

    def draw(self, seed: int) -> dict[str, Recorded]:
        """One recorded trial of each configuration, by its id.

        Args:
            seed: Decides which, where there are several.
        """
        places = np.random.default_rng(seed).integers([len(rows) for rows in self.recorded.values()]).tolist()
        return {config_id: rows[i] for (config_id, rows), i in zip(self.recorded.items(), places, strict=True)}

    def reference_step_s(self) -> float:
        """Median seconds of the reference step where the trials ran; not a number if unknown."""
        known = [row.reference_step_s for rows in self.trials.values() for row in rows]
        return _median([s for s in known if math.isfinite(s)])


def task_pool(table: MetaDataset, name: str, cost: CostName) -> TaskPool:
    """Gathers what can be replayed of one task: trials to the end of their own training, or that failed on their way.

    Args:
        table: The meta-dataset.
        name: Name of the task.
        cost: Recorded cost that is paid.

    Raises:
        ValueError: If a full training has no recorded cost.
    """
    task = table.task_info(name)
    rows = [_own_training(row) for row in table.curves([name]) if row.outcome in ENDED]
    columns = {key: _recorded_median(table, name, key) for key in ("start_s", "resume_s")}
    return _pool(task, rows, table.space.default.id, cost, PaidOverheads(**columns))


def part_of(pool: TaskPool, config_ids: Collection[str] | None) -> TaskPool:
    """The pool of some of a task's configurations, with measures of regret of its own.

    Args:
        pool: The pool of the whole task.
        config_ids: Ids of the configurations to keep; none to keep all.
    """
    if config_ids is None:
        return pool
    kept = {config_id: rows for config_id, rows in pool.trials.items() if config_id in config_ids}
    part = _pool(pool.task, [r for rows in kept.values() for r in rows], "", pool.cost, pool.overheads)
    return replace(part, trials=kept)


def with_shuffled_configurations(pool: TaskPool, seed: int) -> TaskPool:
    """The pool where each configuration has the trials of another one; its measures of regret stay.

    Args:
        pool: The pool of the whole task.
        seed: Decides which.
    """
    ids = list(pool.trials)
    others = [ids[place] for place in np.random.default_rng(seed).permutation(len(ids)).tolist()]
    own = {config_id: rows[0].configuration for config_id, rows in pool.trials.items()}
    trials = {
        config_id: tuple(replace(row, configuration=own[config_id]) for row in pool.trials[other])
        for config_id, other in zip(ids, others, strict=True)
    }
    return replace(pool, trials=trials)


def _pool(
    task: TaskInfo, rows: Sequence[CurveRow], default_id: str, cost: CostName, overheads: PaidOverheads
) -> TaskPool:
    ids = [row.configuration.id for row in rows]
    final = {(i, r.seed): r.final for i, r in zip(ids, rows, strict=True) if not math.isnan(r.final)}
    scores = [score for row in rows for score in row.scores]
    return TaskPool(
        task=task,
        trials=_by_configuration(ids, rows, default_id),
        cost=cost,
        best=max(scores, default=math.nan),
        median_final=_median(list(final.values())),
        seed_std=_seed_std(final),
        full_training_s=_full_training_s(rows, task.name, cost),
        start_score=task.zero_shot_score if math.isfinite(task.zero_shot_score) else min(scores, default=math.nan),
        overheads=overheads,
    )


def _recorded_median(table: MetaDataset, name: str, column: str) -> float:
    trials = table.trials[table.trials["task"] == name].drop_duplicates(["config_id", "seed"])
    return _median([s for s in trials[column].tolist() if s > 0] or [0.0])


def _own_training(row: CurveRow) -> CurveRow:
    """A trial without what was recorded after the end of its own training, which no search reaches."""
    n = row.max_fidelity
    if row.fidelity <= n:
        return row
    return replace(row, scores=row.scores[:n], costs_s=row.costs_s[:n], costs_cpu_s=row.costs_cpu_s[:n])


def _by_configuration(ids: Sequence[str], rows: Sequence[CurveRow], default_id: str) -> dict[str, tuple[CurveRow, ...]]:
    found: dict[str, tuple[CurveRow, ...]] = {default_id: ()}
    for config_id, row in zip(ids, rows, strict=True):
        found[config_id] = (*found.get(config_id, ()), row)
    return {config_id: trials for config_id, trials in found.items() if trials}


def _seed_std(final: Mapping[tuple[str, int], float]) -> float:
    by_configuration: dict[str, list[float]] = {}
    for (config_id, _), score in final.items():
        by_configuration.setdefault(config_id, []).append(score)
    variances = [np.var(scores, ddof=1) for scores in by_configuration.values() if len(scores) > 1]
    return math.sqrt(float(np.mean(variances))) if variances else 0.0


def _full_training_s(rows: Sequence[CurveRow], task: str, cost: CostName) -> float:
    costs = [sum(costs_of(row, cost)) for row in rows if row.outcome == "full"]
    middle = _median(costs)
    if costs and not (middle > 0 and math.isfinite(middle)):
        raise ValueError(
            f"A full training of task {task!r} costs {middle} by `{cost}`, but budgets are counted in full "
            "trainings, so their cost must be recorded. Set `cost: slices`, which counts slices instead of seconds, or "
            "leave the task out of the meta-dataset."
        )
    unpaid = sum(not math.isfinite(sum(costs_of(row, cost))) for row in rows)
    if unpaid:
        raise ValueError(
            f"{unpaid} of {len(rows)} trials of task {task!r} lack a `{cost}`, so a replay of them has no end in "
            "time. Set `cost: slices`, which counts slices instead of seconds, or leave these trials out of the "
            "meta-dataset."
        )
    return middle


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if len(values) else math.nan
