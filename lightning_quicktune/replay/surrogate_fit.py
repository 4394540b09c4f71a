"""The training of one fold's surrogates."""

from __future__ import annotations

import logging
import warnings
from functools import partial
from pathlib import Path

from lightning import LightningModule, Trainer, seed_everything

from lightning_quicktune.metadataset.datamodule import MetaDatasetModule
from lightning_quicktune.metadataset.folder import save
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.replay.settings import SurrogateTraining
from lightning_quicktune.surrogate.cost import CostSurrogate
from lightning_quicktune.surrogate.performance import PerformanceSurrogate


def fit_surrogates(
    table: MetaDataset, folder: Path, training: SurrogateTraining, seed: int, meta_features: list[str] | None
) -> None:
    """Trains the surrogates of performance and cost on all tasks of a table.

    Args:
        table: The training tasks, without what was measured on test splits.
        folder: Where the surrogates are written, and the meta-dataset they were trained on.
        training: How long, and how large.
        seed: Seed of the training.
        meta_features: Names of the meta-features to use; none for all of them.
    """
    source = str(save(table, folder / "meta_dataset"))
    data = partial(
        MetaDatasetModule, source, steps_per_epoch=training.steps_per_epoch, seed=seed, meta_features=meta_features
    )
    performance = PerformanceSurrogate(
        str(folder / "performance"), n_support=training.n_support, objective=training.objective
    )
    _fit(performance, data(), training, seed)
    _fit(CostSurrogate(str(folder / "cost")), data(), training, seed)


def _fit(module: LightningModule, data: MetaDatasetModule, training: SurrogateTraining, seed: int) -> None:
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    seed_everything(seed, verbose=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers")  # tables in memory need none
        warnings.filterwarnings("ignore", message=".*smaller than the logging interval")
        warnings.filterwarnings("ignore", message=".*`isinstance.treespec, LeafSpec.` is deprecated")  # Lightning 2.6
        trainer = Trainer(
            max_epochs=training.epochs,
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(module, datamodule=data)
