"""The training of the cost surrogate."""

from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from lightning import Callback, LightningModule
from torch import Tensor

from lightning_quicktune.metadataset.datamodule import Batch, MetaDatasetModule
from lightning_quicktune.surrogate.artifact import read_cost, save_surrogate
from lightning_quicktune.surrogate.cost_model import CostModel
from lightning_quicktune.surrogate.fitting import (
    BestWeights,
    adam_with_cosine,
    check_loss,
    data_of,
    make_card,
    write_predictions,
)
from lightning_quicktune.surrogate.threads import OneThread


class CostSurrogate(LightningModule):
    """Learns from the trials of earlier tasks what a slice of training costs.

    The network is kept from the epoch that predicted the held-out tasks best. ``fit`` writes the surrogate to
    ``output``; ``validate`` and ``predict`` read it there.

    Args:
        output: Folder of the finished surrogate.
        lr: Learning rate at the start.
        hidden: Width of the network.

    Batch:
        As in ``MetaDatasetModule``.
    """

    fit_metrics: ClassVar[frozenset[str]] = frozenset({"train/loss", "validation/loss", "validation/absolute_error"})

    def __init__(self, output: str, lr: float = 3e-3, hidden: int = 32) -> None:
        super().__init__()
        self.output = output
        self.lr = lr
        self.hidden = hidden
        self.model: CostModel
        self.best = BestWeights()
        self.predictions: list[pd.DataFrame] = []

    def setup(self, stage: str) -> None:
        """Builds the model for the meta-dataset at hand, or reads the finished one."""
        data = data_of(self)
        if stage == "fit":
            self.best = BestWeights()
            self.model = CostModel(make_card(data, "cost", self.hidden, features=1))
            _fit_scales(self.model, data)
        else:
            self.model = read_cost(self.output)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Returns the mean squared error of standardised logarithmic costs, over all points whose cost is known."""
        inputs = torch.cat([batch["query_inputs"], batch["support_inputs"]])
        targets = torch.cat([batch["query_log_cost"], batch["support_log_cost"]])
        known = targets.isfinite()
        if not known.any():
            return None
        loss = self._loss(inputs[known], targets[known])
        self.log("train/loss", loss, batch_size=int(known.sum()))
        return check_loss(loss)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Logs the loss on a held-out task, and the mean absolute error of logarithmic costs: 0.1 is about 10 %."""
        known = batch["query_log_cost"].isfinite()
        if not known.any():
            return
        inputs, targets = batch["query_inputs"][known], batch["query_log_cost"][known]
        error = (self.model(inputs) - targets).abs().mean()
        for name, value in (("loss", self._loss(inputs, targets)), ("absolute_error", error)):
            self.log(
                f"validation/{name}", value, batch_size=1, prog_bar=True, sync_dist=True
            )  # every task counts alike

    def _loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Squared error, with which a normal likelihood grows; in standard deviations of the training costs."""
        error: Tensor = (self.model(inputs) - targets) / self.model.cost_scale.std
        return error.square().mean()

    def on_validation_end(self) -> None:
        """Remembers the weights that predicted the held-out tasks best."""
        loss = self.trainer.callback_metrics.get("validation/loss")
        if loss is not None and self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            self.best.update(float(loss), self.model)

    def on_train_end(self) -> None:
        """Writes the surrogate."""
        self.best.restore(self.model)
        if self.trainer.is_global_zero:
            save_surrogate(self.model, self.output)

    def predict_step(self, batch: dict[str, str], batch_idx: int) -> pd.DataFrame:
        """Predicts the cost of every configuration tried on a held-out task, on the machine that tried them.

        Returns:
            Rows of task, config_id and cost_s, the seconds of a slice.
        """
        table = data_of(self).table
        assert table is not None  # after `setup`
        task, trials = table.task_info(batch["task"]), table.curves([batch["task"]])
        reference_step_s = float(np.nanmedian([row.reference_step_s for row in trials]))
        configurations = list(dict.fromkeys(row.configuration for row in trials))
        seconds = self.model.predict(task, configurations, reference_step_s)
        frame = pd.DataFrame({"task": task.name, "config_id": [c.id for c in configurations], "cost_s": seconds})
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


def _fit_scales(model: CostModel, data: MetaDatasetModule) -> None:
    costs = np.concatenate([curves.log_costs for curves in data.training])
    known = costs[np.isfinite(costs)]
    if not known.size:
        raise ValueError(
            f"None of the {len(costs)} training trials has a cost in reference steps: `cost_s` or `reference_step_s` "
            "is missing, and without it costs can't move to another machine. "
            "Record both (`lightning-quicktune collect` does), or use a meta-dataset that has them."
        )
    tasks = np.stack([data.layout.task_features(curves.task) for curves in data.training])
    model.task_scale.fit(torch.from_numpy(tasks))
    model.cost_scale.fit(torch.from_numpy(known).unsqueeze(-1))
