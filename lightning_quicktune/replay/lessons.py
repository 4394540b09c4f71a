"""Lessons of the tasks outside of a fold: what methods learn from them, kept on disk, and learned once.

What is learned with is imported where it is needed, so that lessons of one kind don't depend on the code of others.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_quicktune.files.whole import write_whole
from lightning_quicktune.replay.code import lesson_code
from lightning_quicktune.search.knowledge import Knowledge

if TYPE_CHECKING:
    from lightning_quicktune.metadataset.table import MetaDataset
    from lightning_quicktune.replay.methods import Lesson
    from lightning_quicktune.replay.settings import SurrogateTraining

_DONE = "learned"


class Lessons:
    """What the training tasks of one division teach; learned anew once the code that a lesson depends on has changed.

    ``knowledge`` of a lesson, or of none, is what searchers are built with.

    Args:
        table: The training tasks, without what was measured on test splits.
        folder: Where it is kept.
        training: How the surrogates are trained.
        seed: Seed of the training.
    """

    def __init__(self, table: MetaDataset, folder: Path, training: SurrogateTraining, seed: int) -> None:
        self.table = table
        self._folder, self._training, self._seed = folder, training, seed
        self.knowledge = lru_cache(maxsize=4)(self._knowledge)

    def folder(self, lesson: Lesson) -> Path:
        """Where a lesson is kept that was learned by the present code."""
        return self._folder / lesson / lesson_code(lesson)

    def has(self, lesson: Lesson) -> bool:
        """Whether a lesson was learned in this folder, by the present code."""
        return (self.folder(lesson) / _DONE).is_file()

    def learn(self, lesson: Lesson) -> None:
        """Learns it, if it wasn't already."""
        if self.has(lesson):
            return
        folder = self.folder(lesson)
        match lesson:
            case "prior":
                from lightning_quicktune.replay.lesson_of_curves import learn_prior

                learn_prior(self.table, folder, self._seed)
            case "surrogates" | "surrogates_undescribed":
                from lightning_quicktune.replay.lesson_of_surrogates import learn_surrogates

                meta_features: list[str] | None = [] if lesson == "surrogates_undescribed" else None
                learn_surrogates(self.table, folder, self._training, self._seed, meta_features)
        write_whole(folder / _DONE, b"")

    def _knowledge(self, lesson: Lesson | None) -> Knowledge:
        match lesson:
            case "prior":
                from lightning_quicktune.replay.lesson_of_curves import read_curves

                return Knowledge(self._the_table, curves=lambda: read_curves(self._learned(lesson), self.table.space))
            case "surrogates" | "surrogates_undescribed":
                from lightning_quicktune.surrogate.artifact import read_cost, read_performance

                return Knowledge(
                    self._the_table,
                    performance=lambda: read_performance(self._learned(lesson) / "performance"),
                    cost=lambda: read_cost(self._learned(lesson) / "cost"),
                )
            case _:
                return Knowledge(self._the_table)

    def _the_table(self) -> MetaDataset:
        return self.table

    def _learned(self, lesson: Lesson) -> Path:
        """Folder of a lesson, learned if it wasn't already."""
        self.learn(lesson)
        return self.folder(lesson)
