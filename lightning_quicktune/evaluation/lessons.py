"""What methods learn from the tasks outside of a fold; kept on disk, and learned once."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from lightning_quicktune.evaluation.methods import Lesson
from lightning_quicktune.evaluation.results import write_whole
from lightning_quicktune.evaluation.settings import SurrogateTraining
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.search.build import Surrogates
from lightning_quicktune.surrogate.artifact import CARD, read_cost, read_performance
from lightning_quicktune.surrogate.curves.from_metadataset import task_tables
from lightning_quicktune.surrogate.curves.prior import CurvePrior
from lightning_quicktune.surrogate.curves.state import from_state, to_state

_PRIOR = "curve_prior"


class Lessons:
    """What the training tasks of one division teach.

    Args:
        table: The training tasks, without what was measured on test splits.
        folder: Where it is kept.
        training: How the surrogates are trained.
        seed: Seed of the training.
    """

    def __init__(self, table: MetaDataset, folder: Path, training: SurrogateTraining, seed: int) -> None:
        self.table = table
        self._folder, self._training, self._seed = folder, training, seed
        self.surrogates = lru_cache(maxsize=2)(self._read_surrogates)
        self.prior = lru_cache(maxsize=1)(self._read_prior)

    def has(self, lesson: Lesson) -> bool:
        """Whether a lesson was learned in this folder."""
        if lesson == "prior":
            return (self._folder / f"{_PRIOR}.json").is_file()
        return all((self._folder / lesson / kind / CARD).is_file() for kind in ("performance", "cost"))

    def learn(self, lesson: Lesson) -> None:
        """Learns it, if it wasn't already."""
        if self.has(lesson):
            return
        if lesson == "prior":
            self._learn_prior()
        else:
            self._learn_surrogates(lesson)

    def _read_surrogates(self, lesson: Lesson) -> Surrogates:
        self.learn(lesson)
        folder = self._folder / lesson
        return Surrogates(read_performance(folder / "performance"), read_cost(folder / "cost"))

    def _read_prior(self) -> CurvePrior:
        self.learn("prior")
        arrays = load((self._folder / f"{_PRIOR}.safetensors").read_bytes())
        return from_state(arrays, json.loads((self._folder / f"{_PRIOR}.json").read_text()))

    def _learn_prior(self) -> None:
        arrays, numbers = to_state(CurvePrior(task_tables(self.table), self._seed))
        whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        write_whole(self._folder / f"{_PRIOR}.safetensors", save(whole))
        write_whole(self._folder / f"{_PRIOR}.json", json.dumps(numbers).encode())

    def _learn_surrogates(self, lesson: Lesson) -> None:
        from lightning_quicktune.evaluation.surrogate_fit import fit_surrogates  # Lightning takes seconds to import

        meta_features: list[str] | None = [] if lesson == "surrogates_undescribed" else None
        fit_surrogates(self.table, self._folder / lesson, self._training, self._seed, meta_features)
