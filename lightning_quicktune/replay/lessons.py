"""What methods learn from the tasks outside of a fold; kept on disk, and learned once.

What is learned with is imported where it is needed, so that lessons of one kind don't depend on the code of others.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from lightning_quicktune.files.whole import write_whole
from lightning_quicktune.replay.code import lesson_code

if TYPE_CHECKING:
    from lightning_quicktune.metadataset.table import MetaDataset
    from lightning_quicktune.replay.methods import Lesson
    from lightning_quicktune.replay.settings import SurrogateTraining
    from lightning_quicktune.search.build import Surrogates
    from lightning_quicktune.surrogate.curves.prior import CurvePrior

_DONE = "learned"


class Lessons:
    """What the training tasks of one division teach; learned anew once the code that a lesson depends on has changed.

    Args:
        table: The training tasks, without what was measured on test splits.
        folder: Where it is kept.
        training: How the surrogates are trained.
        seed: Seed of the training.
    """

    def __init__(self, table: MetaDataset, folder: Path, training: SurrogateTraining, seed: int) -> None:
        self.table = table
        self._folder, self._training, self._seed = folder, training, seed
        self._read = lru_cache(maxsize=3)(self._learned)

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

    def surrogates(self, lesson: Lesson) -> Surrogates:
        """The surrogates of a lesson, learned if they weren't already."""
        return cast("Surrogates", self._read(lesson))

    def prior(self) -> CurvePrior:
        """The prior over learning curves, learned if it wasn't already."""
        return cast("CurvePrior", self._read("prior"))

    def _learned(self, lesson: Lesson) -> Surrogates | CurvePrior:
        self.learn(lesson)
        match lesson:
            case "prior":
                from lightning_quicktune.replay.lesson_of_curves import read_prior

                return read_prior(self.folder(lesson))
            case "surrogates" | "surrogates_undescribed":
                from lightning_quicktune.replay.lesson_of_surrogates import read_surrogates

                return read_surrogates(self.folder(lesson))
