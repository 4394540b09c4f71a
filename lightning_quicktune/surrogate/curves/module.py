"""The training of the surrogate of learning curves."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from lightning import Callback, LightningModule
from torch import Tensor

from lightning_quicktune.metadataset.datamodule import Batch
from lightning_quicktune.metadataset.examples import TaskCurves
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.surrogate.artifact import read_curves, save_surrogate
from lightning_quicktune.surrogate.curves.cost_level import fit_cost_level
from lightning_quicktune.surrogate.curves.from_metadataset import prior_of, task_tables
from lightning_quicktune.surrogate.curves.learn import with_costs_of
from lightning_quicktune.surrogate.curves.model import CurveModel, predict_curves
from lightning_quicktune.surrogate.curves.prior import CurvePrior, PriorDraft, draft_curve_prior
from lightning_quicktune.surrogate.curves.variances import ITERATIONS
from lightning_quicktune.surrogate.fitting import data_of, make_card, rank_correlation, write_predictions
from lightning_quicktune.surrogate.threads import OneThread

STEPS = 3  # of training, each of several iterations


class CurveSurrogate(LightningModule):
    """Learns from the trials of earlier tasks a prior over the learning curves of a new one: a Gaussian process.

    What a step of training maximises is the likelihood of training tasks' curves, each given the others, over the
    variances of the process; everything else is fitted before the first step. What is validated was fitted to the
    training tasks; the finished surrogate, which ``fit`` writes to ``output``, to all tasks, so that nothing that was
    collected is wasted. ``validate`` and ``predict`` read it there.

    Args:
        output: Folder of the finished surrogate.
        seed: Decides which points the likelihood is evaluated on.
        costs_of: Meta-dataset of the same search space whose trials tell what a slice costs, in place of those that are
            learned from: of trials that were trained alone, where those were trained many at once.

    Batch:
        As in ``MetaDatasetModule``; the trials themselves come from its meta-dataset.
    """

    fit_metrics: ClassVar[frozenset[str]] = frozenset({"train/loss", "validation/loss", "validation/rank_correlation"})

    def __init__(self, output: str, seed: int = 0, costs_of: str | None = None) -> None:
        super().__init__()
        self.output = output
        self.seed = seed
        self.costs_of = costs_of
        self.model: CurveModel
        self.draft: PriorDraft
        self.predictions: list[pd.DataFrame] = []

    def setup(self, stage: str) -> None:
        """Learns all but the variances from the training tasks, or reads the finished surrogate."""
        if stage != "fit":
            self.model = read_curves(self.output)
            return
        data = data_of(self)
        assert data.table is not None  # after `setup` of the data
        table = data.table.select([t.task.name for t in data.training])
        self.draft = draft_curve_prior(task_tables(table), np.array(table.space.encoded_blocks), self.seed)
        self.likelihood = self.draft.likelihood

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Returns the negative log likelihood per point, in nats, without constant."""
        loss: Tensor = self.likelihood()
        self.log("train/loss", loss, batch_size=1, prog_bar=True)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Ends the training, with a validation, after the steps that it takes."""
        self.trainer.should_stop = self.trainer.should_stop or self.trainer.global_step >= STEPS

    def on_validation_start(self) -> None:
        """Takes in what was learned so far."""
        if self.trainer.state.fn == "fit":
            data = data_of(self)
            self.model = self._model(self.draft.finished(), data.training)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Logs how well the last scores of a held-out task are predicted before its first trial."""
        data = data_of(self)
        assert data.table is not None  # after `setup`
        trials = data.table.select([data.validation[batch_idx].task.name])
        if not any(row.outcome == "full" for row in trials.curves()):
            return  # it has no final score
        (table,) = task_tables(trials)
        rows = np.flatnonzero(~table.failed)
        prior = self.model.prior.pool_prior(table.encoded[rows], is_searched=False)
        mean, std = (values[:, -1] for values in predict_curves(prior, 1))
        observed = table.scores[rows, table.lengths[rows] - 1]
        loss = (0.5 * ((observed - mean) / std) ** 2 + np.log(std)).mean() + 0.5 * math.log(2 * math.pi)
        self.log("validation/loss", float(loss), batch_size=1, prog_bar=True)  # every task counts the same
        correlation = rank_correlation(mean, observed)
        self.log("validation/rank_correlation", correlation, batch_size=1, prog_bar=True)

    def on_train_end(self) -> None:
        """Writes the surrogate, fitted to all tasks."""
        data = data_of(self)
        tasks = [*data.training, *data.validation]
        assert data.table is not None  # after `setup`
        self.model = self._model(prior_of(data.table.select([t.task.name for t in tasks]), self.seed), tasks)
        if self.costs_of is not None:
            self.model = with_costs_of(load(self.costs_of), self.model)
        if self.trainer.is_global_zero:
            save_surrogate(self.model, self.output)

    def predict_step(self, batch: dict[str, str], batch_idx: int) -> pd.DataFrame:
        """Predicts every configuration tried on a held-out task before its first slice, at each fidelity.

        Returns:
            Rows of task, config_id, fidelity, mean and std of the score, and cost_s, the seconds of a slice on the
            machine that tried it.
        """
        table = data_of(self).table
        assert table is not None  # after `setup`
        task, trials = table.task_info(batch["task"]), table.curves([batch["task"]])
        configurations = list(dict.fromkeys(row.configuration for row in trials))
        steps = np.array([row.reference_step_s for row in trials])
        step_s = float(np.median(steps[np.isfinite(steps)])) if np.isfinite(steps).any() else math.nan
        mean, std = self.model.predict(task, configurations)
        cost_s = self.model.predict_cost(task, configurations, step_s)
        n = task.max_fidelity
        frame = pd.DataFrame(
            {
                "task": task.name,
                "config_id": np.repeat([c.id for c in configurations], n),
                "fidelity": np.tile(np.arange(1, n + 1), len(configurations)),
                "mean": mean.ravel(),
                "std": std.ravel(),
                "cost_s": np.repeat(cost_s, n),
            }
        )
        self.predictions.append(frame)
        return frame

    def on_predict_start(self) -> None:
        """Forgets the rows of an earlier run."""
        self.predictions = []

    def on_predict_end(self) -> None:
        """Writes all rows to ``predictions.parquet`` in ``output``."""
        if self.trainer.is_global_zero:
            write_predictions(self.predictions, self.output)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Several iterations in each step."""
        return self.likelihood.optimizer(ITERATIONS // STEPS)

    def configure_callbacks(self) -> list[Callback]:
        """Small matrices are computed on one thread."""
        return [OneThread()]

    def _model(self, prior: CurvePrior, tasks: list[TaskCurves]) -> CurveModel:
        card = make_card(data_of(self), "curves", hidden=0, features=0)
        card = replace(card, layout=replace(card.layout, meta_features=()))  # it uses none
        return CurveModel(card, prior, *fit_cost_level(prior, tasks))
