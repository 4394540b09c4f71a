"""The surrogates that the tasks of a fold teach, on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lightning_quicktune.metadataset.layout import undescribed
from lightning_quicktune.metadataset.table import MetaDataset

if TYPE_CHECKING:
    from lightning_quicktune.replay.settings import SurrogateTraining


def learn_surrogates(
    table: MetaDataset, folder: Path, training: SurrogateTraining, seed: int, meta_features: list[str] | None
) -> None:
    """Trains the surrogates and writes them, see ``fit_surrogates``; tasks that can't be told apart teach nothing."""
    from lightning_quicktune.replay.surrogate_fit import fit_surrogates  # Lightning takes seconds to import

    lacking = undescribed(table) if meta_features is None else frozenset()
    described = table.select([name for name in table.task_names if name not in lacking])
    fit_surrogates(described, folder, training, seed, meta_features)
