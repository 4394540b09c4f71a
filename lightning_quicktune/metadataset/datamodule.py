"""Batches of supervised points for the surrogates, split by task."""

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler

from lightning_quicktune.metadataset.examples import Examples, TaskCurves, task_curves
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.metadataset.layout import Layout, is_known
from lightning_quicktune.metadataset.merge import merged
from lightning_quicktune.metadataset.splits import holdout
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import TaskInfo

log = logging.getLogger(__name__)
Batch = dict[str, Tensor]


class MetaDatasetModule(LightningDataModule):
    """Feeds the surrogates with the trials of a meta-dataset, some of whose tasks are held out for validation.

    Args:
        source: Folder of the meta-dataset, or the URI of an MLflow artifact such as ``runs:/ID/meta_dataset``; or
            several, of one search space, metric and version of labels, which are learned from as one.
        validation_fraction: Share of the tasks to hold out; at least one is, and at least one is left.
        leave_out: Tasks or datasets of which nothing is used, such as those that the surrogates are to be tested on;
            a task that is left out takes all lengths of its dataset with it.
        meta_features: Names of the meta-features to use; all of them if not given, none if empty. For a task that lacks
            one, its median over the training tasks stands in.
        query_size: Points of the one task that a training step predicts.
        support_size: Points of the other tasks that it predicts from.
        steps_per_epoch: Training steps between two validations.
        seed: Decides which tasks are held out, and which points a validation asks for.

    Batch:
        query_inputs: Points of one task, laid out as ``Layout`` says, shape ``(N, W)``, float64.
        query_latent: Their latent scores, shape ``(N,)``.
        query_log_cost: Their logarithmic costs, not a number where unknown, shape ``(N,)``.
        support_inputs, support_latent, support_log_cost: The same of training tasks of other datasets (of the same one
            if there is only one).
        first_inputs, first_latent: In validation only: the last score of each trial of the task, asked before it
            starts.
    """

    def __init__(
        self,
        source: list[str] | str,
        validation_fraction: float = 0.2,
        meta_features: list[str] | None = None,
        query_size: int = 64,
        support_size: int = 256,
        steps_per_epoch: int = 100,
        seed: int = 0,
        leave_out: list[str] | None = None,
    ) -> None:
        super().__init__()
        self.sources = [source] if isinstance(source, str) else source
        if not self.sources:
            raise ValueError(
                "`data.init_args.source` is an empty list. Name one meta-dataset, or several of one search space."
            )
        self.leave_out = leave_out or []
        self.validation_fraction = validation_fraction
        self.meta_features = meta_features
        self.query_size = query_size
        self.support_size = support_size
        self.steps_per_epoch = steps_per_epoch
        self.seed = seed
        self.table: MetaDataset | None = None

    def setup(self, stage: str) -> None:
        """Reads the meta-dataset, checks that one surrogate can serve all its tasks, and holds some of them out."""
        if self.table is not None:
            return
        table = _without(merged([load(source) for source in self.sources], self.sources), self.leave_out)
        _check_same_metric(table)
        training, validation = holdout(table.datasets, self.validation_fraction, self.seed)
        self.training = task_curves(table, training)
        self.validation = task_curves(table, validation)
        self.layout = _layout(table, [curves.task for curves in self.training], self.meta_features)
        for curves in (*self.training, *self.validation):
            self.layout.task_features(curves.task)  # complains of a task without any before anything trains
        self.table = table

    @property
    def space(self) -> SearchSpace:
        """The search space of the meta-dataset."""
        assert self.table is not None  # after `setup`
        return self.table.space

    @property
    def meta(self) -> dict[str, Any]:
        """Origin, licence and counts of the meta-dataset."""
        assert self.table is not None  # after `setup`
        return self.table.meta

    def draw_support(self, n: int, seed: int) -> Examples:
        """Draws points of all tasks, the held-out ones included, in equal numbers: what a finished surrogate keeps.

        Args:
            n: How many points.
            seed: Seed of the draw.
        """
        return draw_evenly([*self.training, *self.validation], n, self.layout, np.random.default_rng(seed))

    def train_dataloader(self) -> DataLoader[Batch]:
        """One random training task per step."""
        episodes = Episodes(self.training, self.layout, self.query_size, self.support_size)
        sampler = RandomSampler(episodes, replacement=True, num_samples=self.steps_per_epoch)
        return DataLoader(episodes, batch_size=None, sampler=sampler)

    def val_dataloader(self) -> DataLoader[Batch]:
        """The same questions about each held-out task at every validation."""
        batches = [self._validation_batch(curves) for curves in self.validation]
        return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]  # a list is dataset enough

    def predict_dataloader(self) -> DataLoader[dict[str, str]]:
        """The name of each held-out task."""
        names = [{"task": curves.task.name} for curves in self.validation]
        return DataLoader(names, batch_size=None)  # type: ignore[arg-type]  # a list is dataset enough

    def _validation_batch(self, curves: TaskCurves) -> Batch:
        generator = np.random.default_rng(self.seed)
        support = draw_evenly(self.training, self.support_size, self.layout, generator)
        query = curves.examples(curves.draw(4 * self.query_size, generator), self.layout)
        first = curves.examples(curves.first_to_last(), self.layout)
        return {**tensors("query", query), **tensors("support", support), **tensors("first", first)}


class Episodes(Dataset[Batch]):
    """Training steps without end: the index is the seed of a step.

    Args:
        tasks: Training tasks.
        layout: How inputs are laid out.
        query_size: Points of the task that a step predicts.
        support_size: Points of the other tasks that it predicts from.
    """

    def __init__(self, tasks: Sequence[TaskCurves], layout: Layout, query_size: int, support_size: int) -> None:
        self.tasks = tasks
        self.layout = layout
        self.query_size = query_size
        self.support_size = support_size

    def __len__(self) -> int:
        """Number of different steps."""
        return 2**31

    def __getitem__(self, index: int) -> Batch:
        """One random task's points, and points of the tasks of other datasets."""
        generator = np.random.default_rng(index)
        chosen = int(generator.integers(len(self.tasks)))
        dataset = self.tasks[chosen].task.dataset
        others = [task for task in self.tasks if task.task.dataset != dataset] or list(self.tasks)
        query = self.tasks[chosen].examples(self.tasks[chosen].draw(self.query_size, generator), self.layout)
        support = draw_evenly(others, self.support_size, self.layout, generator)
        return {**tensors("query", query), **tensors("support", support)}


def draw_evenly(tasks: Sequence[TaskCurves], n: int, layout: Layout, generator: np.random.Generator) -> Examples:
    """Draws points of several tasks, equally many of each as far as the numbers go.

    Args:
        tasks: Tasks to draw from.
        n: Points in all.
        layout: How inputs are laid out.
        generator: Source of the draws.
    """
    shares = np.bincount(np.arange(n) % len(tasks), minlength=len(tasks))
    order = generator.permutation(len(tasks))  # when there are more tasks than points, random ones are left out
    parts = [tasks[i].examples(tasks[i].draw(int(k), generator), layout) for i, k in zip(order, shares, strict=True)]
    return Examples(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def tensors(prefix: str, examples: Examples) -> Batch:
    """Examples as named tensors of a batch.

    Args:
        prefix: What the names begin with.
        examples: The points.
    """
    return {f"{prefix}_{name}": torch.from_numpy(array) for name, array in examples._asdict().items()}


def _layout(table: MetaDataset, training: Sequence[TaskInfo], chosen: list[str] | None) -> Layout:
    infos = [table.task_info(name) for name in table.task_names]
    known = sorted({name for info in infos for name in info.meta_features})
    unknown = sorted(set(chosen or ()) - set(known))
    if unknown:
        raise ValueError(
            f"`data.init_args.meta_features` names {', '.join(unknown)}, but the meta-dataset has "
            f"{', '.join(known) or 'no meta-features'}. Correct the names, or leave the key out to use all."
        )
    wanted = known if chosen is None else sorted(set(chosen))
    medians = {name: median for name in wanted if math.isfinite(median := _median(training, name))}
    if len(medians) < len(wanted):
        lacking = ", ".join(name for name in wanted if name not in medians)
        log.warning("No training task has the meta-features %s, so nothing is learned from them.", lacking)
    return Layout(
        n_configuration=len(table.space.encoded_names),
        meta_features=tuple(medians),
        max_fidelity=int(max(table.trials["max_fidelity"].max(), table.tasks["max_fidelity"].max())),
        medians=medians,
        by_training=True,
    )


def _median(tasks: Sequence[TaskInfo], name: str) -> float:
    """Median of a meta-feature over the tasks that have it; not a number if none has."""
    values = [task.meta_features[name] for task in tasks if is_known(task, name)]
    return float(np.median(values)) if values else math.nan


def _without(table: MetaDataset, names: Sequence[str]) -> MetaDataset:
    datasets = table.datasets
    unknown = sorted(set(names) - datasets.keys() - set(datasets.values()))
    if unknown:
        raise ValueError(
            f"`data.init_args.leave_out` names {', '.join(unknown)}, but the tasks of the meta-dataset are "
            f"{', '.join(table.task_names)}. Correct the names, or take them out of the list."
        )
    gone = {datasets.get(name, name) for name in names}
    return table.select([name for name, dataset in datasets.items() if dataset not in gone])


def _check_same_metric(table: MetaDataset) -> None:
    metrics = sorted(set(table.tasks["metric"]))
    if len(metrics) > 1:
        raise ValueError(
            f"The tasks of the meta-dataset are scored by {', '.join(metrics)}, and one surrogate can't predict "
            "scores of different kinds. Build a meta-dataset of one metric, and train a surrogate on each."
        )
