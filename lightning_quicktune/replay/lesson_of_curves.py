"""The prior over learning curves that the tasks of a fold teach, on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from lightning_quicktune.files.whole import write_whole
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.surrogate.curves.from_metadataset import prior_of
from lightning_quicktune.surrogate.curves.pool_prior import PoolPrior
from lightning_quicktune.surrogate.curves.prior import CurvePrior
from lightning_quicktune.surrogate.curves.state import from_state, to_state
from lightning_quicktune.types import Configuration

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


class LearnedCurves:
    """A prior over learning curves, asked about configurations of its own space.

    Args:
        prior: What was learned.
        space: The search space.
    """

    def __init__(self, prior: CurvePrior, space: SearchSpace) -> None:
        self.prior, self._space = prior, space

    def pool_prior(self, configurations: Sequence[Configuration]) -> PoolPrior:
        """See ``PoolCurves``."""
        return self.prior.pool_prior(self._space.encode(configurations))


def read_curves(folder: Path, space: SearchSpace) -> LearnedCurves:
    """Reads what ``learn_prior`` wrote.

    Args:
        folder: Where it was written.
        space: The search space of the training tasks.
    """
    prior = from_state(load((folder / _ARRAYS).read_bytes()), json.loads((folder / _NUMBERS).read_text()))
    return LearnedCurves(prior, space)
