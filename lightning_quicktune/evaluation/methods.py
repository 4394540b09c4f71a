"""Builds the searchers that are compared, and trains the surrogates they need on the other tasks only."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning import LightningModule, Trainer, seed_everything

from lightning_quicktune.evaluation.pool import TaskPool
from lightning_quicktune.evaluation.settings import MethodName, SurrogateTraining
from lightning_quicktune.metadataset.datamodule import MetaDatasetModule
from lightning_quicktune.metadataset.folder import save
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.search.default_searcher import DefaultSearcher
from lightning_quicktune.search.pool import shuffled
from lightning_quicktune.search.random_searcher import RandomSearcher
from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.search.successive_halving_searcher import SuccessiveHalvingSearcher
from lightning_quicktune.search.transfer_searcher import TransferSearcher
from lightning_quicktune.surrogate.artifact import CARD, read_cost, read_performance
from lightning_quicktune.surrogate.cost import CostSurrogate
from lightning_quicktune.surrogate.cost_model import CostModel
from lightning_quicktune.surrogate.performance import PerformanceSurrogate
from lightning_quicktune.surrogate.performance_model import PerformanceModel
from lightning_quicktune.types import Configuration


@dataclass(frozen=True)
class Surrogates:
    """What the other tasks taught."""

    performance: PerformanceModel
    cost: CostModel


def describes_the_task(method: MethodName) -> bool:
    """Whether a method needs the task's meta-features, and so pays for them."""
    return method == "transfer"


def check_default(methods: Sequence[MethodName], default: Configuration, pools: Mapping[str, TaskPool]) -> None:
    """Refuses to replay the default configuration where it was not recorded, before anything is trained.

    Args:
        methods: What is to be replayed.
        default: The default configuration of the search space.
        pools: What was recorded, by task.

    Raises:
        ValueError: If it is to be replayed and a task lacks it.
    """
    lacking = sorted(name for name, pool in pools.items() if default.id not in pool.trials)
    if "default" in methods and lacking:
        raise ValueError(
            f"`methods` has `default`, but the default configuration ({default.id}) was not recorded on "
            f"{len(lacking)} tasks ({', '.join(lacking[:5])}), so it can't be replayed there. Take `default` out of "
            "`methods`, or collect its trials."
        )


def build_searcher(
    method: MethodName, pool: TaskPool, default: Configuration, seed: int, surrogates: Callable[[], Surrogates]
) -> Searcher:
    """The searcher of a method over the pool of one task.

    Args:
        method: Its name.
        pool: The task.
        default: The default configuration of the search space.
        seed: Seed of the order in which configurations are tried, where nothing else decides.
        surrogates: Gives those trained on the other tasks; called by methods that need them.
    """
    task, configurations = pool.task, shuffled(pool.configurations, seed)
    if method == "default":
        return DefaultSearcher(default, task.max_fidelity)
    if method == "random":
        return RandomSearcher(configurations, task.max_fidelity, seed)
    if method == "successive_halving":
        return SuccessiveHalvingSearcher(configurations, task.max_fidelity)
    learned = surrogates()
    return TransferSearcher(configurations, task, learned.performance, learned.cost, pool.reference_step_s())


def fold_surrogates(
    table: MetaDataset, tasks: Sequence[str], training: SurrogateTraining, seed: int, folder: Path
) -> Surrogates:
    """Surrogates of some tasks alone: read if an earlier call finished them, trained otherwise.

    Args:
        table: The meta-dataset, without what was measured on test splits.
        tasks: Names of the tasks to learn from.
        training: How long, and how large.
        seed: Seed of the training.
        folder: Where they are kept, with the meta-dataset of these tasks.
    """
    performance, cost = folder / "performance", folder / "cost"
    if not ((performance / CARD).is_file() and (cost / CARD).is_file()):
        source = str(save(table.select(tasks), folder / "meta_dataset"))
        _fit(PerformanceSurrogate(str(performance), n_support=training.n_support), source, training, seed)
        _fit(CostSurrogate(str(cost)), source, training, seed)
    return Surrogates(read_performance(performance), read_cost(cost))


def _fit(module: LightningModule, source: str, training: SurrogateTraining, seed: int) -> None:
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    seed_everything(seed, verbose=False)
    data = MetaDatasetModule(source, steps_per_epoch=training.steps_per_epoch, seed=seed)
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
