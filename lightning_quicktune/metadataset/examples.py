"""Learning curves -> supervised points: given a configuration and its curve so far, the score at a later fidelity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lightning_quicktune.metadataset.latent import to_latent
from lightning_quicktune.metadataset.layout import Layout
from lightning_quicktune.metadataset.table import CurveRow, MetaDataset
from lightning_quicktune.types import Configuration, TaskInfo


class Point(NamedTuple):
    """Indices of one supervised point: trial, slices seen, slices at the target."""

    trial: int
    seen: int
    target: int


class Examples(NamedTuple):
    """Supervised points as arrays.

    Args:
        inputs: One row per point, laid out as ``Layout`` says, shape ``(N, layout.width)``.
        latent: Latent score at the target fidelity, shape ``(N,)``.
        log_cost: Logarithm of the trial's mean seconds per slice, in reference steps per record; not a number where
            unknown; shape ``(N,)``.
    """

    inputs: Float[np.ndarray, "N W"]
    latent: Float[np.ndarray, " N"]
    log_cost: Float[np.ndarray, " N"]


@dataclass(frozen=True, eq=False)
class TaskCurves:
    """All trials of one task as arrays.

    Args:
        task: Record of the task.
        configurations: Configuration of each trial with a slice.
        encoded: The same, encoded, shape ``(N, D)``.
        latents: Latent scores, 0 beyond the curve's end, shape ``(N, F)``.
        lengths: Slices of each curve, at least 1, shape ``(N,)``.
        max_fidelities: Slices of each trial's own full training, shape ``(N,)``.
        log_costs: As in ``Examples``, shape ``(N,)``.
    """

    task: TaskInfo
    configurations: tuple[Configuration, ...]
    encoded: Float[np.ndarray, "N D"]
    latents: Float[np.ndarray, "N F"]
    lengths: Int[np.ndarray, " N"]
    max_fidelities: Int[np.ndarray, " N"]
    log_costs: Float[np.ndarray, " N"]

    def examples(self, points: Sequence[Point], layout: Layout) -> Examples:
        """Gathers supervised points.

        Args:
            points: Which ones.
            layout: How to lay out their inputs.
        """
        trial, seen, target = np.array(points, dtype=np.int64).reshape(-1, 3).T
        own = self.max_fidelities[trial]
        inputs = layout.inputs(self.task, self.encoded[trial], self.latents[trial], seen, target, own)
        return Examples(inputs, self.latents[trial, target - 1], self.log_costs[trial])

    def draw(self, n: int, generator: np.random.Generator) -> list[Point]:
        """Draws random points, so that each question a search asks is met.

        A trial is drawn; then the slices seen, none of them in a third of the draws (the first choice is made without
        a curve); then the target: the next slice, the last one or any between, a third each.

        Args:
            n: How many.
            generator: Source of the draws.
        """
        trials = generator.integers(len(self.lengths), size=n)
        last = self.lengths[trials]
        seen = np.where(generator.random(n) < 1 / 3, 0, generator.integers(0, last))
        kind, between = generator.integers(3, size=n), generator.integers(seen + 1, last + 1)
        targets = np.choose(kind, [seen + 1, last, between])
        return [Point(*map(int, point)) for point in zip(trials, seen, targets, strict=True)]

    def first_to_last(self) -> list[Point]:
        """For each trial the question before it starts: the score at the end of its curve."""
        return [Point(i, 0, int(length)) for i, length in enumerate(self.lengths)]


def task_curves(table: MetaDataset, names: Sequence[str]) -> list[TaskCurves]:
    """Turns the trials of some tasks into arrays.

    A trial that failed did worse than any score says, so one slice is added to its curve with the lowest latent score
    of its task, 0 (the untrained model's) at most where the zero-shot score is known. What a searcher stopped counts as
    far as it went. Left out are trials that an error interrupted, and those without any slice.

    Args:
        table: The meta-dataset.
        names: Names of the tasks.

    Raises:
        ValueError: If a task has no trial with a score.
    """
    by_task: dict[str, list[CurveRow]] = {name: [] for name in names}
    for row in table.curves(names):
        if row.outcome != "interrupted":
            by_task[row.task].append(row)
    return [_task_curves(table, name, rows) for name, rows in by_task.items()]


def log_relative_cost(cost_s: float, reference_step_s: float, records_per_slice: int) -> float:
    """Logarithm of a slice's seconds per record, in reference steps: comparable across machines and tasks.

    Args:
        cost_s: Seconds of one slice.
        reference_step_s: Seconds of the reference step on the same device.
        records_per_slice: Training records of one slice.

    Returns:
        The logarithm, or not a number where cost or reference step are unknown.
    """
    if not (cost_s > 0 and reference_step_s > 0 and math.isfinite(cost_s)):
        return math.nan
    return math.log(cost_s / reference_step_s / records_per_slice)


def _task_curves(table: MetaDataset, name: str, rows: list[CurveRow]) -> TaskCurves:
    info = table.task_info(name)
    scored = [to_latent(np.array(row.scores), info.zero_shot_score) for row in rows]
    known = [0.0] if math.isfinite(info.zero_shot_score) or not any(map(len, scored)) else []
    lowest = min([*known, *(float(latent.min()) for latent in scored if len(latent))])
    curves = [
        (np.append(latent, lowest) if row.outcome == "failed" else latent)[: row.max_fidelity]
        for row, latent in zip(rows, scored, strict=True)
    ]
    kept = [(row, curve) for row, curve in zip(rows, curves, strict=True) if len(curve)]
    if not kept:
        raise ValueError(
            f"Task {name!r} has no trial with a score, so there is nothing to learn from it. "
            "Go on with `lightning-quicktune collect`, or leave the task out of the meta-dataset."
        )
    latents = np.zeros((len(kept), max(row.max_fidelity for row, _ in kept)))
    for i, (_, curve) in enumerate(kept):
        latents[i, : len(curve)] = curve
    costs = [
        log_relative_cost(
            float(np.mean(r.costs_s)) if r.costs_s else math.nan, r.reference_step_s, info.records_per_slice
        )
        for r, _ in kept
    ]
    configurations = tuple(row.configuration for row, _ in kept)
    return TaskCurves(
        task=info,
        configurations=configurations,
        encoded=table.space.encode(configurations),
        latents=latents,
        lengths=np.array([len(curve) for _, curve in kept], dtype=np.int64),
        max_fidelities=np.array([row.max_fidelity for row, _ in kept], dtype=np.int64),
        log_costs=np.array(costs),
    )
