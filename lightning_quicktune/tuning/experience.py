"""Knowledge of earlier tasks by the words of the user: surrogates, and trials."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_quicktune.compose import FitConfig
from lightning_quicktune.finetune.source import short_name
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.presets.places import shipped_surrogates, surrogate_folder
from lightning_quicktune.search.knowledge import Knowledge
from lightning_quicktune.search.names import SearcherName
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.surrogate.artifact import Model, read_cost, read_curves, read_performance
from lightning_quicktune.surrogate.card import Kind, SurrogateCard
from lightning_quicktune.surrogate.cost_model import CostModel
from lightning_quicktune.surrogate.curves.model import CurveModel
from lightning_quicktune.surrogate.performance_model import PerformanceModel
from lightning_quicktune.tuning.experience_folder import read_taught, table_digest
from lightning_quicktune.tuning.settings import SurrogateSources

BY_TRIALS: frozenset[SearcherName] = frozenset(
    {"portfolio", "forest_portfolio", "nearest_task_portfolio", "portfolio_asha", "forest_portfolio_asha"}
)  # searchers that take the trials themselves
BY_CURVES: frozenset[SearcherName] = frozenset({"transfer_guarded", "curve_transfer"})  # those by learning curves


class Experience(Knowledge):
    """Knowledge that was read from artifacts, all of one search space, with what each was made for."""

    if TYPE_CHECKING:  # what `load_experience` reads
        performance: PerformanceModel | None
        cost: CostModel | None
        curves: CurveModel | None

    @property
    def models(self) -> tuple[Model, ...]:
        """The surrogates that are there."""
        parts = (self.performance, self.cost, self.curves)
        return tuple(part for part in parts if part is not None)

    @property
    def cards(self) -> tuple[SurrogateCard, ...]:
        """What each surrogate was made for."""
        return tuple(model.card for model in self.models)

    @property
    def space(self) -> SearchSpace | None:
        """The search space; none without any experience."""
        spaces = [card.space for card in self.cards] + ([self.table.space] if self.table is not None else [])
        return spaces[0] if spaces else None

    @property
    def max_fidelity(self) -> int | None:
        """Slices of a full training; none without any experience."""
        lengths = [card.layout.max_fidelity for card in self.cards]
        if self.table is not None:
            lengths.append(int(self.table.tasks["max_fidelity"].max()))
        return lengths[0] if lengths else None

    def digests(self) -> dict[str, str]:
        """Digest of the content of each, by what it is: it changes where one was trained or collected anew."""
        digests = {f"surrogates.{model.card.kind}": _digest_of_model(model) for model in self.models}
        return digests if self.table is None else {**digests, "experience": table_digest(self.table)}

    def use_in(self, space: SearchSpace, base_model: str, allow_other_base_model: bool, partial: bool = False) -> None:
        """Makes the surrogates ready for a search; another search space or base model is refused.

        Args:
            space: The search space of the search.
            base_model: Name of the base model that will be finetuned.
            allow_other_base_model: Whether another base model is fine.
            partial: Whether surrogates of another space are asked by what both know.

        Raises:
            ValueError: If either differs from what the surrogates know; says how.
        """
        for model in self.models:
            model.card = model.card.used_in(space, base_model, allow_other_base_model, partial)
        if self.table is not None:
            _check_table(self.table, space, base_model, allow_other_base_model)


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


def load_experience(
    sources: SurrogateSources | None, experience: str | None = None, by_curves: bool = False
) -> Experience:
    """What is named, to be read when it is first asked for.

    Args:
        sources: Where the surrogates are.
        experience: Where the meta-dataset is, and what was learned of it.
        by_curves: Whether learning curves are wanted of ``experience``, unless ``sources`` names others. The trials are
            then read only where they are too few to learn from.

    Raises:
        FileNotFoundError: If one of them isn't there.
        ValueError: If one is damaged or of another kind.
    """
    performance, cost, curves = (sources.performance, sources.cost, sources.curves) if sources else (None, None, None)
    if experience and by_curves and not curves:
        few, known = read_taught(experience)
        read_few, read_known = (None if part is None else lambda part=part: part for part in (few, known))
        return Experience(read_few, *_of_sources(performance, cost), read_known)
    if by_curves:
        experience = None
    return Experience(
        (lambda: load(experience)) if experience else None,
        *_of_sources(performance, cost),
        (lambda: read_curves(_folder(curves, "curves"))) if curves else None,
    )


def _of_sources(
    performance: str | None, cost: str | None
) -> tuple[Callable[[], PerformanceModel] | None, Callable[[], CostModel] | None]:
    return (
        (lambda: read_performance(_folder(performance, "performance"))) if performance else None,
        (lambda: read_cost(_folder(cost, "cost"))) if cost else None,
    )


def _digest_of_model(model: Model) -> str:
    card = {name: value for name, value in model.card.to_dict().items() if name != "provenance"}
    digest = hashlib.sha256(json.dumps(card, sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _check_table(table: MetaDataset, space: SearchSpace, base_model: str, allow_other_base_model: bool) -> None:
    differences = table.space.differences(space)
    if differences:
        raise ValueError(
            "`experience` was collected in another search space (first: its own, second: yours): "
            f"{'; '.join(differences)}. Its trials would mean other configurations. Leave `space` out to use its own, "
            "or collect trials in yours."
        )
    known = sorted({table.task_info(name).base_model.name for name in table.task_names})
    if base_model not in known and not allow_other_base_model:
        raise ValueError(
            f"`experience` was collected with the base model {', '.join(known)}, but {base_model} is to be finetuned, "
            f"and what works on one may not on the other. Collect trials of {base_model}, or set "
            "`allow_other_base_model: true` to transfer all the same."
        )


def _folder(source: str, kind: Kind) -> Path:
    shipped = ", ".join(name for name in shipped_surrogates() if surrogate_folder(name, kind).is_dir())
    if source in shipped_surrogates():
        folder = surrogate_folder(source, kind)
        if not folder.is_dir():
            raise FileNotFoundError(
                f"`surrogates.{kind}` is {source!r}, of which no such surrogate is shipped. There are: {shipped}."
            )
        return folder
    if source.startswith(("runs:/", "models:/")):
        from lightning_quicktune.tracking.artifacts import download

        return download(source)
    if not Path(source).is_dir():
        raise FileNotFoundError(
            f"`surrogates.{kind}` is {source!r}, and there is no such folder. Give the folder that `fit` wrote to "
            f"`model.init_args.output`, `runs:/ID/surrogate` of its MLflow run, or a shipped one: {shipped}."
        )
    return Path(source)
