"""The layout of a supervised point of the surrogates as one row of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.types import TaskInfo


@dataclass(frozen=True)
class Layout:
    """Which columns of a point's input hold what.

    In this order: the encoded configuration; the task's features; latent scores seen so far, 0 where none; a mask of
    1 where one was seen; slices seen and slices at the target, each as a share of the trial's own full training.

    Curves of trainings of different lengths are compared by share as well: a place of the curve holds the last score at
    or before its share of the trial's own full training. Where the training is the longest there is, these are its
    slices.

    Args:
        n_configuration: Columns of an encoded configuration.
        meta_features: Names of the meta-features among the task's features.
        max_fidelity: Longest learning curve, in slices.
        medians: What stands in for a meta-feature that a task lacks: its median over the training tasks.
        by_training: Whether the last of a task's features is the length of its full training, which tells tasks of one
            dataset apart; else the records of a slice, as in surrogates that are older.
    """

    n_configuration: int
    meta_features: tuple[str, ...]
    max_fidelity: int
    medians: Mapping[str, float] = field(default_factory=dict)
    by_training: bool = False

    @property
    def n_task(self) -> int:
        """Columns of a task's features: the meta-features, the base model's size and the records that it trains on."""
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
        """What the surrogates know of a task; ``medians`` stand in for what is not known of this one.

        Args:
            task: Record of the task.

        Raises:
            ValueError: If the task has none of the meta-features.
        """
        known = {n: task.meta_features[n] for n in self.meta_features if is_known(task, n)}
        if self.meta_features and not known:
            raise ValueError(
                f"Task {task.name!r} has none of the meta-features {', '.join(self.meta_features)}, which the "
                "surrogate goes by, so it can't be told from other tasks. Compute some for this task as for the "
                "others, or train the surrogate without: `data.init_args.meta_features: []`."
            )
        records = task.training_records if self.by_training else task.records_per_slice
        sizes = [math.log(task.base_model.n_parameters), math.log(records)]
        return np.array([*(known[n] if n in known else self.medians[n] for n in self.meta_features), *sizes])

    def inputs(
        self,
        task: TaskInfo,
        encoded: Float[np.ndarray, "N D"],
        latents: Float[np.ndarray, "N L"],
        seen: Int[np.ndarray, " N"],
        targets: Int[np.ndarray, " N"],
        lengths: Int[np.ndarray, " N"] | None = None,
    ) -> Float[np.ndarray, "N W"]:
        """Puts the inputs of points of one task together.

        Args:
            task: Record of the task.
            encoded: Encoded configuration of each point.
            latents: Latent learning curve of each point; what lies beyond ``seen`` is not used.
            seen: Slices of the curve that are known, from 0.
            targets: Fidelity to predict, from 1.
            lengths: Slices of each point's own full training; the task's ``max_fidelity`` if not given.

        Raises:
            ValueError: If a training is longer than the surrogate knows.
        """
        own = np.full(len(encoded), task.max_fidelity) if lengths is None else lengths
        if own.max(initial=0) > self.max_fidelity:
            raise ValueError(
                f"Task {task.name!r} has learning curves of {own.max()} slices, but the surrogate knows "
                f"{self.max_fidelity} at most. Lower the task's `max_fidelity`, or train the surrogate on longer ones."
            )
        slices = np.arange(1, self.max_fidelity + 1) * own[:, None] // self.max_fidelity  # at or before each share
        mask = (slices >= 1) & (slices <= seen[:, None])
        curves = np.take_along_axis(latents, np.clip(slices - 1, 0, latents.shape[1] - 1), axis=1)
        features = np.broadcast_to(self.task_features(task), (len(encoded), self.n_task))
        fidelities = np.stack([seen, targets], axis=1) / own[:, None]
        parts = [encoded, features, np.where(mask, curves, 0.0), mask.astype(np.float64), fidelities]
        return np.concatenate(parts, axis=1)


def is_known(task: TaskInfo, name: str) -> bool:
    """Whether a task has a meta-feature.

    Args:
        task: Record of the task.
        name: Name of the meta-feature.
    """
    return math.isfinite(task.meta_features.get(name, math.nan))


def undescribed(table: MetaDataset) -> frozenset[str]:
    """Names of the tasks without any meta-feature, where others have some: surrogates can't tell them apart.

    Args:
        table: The meta-dataset.
    """
    lacking = frozenset(name for name in table.task_names if not table.task_info(name).meta_features)
    return lacking if len(lacking) < len(table.task_names) else frozenset()
