"""What other tasks teach the surrogates, on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lightning_quicktune.metadataset.layout import undescribed
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.search.build import Surrogates
from lightning_quicktune.surrogate.artifact import read_cost, read_performance

if TYPE_CHECKING:
    from lightning_quicktune.evaluation.settings import SurrogateTraining


def learn_surrogates(
    table: MetaDataset, folder: Path, training: SurrogateTraining, seed: int, meta_features: list[str] | None
) -> None:
    """Trains the surrogates and writes them, see ``fit_surrogates``; tasks that can't be told apart teach nothing."""
    from lightning_quicktune.evaluation.surrogate_fit import fit_surrogates  # Lightning takes seconds to import

    lacking = undescribed(table) if meta_features is None else frozenset()
    fit_surrogates(
        table.select([n for n in table.task_names if n not in lacking]), folder, training, seed, meta_features
    )


def read_surrogates(folder: Path) -> Surrogates:
    """Reads what ``learn_surrogates`` wrote."""
    return Surrogates(read_performance(folder / "performance"), read_cost(folder / "cost"))
