"""What other tasks teach of learning curves, on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from lightning_quicktune.files.whole import write_whole
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.surrogate.curves.from_metadataset import prior_of
from lightning_quicktune.surrogate.curves.prior import CurvePrior
from lightning_quicktune.surrogate.curves.state import from_state, to_state

_ARRAYS, _NUMBERS = "curve_prior.safetensors", "curve_prior.json"


def learn_prior(table: MetaDataset, folder: Path, seed: int) -> None:
    """Fits the prior over learning curves and writes it.

    Args:
        table: The training tasks.
        folder: Where it is written.
        seed: Seed of the fit.
    """
    arrays, numbers = to_state(prior_of(table, seed))
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_whole(folder / _ARRAYS, save(whole))
    write_whole(folder / _NUMBERS, json.dumps(numbers).encode())


def read_prior(folder: Path) -> CurvePrior:
    """Reads what ``learn_prior`` wrote."""
    return from_state(load((folder / _ARRAYS).read_bytes()), json.loads((folder / _NUMBERS).read_text()))
