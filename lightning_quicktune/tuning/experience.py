"""Finds what earlier tasks taught: the two surrogates, by the words of the user."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from lightning_quicktune.compose import FitConfig
from lightning_quicktune.finetune.source import short_name
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.surrogate.artifact import read_cost, read_performance
from lightning_quicktune.surrogate.cost_model import CostModel
from lightning_quicktune.surrogate.performance_model import PerformanceModel
from lightning_quicktune.tuning.settings import SurrogateSources

SHIPPED = ("nano",)


@dataclass(frozen=True)
class Experience:
    """A surrogate of the score and one of the cost, of the same search space."""

    performance: PerformanceModel
    cost: CostModel

    def check_use(self, space: SearchSpace, base_model: str, allow_other_base_model: bool) -> None:
        """Refuses another search space or base model.

        Raises:
            ValueError: If either differs from what the surrogates know; says how.
        """
        for model in (self.performance, self.cost):
            model.card.check_use(space, base_model, allow_other_base_model)


def base_model_name(recipe: FitConfig) -> str:
    """The name that tables carry for the base model of a fit YAML.

    Raises:
        ValueError: If the YAML names none.
    """
    try:
        name = recipe["model"]["init_args"]["base_model"]["name"]
    except (KeyError, TypeError):
        raise ValueError(
            "`recipe` names no base model, so nothing tells which surrogates fit. Set "
            "`model.init_args.base_model.name` in it, as the files in configs/recipe do."
        ) from None
    return short_name(str(name))


def load_experience(sources: SurrogateSources) -> Experience:
    """Reads both surrogates.

    Raises:
        FileNotFoundError: If one of them isn't there.
        ValueError: If one is damaged or of the other kind.
    """
    return Experience(
        read_performance(_folder(sources.performance, "performance")), read_cost(_folder(sources.cost, "cost"))
    )


def _folder(source: str, kind: Literal["performance", "cost"]) -> Path:
    if source in SHIPPED:
        return Path(str(files("lightning_quicktune") / "assets" / "surrogates" / source / kind))
    if source.startswith(("runs:/", "models:/")):
        from lightning_quicktune.tracking.artifacts import download

        return download(source)
    if not Path(source).is_dir():
        raise FileNotFoundError(
            f"`surrogates.{kind}` is {source!r}, and there is no such folder. Give the folder that `fit` wrote to "
            f"`model.init_args.output`, `runs:/ID/surrogate` of its MLflow run, or a shipped one: {', '.join(SHIPPED)}."
        )
    return Path(source)
