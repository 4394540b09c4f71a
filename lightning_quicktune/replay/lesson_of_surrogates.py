"""The surrogates that the tasks of a fold teach, on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lightning_quicktune.metadataset.table import MetaDataset

if TYPE_CHECKING:
    from lightning_quicktune.replay.settings import SurrogateTraining


def learn_surrogates(
    table: MetaDataset, folder: Path, training: SurrogateTraining, seed: int, meta_features: list[str] | None
) -> None:
    """Trains the surrogates and writes them; see ``fit_surrogates``."""
    from lightning_quicktune.replay.surrogate_fit import fit_surrogates  # Lightning takes seconds to import

    fit_surrogates(table, folder, training, seed, meta_features)
