"""The parts of training that both surrogates share."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR

from lightning_quicktune.files.whole import staged
from lightning_quicktune.metadataset.datamodule import MetaDatasetModule
from lightning_quicktune.metadataset.table import CurveRow
from lightning_quicktune.surrogate.card import Kind, SurrogateCard
from lightning_quicktune.types import Configuration

PACKAGES = ("lightning-quicktune", "torch", "gpytorch", "ConfigSpace")
PREDICTIONS = "predictions.parquet"


def data_of(module: LightningModule) -> MetaDatasetModule:
    """The meta-dataset that a surrogate is trained on.

    Args:
        module: A surrogate that is attached to a trainer.

    Raises:
        TypeError: If the trainer was given other data.
    """
    data = getattr(module.trainer, "datamodule", None)
    if not isinstance(data, MetaDatasetModule):
        raise TypeError(
            f"{type(module).__name__} was given {type(data).__name__} as data, but it learns from the trials of a "
            "meta-dataset. Set `data.class_path: lightning_quicktune.metadataset.datamodule.MetaDatasetModule`."
        )
    return data


def make_card(data: MetaDatasetModule, kind: Kind, hidden: int, features: int) -> SurrogateCard:
    """Describes a surrogate that is about to be trained.

    Args:
        data: What it is trained on.
        kind: What it predicts.
        hidden: Width of its networks.
        features: Width of the deep kernel's features.
    """
    tasks = [curves.task for curves in (*data.training, *data.validation)]
    return SurrogateCard(
        kind=kind,
        space=data.space,
        layout=data.layout,
        metric=tasks[0].metric,
        base_models=tuple(sorted({task.base_model.name for task in tasks})),
        hidden=hidden,
        features=features,
        provenance={
            **data.meta,
            "training_tasks": [curves.task.name for curves in data.training],
            "validation_tasks": [curves.task.name for curves in data.validation],
            "versions": {name: version(name) for name in PACKAGES},
        },
    )


def own_lengths(rows: Sequence[CurveRow]) -> dict[Configuration, int]:
    """Slices of each configuration's own full training, of several seeds the longest; in the order of the rows.

    Args:
        rows: Trials of one task.
    """
    lengths: dict[Configuration, int] = {}
    for row in rows:
        lengths[row.configuration] = max(lengths.get(row.configuration, 0), row.max_fidelity)
    return lengths


class BestWeights:
    """Keeps the weights of the lowest validation loss."""

    def __init__(self) -> None:
        self.loss = float("inf")
        self._weights: dict[str, Tensor] = {}

    def update(self, loss: float, model: nn.Module) -> None:
        """Copies the weights of ``model`` if ``loss`` is lower than any before."""
        if loss < self.loss:
            self.loss = loss
            self._weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    def restore(self, model: nn.Module) -> None:
        """Puts the best weights back; leaves ``model`` as it is if there was no validation."""
        if self._weights:
            model.load_state_dict(self._weights)


def adam_with_cosine(module: LightningModule, lr: float) -> Any:
    """Adam whose learning rate falls to 0 along a cosine over the whole fit.

    Args:
        module: The surrogate, attached to a trainer.
        lr: Learning rate at the start.
    """
    optimizer: Optimizer = Adam(module.parameters(), lr=lr)
    n_steps = module.trainer.estimated_stepping_batches
    if n_steps == float("inf"):  # without an end there is no schedule
        return optimizer
    schedule = CosineAnnealingLR(optimizer, T_max=max(1, int(n_steps)))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def check_loss(loss: Tensor) -> Tensor:
    """Stops a fit whose loss is not a number, before the weights are spoilt for good.

    Args:
        loss: Training loss of this step.

    Raises:
        RuntimeError: If it is not finite.
    """
    if not torch.isfinite(loss):
        raise RuntimeError(
            f"The surrogate's training loss is {float(loss)}, so its weights would be lost. "
            "Lower `model.init_args.lr`, and check the meta-dataset for extreme scores or costs."
        )
    return loss


def rank_correlation(predicted: Float[np.ndarray, " N"], observed: Float[np.ndarray, " N"]) -> float:
    """Spearman's rank correlation; 0 where either side is constant and ranks nothing.

    Args:
        predicted: Predictions.
        observed: What came true.
    """
    first, second = (pd.Series(values).rank() for values in (predicted, observed))
    if first.nunique() < 2 or second.nunique() < 2:
        return 0.0
    return float(first.corr(second))


def write_predictions(frames: list[pd.DataFrame], folder: str) -> None:
    """Writes the rows of a ``predict`` run beside the surrogate, all or none.

    Args:
        frames: Rows by task.
        folder: Folder of the surrogate.
    """
    target = Path(folder) / PREDICTIONS
    with staged(target) as unfinished:
        pd.concat(frames, ignore_index=True).to_parquet(unfinished, index=False)
