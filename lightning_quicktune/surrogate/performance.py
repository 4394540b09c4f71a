"""The training of the performance surrogate."""

from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from lightning import Callback, LightningModule
from torch import Tensor

from lightning_quicktune.metadataset.datamodule import Batch, MetaDatasetModule, draw_evenly
from lightning_quicktune.surrogate.artifact import read_performance, save_surrogate
from lightning_quicktune.surrogate.deep_kernel import negative_log_density
from lightning_quicktune.surrogate.fitting import (
    BestWeights,
    adam_with_cosine,
    check_loss,
    data_of,
    make_card,
    own_lengths,
    rank_correlation,
    write_predictions,
)
from lightning_quicktune.surrogate.intervals import intervals_of_latent, width_factor
from lightning_quicktune.surrogate.performance_model import PerformanceModel
from lightning_quicktune.surrogate.threads import OneThread


class PerformanceSurrogate(LightningModule):
    """Learns from the trials of earlier tasks to predict learning curves on a new one: a deep-kernel Gaussian process.

    A training step takes one random task. The network is kept from the epoch that predicted the held-out tasks best;
    it never learns from them, but the support points of the finished surrogate come from all tasks, so that nothing
    that was collected is wasted. ``fit`` writes the surrogate to ``output``; ``validate`` and ``predict`` read it.

    Args:
        output: Folder of the finished surrogate.
        objective: What a step maximises: ``predictive``, the likelihood of the task's points given points of other
            tasks, as the surrogate is used; or ``marginal``, the joint likelihood of the task's points alone.
        lr: Learning rate at the start.
        hidden: Width of the networks.
        features: Width of the features that the kernel compares.
        n_support: Points of earlier tasks that predictions come from; prediction time grows with its square.

    Batch:
        As in ``MetaDatasetModule``.
    """

    fit_metrics: ClassVar[frozenset[str]] = frozenset({"train/loss", "validation/loss", "validation/rank_correlation"})

    def __init__(
        self,
        output: str,
        objective: Literal["predictive", "marginal"] = "predictive",
        lr: float = 3e-3,
        hidden: int = 32,
        features: int = 16,
        n_support: int = 1024,
    ) -> None:
        super().__init__()
        self.output = output
        self.objective = objective
        self.lr = lr
        self.hidden = hidden
        self.features = features
        self.n_support = n_support
        self.model: PerformanceModel
        self.best = BestWeights()
        self.predictions: list[pd.DataFrame] = []

    def setup(self, stage: str) -> None:
        """Builds the model for the meta-dataset at hand, or reads the finished one."""
        data = data_of(self)
        if stage == "fit":
            self.best = BestWeights()
            self.model = PerformanceModel(make_card(data, "performance", self.hidden, self.features), self.n_support)
            _fit_scales(self.model, data)
            self.model.train()  # gpytorch shares a module between all kernels, and an older one may be in eval mode
        else:
            self.model = read_performance(self.output)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Returns the negative log-likelihood per point, of standardised latent scores."""
        gp, targets = self.model.gp, self.model.standardize(batch["query_latent"])
        if self.objective == "predictive":
            loss = negative_log_density(targets, *self._posterior(batch, "query"))
        else:
            loss = -gp.likelihood(gp.forward(batch["query_inputs"])).log_prob(targets) / len(targets)
        self.log("train/loss", loss, batch_size=len(targets))
        return check_loss(loss)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Logs how well a held-out task is predicted from the training tasks.

        The loss is what the ``predictive`` objective minimises, whatever the objective: so the surrogate is used.
        """
        targets = self.model.standardize(batch["query_latent"])
        loss = negative_log_density(targets, *self._posterior(batch, "query"))
        first, _ = self._posterior(batch, "first")
        correlation = rank_correlation(first.cpu().numpy(), batch["first_latent"].cpu().numpy())
        self.log("validation/loss", loss, batch_size=1, prog_bar=True, sync_dist=True)  # every task counts the same
        self.log("validation/rank_correlation", correlation, batch_size=1, prog_bar=True, sync_dist=True)

    def on_validation_end(self) -> None:
        """Remembers the weights that predicted the held-out tasks best."""
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            self.best.update(float(self.trainer.callback_metrics["validation/loss"]), self.model)

    def on_train_end(self) -> None:
        """Learns how wide intervals must be, and writes the surrogate, with support points of all tasks."""
        self.best.restore(self.model)
        data = data_of(self)
        self.model.temperature.fill_(self._temperature(data))
        self.model.set_support(data.draw_support(self.n_support, data.seed))
        if self.trainer.is_global_zero:
            save_surrogate(self.model, self.output)

    def predict_step(self, batch: dict[str, str], batch_idx: int) -> pd.DataFrame:
        """Predicts every configuration tried on a held-out task before its first slice, at each fidelity of its own.

        Returns:
            Rows of task, config_id, fidelity, mean and std of the latent score (the std is as wide as held-out tasks
            ask for), the score at the mean, and lower and upper end of the interval that holds it.
        """
        table = data_of(self).table
        assert table is not None  # after `setup`
        task, lengths = table.task_info(batch["task"]), own_lengths(table.curves([batch["task"]]))
        asked = [(c, fidelity) for c, length in lengths.items() for fidelity in range(1, length + 1)]
        configurations, fidelities = [c for c, _ in asked], [fidelity for _, fidelity in asked]
        mean, std = self.model.predict_widened(task, configurations, fidelities, [lengths[c] for c in configurations])
        rows = {"task": task.name, "config_id": [c.id for c in configurations], "fidelity": fidelities}
        intervals = intervals_of_latent(mean, std, task.zero_shot_score)
        frame = pd.DataFrame({**rows, "mean": mean, "std": std, **intervals._asdict()})
        self.predictions.append(frame)
        return frame

    def on_predict_start(self) -> None:
        """Forgets the rows of an earlier run."""
        self.predictions = []

    def on_predict_end(self) -> None:
        """Writes all rows to ``predictions.parquet`` in ``output``."""
        if self.trainer.is_global_zero:
            write_predictions(self.predictions, self.output)

    def configure_callbacks(self) -> list[Callback]:
        """One thread: matrices are small."""
        return [OneThread()]

    def configure_optimizers(self) -> Any:
        """Adam, along a cosine."""
        return adam_with_cosine(self, self.lr)

    @torch.no_grad()
    def _temperature(self, data: MetaDatasetModule) -> float:
        """The factor with which final scores of the held-out tasks lie in their intervals before a trial starts."""
        support = draw_evenly(data.training, self.n_support, data.layout, np.random.default_rng(data.seed))
        self.model.set_support(support)
        gp, standardize, errors = self.model.gp, self.model.standardize, []
        given = gp.condition(self.model.support_inputs, standardize(self.model.support_latent))
        for batch in data.val_dataloader():
            mean, variance = gp.posterior(given, batch["first_inputs"].to(self.device))
            error = (standardize(batch["first_latent"].to(self.device)) - mean) / variance.sqrt()
            errors.append(error.cpu().numpy())
        return width_factor(errors)

    def _posterior(self, batch: Batch, asked: str) -> tuple[Tensor, Tensor]:
        gp = self.model.gp
        given = gp.condition(batch["support_inputs"], self.model.standardize(batch["support_latent"]))
        return gp.posterior(given, batch[f"{asked}_inputs"])


def _fit_scales(model: PerformanceModel, data: MetaDatasetModule) -> None:
    tasks = np.stack([data.layout.task_features(curves.task) for curves in data.training])
    latent = [curves.latents[i, :n] for curves in data.training for i, n in enumerate(curves.lengths)]
    model.encoder.task_scale.fit(torch.from_numpy(tasks))
    model.encoder.latent_scale.fit(torch.from_numpy(np.concatenate(latent)).unsqueeze(-1))
