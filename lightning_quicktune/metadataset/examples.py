"""Learning curves -> supervised points: given a configuration and its curve so far, the score at a later fidelity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lightning_quicktune.metadataset.latent import to_latent
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


@dataclass(frozen=True)
class Layout:
    """Which columns of a point's input hold what.

    In this order: the encoded configuration; the task's features; latent scores seen so far, 0 where none; a mask of
    1 where one was seen; slices seen and slices at the target, each as a share of the task's ``max_fidelity``.

    Args:
        n_configuration: Columns of an encoded configuration.
        meta_features: Names of the meta-features among the task's features.
        max_fidelity: Longest learning curve, in slices.
    """

    n_configuration: int
    meta_features: tuple[str, ...]
    max_fidelity: int

    @property
    def n_task(self) -> int:
        """Columns of a task's features: the meta-features, the base model's size and the records of a slice."""
        return len(self.meta_features) + 2

    @property
    def widths(self) -> tuple[int, int, int, int, int]:
        """Columns of the configuration, the task, the curve, its mask and the fidelities."""
        return self.n_configuration, self.n_task, self.max_fidelity, self.max_fidelity, 2

    @property
    def width(self) -> int:
        """Columns of the whole input."""
        return sum(self.widths)

    def task_features(self, task: TaskInfo) -> Float[np.ndarray, " M"]:
        """What the surrogates know of a task.

        Args:
            task: Record of the task.

        Raises:
            ValueError: If the task lacks a meta-feature.
        """
        missing = [n for n in self.meta_features if not math.isfinite(task.meta_features.get(n, math.nan))]
        if missing:
            raise ValueError(
                f"Task {task.name!r} lacks the meta-features {', '.join(missing)}, which the surrogate learns from. "
                "Compute them for this task as for the others, or train the surrogate without them: "
                "`data.init_args.meta_features` lists the ones it uses."
            )
        sizes = [math.log(task.base_model.n_parameters), math.log(task.records_per_slice)]
        return np.array([*(task.meta_features[n] for n in self.meta_features), *sizes])

    def inputs(
        self,
        task: TaskInfo,
        encoded: Float[np.ndarray, "N D"],
        latents: Float[np.ndarray, "N L"],
        seen: Int[np.ndarray, " N"],
        targets: Int[np.ndarray, " N"],
    ) -> Float[np.ndarray, "N W"]:
        """Puts the inputs of points of one task together.

        Args:
            task: Record of the task.
            encoded: Encoded configuration of each point.
            latents: Latent learning curve of each point; what lies beyond ``seen`` is not used.
            seen: Slices of the curve that are known, from 0.
            targets: Fidelity to predict, from 1.

        Raises:
            ValueError: If the task has longer learning curves than the surrogate.
        """
        if task.max_fidelity > self.max_fidelity:
            raise ValueError(
                f"Task {task.name!r} has learning curves of {task.max_fidelity} slices, but the surrogate knows "
                f"{self.max_fidelity} at most. Lower the task's `max_fidelity`, or train the surrogate on longer ones."
            )
        padded = np.pad(latents, ((0, 0), (0, self.max_fidelity - latents.shape[1])))
        mask = (np.arange(self.max_fidelity) < seen[:, None]).astype(np.float64)
        features = np.broadcast_to(self.task_features(task), (len(encoded), self.n_task))
        fidelities = np.stack([seen, targets], axis=1) / task.max_fidelity
        return np.concatenate([encoded, features, np.where(mask > 0, padded, 0.0), mask, fidelities], axis=1)


@dataclass(frozen=True, eq=False)
class TaskCurves:
    """All trials of one task as arrays.

    Args:
        task: Record of the task.
        configurations: Configuration of each trial with a slice.
        encoded: The same, encoded, shape ``(N, D)``.
        latents: Latent scores, 0 beyond the curve's end, shape ``(N, F)``.
        lengths: Slices of each curve, at least 1, shape ``(N,)``.
        log_costs: As in ``Examples``, shape ``(N,)``.
    """

    task: TaskInfo
    configurations: tuple[Configuration, ...]
    encoded: Float[np.ndarray, "N D"]
    latents: Float[np.ndarray, "N F"]
    lengths: Int[np.ndarray, " N"]
    log_costs: Float[np.ndarray, " N"]

    def examples(self, points: Sequence[Point], layout: Layout) -> Examples:
        """Gathers supervised points.

        Args:
            points: Which ones.
            layout: How to lay out their inputs.
        """
        trial, seen, target = np.array(points, dtype=np.int64).reshape(-1, 3).T
        inputs = layout.inputs(self.task, self.encoded[trial], self.latents[trial], seen, target)
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

    A trial that diverged did worse than any score says, so one slice is added to its curve with the lowest latent
    score of its task, 0 (the untrained model's) at most where the zero-shot score is known. Trials without any slice
    are left out.

    Args:
        table: The meta-dataset.
        names: Names of the tasks.

    Raises:
        ValueError: If a task has no trial with a score.
    """
    by_task: dict[str, list[CurveRow]] = {name: [] for name in names}
    for row in table.curves(names):
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
        (np.append(latent, lowest) if row.failure == "diverged" else latent)[: info.max_fidelity]
        for row, latent in zip(rows, scored, strict=True)
    ]
    kept = [(row, curve) for row, curve in zip(rows, curves, strict=True) if len(curve)]
    if not kept:
        raise ValueError(
            f"Task {name!r} has no trial with a score, so there is nothing to learn from it. "
            "Go on with `lightning-quicktune collect`, or leave the task out of the meta-dataset."
        )
    latents = np.zeros((len(kept), info.max_fidelity))
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
        log_costs=np.array(costs),
    )
