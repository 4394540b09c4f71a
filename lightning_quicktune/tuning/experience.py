"""Finds what earlier tasks taught: the two surrogates, by the words of the user."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.surrogate.artifact import read_cost, read_performance
from lightning_quicktune.surrogate.cost_model import CostModel
from lightning_quicktune.surrogate.performance_model import PerformanceModel

SHIPPED = ("nano",)


@dataclass(frozen=True)
class Experience:
    """Surrogates that were trained on the same trials."""

    performance: PerformanceModel
    cost: CostModel

    def check_use(self, space: SearchSpace, base_model: str, allow_other_base_model: bool) -> None:
        """Refuses another search space or base model.

        Raises:
            ValueError: If either differs from what the surrogates know; says how.
        """
        for model in (self.performance, self.cost):
            model.card.check_use(space, base_model, allow_other_base_model)


def load_experience(source: str) -> Experience:
    """Reads both surrogates.

    Args:
        source: Name of shipped ones, a folder with ``performance`` and ``cost``, or ``runs:/ID/path`` of one.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    folder = _folder(source)
    if not (folder / "performance").is_dir() or not (folder / "cost").is_dir():
        raise FileNotFoundError(
            f"`surrogates` is {source!r}, but {folder} has no folders `performance` and `cost`. Give the folder of two "
            f"surrogates that `fit` wrote, `runs:/ID/path` of one, or the name of shipped ones: {', '.join(SHIPPED)}."
        )
    return Experience(read_performance(folder / "performance"), read_cost(folder / "cost"))


def _folder(source: str) -> Path:
    if source in SHIPPED:
        return Path(str(files("lightning_quicktune") / "assets" / "surrogates" / source))
    if source.startswith(("runs:/", "models:/")):
        from lightning_quicktune.tracking.artifacts import download

        return download(source)
    return Path(source)
