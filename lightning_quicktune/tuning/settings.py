"""Settings of ``tune`` and ``recommend``; light to import, so that the command line answers quickly."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from jsonargparse.typing import Path_fr

from lightning_quicktune.data.reading import column_overrides
from lightning_quicktune.presets.places import is_shipped, shipped_surrogates, shipped_tables
from lightning_quicktune.presets.preset import base_model_override, model_names
from lightning_quicktune.search.names import DEFAULT_ACQUISITION, Acquisition, SearcherName
from lightning_quicktune.tracking.places import resolve_uri
from lightning_quicktune.tracking.settings import TrackingSettings
from lightning_quicktune.trials.cohort_limit import check_cohort
from lightning_quicktune.trials.executors.settings import ExecutorSettings, check_workers
from lightning_quicktune.types import Budget

Reference = Literal["recipe", "strong", "default"]
_URI = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True)
class SurrogateSources:
    """Where surrogates are: each a shipped one by name, a folder, ``runs:/ID/surrogate`` or ``models:/name/1``.

    Args:
        performance: Predicts scores, for ``transfer`` and ``quicktune``.
        cost: Predicts seconds, for the same.
        curves: Prior over learning curves, for ``transfer_guarded`` and ``curve_transfer``.
    """

    performance: str | None = None
    cost: str | None = None
    curves: str | None = None

    def __post_init__(self) -> None:
        if not (self.performance or self.cost or self.curves):
            raise ValueError(
                "`surrogates` names none, so there is nothing to transfer. Set `surrogates.curves` (or "
                "`surrogates.performance` and `surrogates.cost`), or leave `surrogates` out."
            )


@dataclass(frozen=True)
class TuneSettings:
    """Finds the best adapter for a dataset within a budget, by transfer from earlier tasks.

    Args:
        task: Folder, file or hub id of the dataset, or ``suite:NAME`` for a built-in task.
        recipe: Fit YAML that every trial starts from; names the base model.
        budget: What it may spend. Seconds are those of everything up to the report; where only slices, trials or a
            score are set, the comparison comes on top.
        output: Folder of this search; the same command goes on where it stopped.
        model: Base model in the place of the recipe's: a name, a folder, a ``.gguf`` file or a hub id.
        columns: The dataset's keys by those that are known here, as in ``question=Frage,answer=Antwort``.
        surrogates: What earlier tasks taught; methods without transfer need none.
        experience: Trials of earlier tasks and what was learned from them: a shipped one by name, a folder of
            ``contribute``, or any meta-dataset (a folder or ``runs:/ID/meta_dataset``).
        contribute: Folder of an experience that the trials of this search are added to in the end; made if it is
            missing, from all that ``experience`` holds.
        searcher: Who chooses what to train next.
        acquisition: What a candidate is worth to ``transfer`` and ``quicktune``.
        space: YAML of the search space; that of the surrogates or the experience if left out.
        max_fidelity: Slices of a full training; that of the surrogates or the experience if left out, or fewer where
            these know shorter ones and the budget is too short for more.
        cohort: Trials that are trained at once, in one pass over the frozen base model; ``auto`` for as many as
            memory holds, up to eight, and one on a CPU. Each choice then knows less, and a second brings more of them.
        workers: Trials, or cohorts, that run side by side, in processes of one thread each. Each choice then knows
            less, as with ``cohort``.
        executor: Where trials run, if not so: on several devices, or on a cluster.
        pool_size: Candidate configurations, of which the default is one; half as many that did best on earlier tasks
            are added where the searcher learns from them.
        seed: Seed of the candidates and of the trials.
        allow_other_base_model: Whether surrogates may be used that were trained on another base model.
        partial: Whether surrogates of another search space may be used: they are asked by what both know, a value
            beyond their bounds as the bound, and what they don't know is left out.
        compare: What is trained in full beside what is searched, as far as the budget allows, first things first:
            ``recipe`` as it is written, a common ``strong`` one, the ``default`` of the search space.
        keep_checkpoints: Trials that keep their checkpoints when the search has ended, the best ones; a search that
            goes on trains the others again from their seed, as part of its budget.
        tracking: Where MLflow keeps the search and its trials.
    """

    task: str
    recipe: Path_fr
    budget: Budget
    output: str
    model: str | None = None
    columns: str | None = None
    surrogates: SurrogateSources | None = None
    experience: str | None = None
    contribute: str | None = None
    searcher: SearcherName = "transfer_guarded"
    acquisition: Acquisition = DEFAULT_ACQUISITION
    space: Path_fr | None = None
    max_fidelity: int | None = None
    cohort: int | Literal["auto"] = 1
    workers: int = 1
    executor: ExecutorSettings = field(default_factory=ExecutorSettings)
    pool_size: int = 128
    seed: int = 0
    allow_other_base_model: bool = False
    partial: bool = False
    compare: list[Reference] = field(default_factory=lambda: ["recipe", "strong", "default"])
    keep_checkpoints: int = 5
    tracking: TrackingSettings = field(default_factory=lambda: TrackingSettings("tune"))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in a YAML that starts the same from any folder."""
        plain: dict[str, Any] = {name: value for name, value in asdict(self).items() if value is not None}
        for name in ("recipe", "space"):
            if name in plain:
                plain[name] = str(Path(plain[name]).absolute())
        for name, known in (("task", ()), ("model", model_names())):
            if name in plain and plain[name] not in known and Path(plain[name]).exists():
                plain[name] = str(Path(plain[name]).absolute())
        plain |= self.learned_from
        if self.tracking.uri or not os.environ.get(_URI):
            plain["tracking"] |= {"uri": resolve_uri(self.tracking.uri)}
        for name in ("output", "contribute"):
            if name in plain:
                plain[name] = str(Path(plain[name]).absolute())
        if self.executor == ExecutorSettings():
            del plain["executor"]
        for name in ("budget", "surrogates", "tracking", "executor"):
            plain[name] = {key: value for key, value in (plain.get(name) or {}).items() if value is not None}
        return {name: value for name, value in plain.items() if value not in ({}, None)}

    @property
    def learned_from(self) -> dict[str, Any]:
        """What it learns from, by key of the settings: names and URIs as they are, folders from any folder."""
        surrogates = asdict(self.surrogates) if self.surrogates else {}
        known = shipped_surrogates()
        places = {name: place and _from_anywhere(place, known) for name, place in surrogates.items()}
        experience = self.experience and _from_anywhere(self.experience, (*known, *shipped_tables()))
        found = {"experience": experience, "surrogates": places}
        return {name: value for name, value in found.items() if value}

    def __post_init__(self) -> None:
        check_cohort(self.cohort)
        check_workers(self.workers)
        self.executor.kind_for(self.workers, self.cohort)
        for name in ("max_fidelity", "pool_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` is {value}, but it counts things and must be at least 1. Raise `{name}`.")
        if self.keep_checkpoints < 0:
            raise ValueError(
                f"`keep_checkpoints` is {self.keep_checkpoints}, but it counts trials. Set it to 0 to keep none: the "
                "adapter that was found stays in `output` all the same."
            )

    @property
    def has_shipped_recipe(self) -> bool:
        """Whether the recipe is one that the package brings, such as that of a model's name."""
        return is_shipped(Path(self.recipe))

    @property
    def overrides(self) -> dict[str, Any]:
        """Keys of the recipe that these settings set, with their values."""
        return {**column_overrides(self.columns), **base_model_override(self.model)}


@dataclass(frozen=True)
class RecommendSettings:
    """Names the configurations to try first on a dataset, by what earlier tasks taught; trains nothing.

    Args:
        task: Folder, file or hub id of the dataset, or ``suite:NAME`` for a built-in task.
        recipe: Fit YAML that every configuration is set in; names the base model.
        output: Folder of the recommendations: a fit YAML of each, and their table.
        model: Base model in the place of the recipe's: a name, a folder, a ``.gguf`` file or a hub id.
        columns: The dataset's keys by those that are known here, as in ``question=Frage,answer=Antwort``.
        surrogates: What earlier tasks taught. ``curves`` predicts scores, if it is given, and ``cost`` seconds.
        experience: As for ``tune``; the shipped one of the miniature Phi-3 if neither it nor ``surrogates`` is given.
        space: YAML of the search space; that of the surrogates if left out.
        k: How many configurations to recommend.
        pool_size: Candidate configurations, of which the default is one; half as many that did best on earlier tasks
            are added.
        seed: Seed of the candidates and of the trials that the YAMLs describe.
        allow_other_base_model: Whether surrogates may be used that were trained on another base model.
        partial: Whether surrogates of another search space may be used: they are asked by what both know, a value
            beyond their bounds as the bound, and what they don't know is left out.
    """

    task: str
    recipe: Path_fr
    output: str
    model: str | None = None
    columns: str | None = None
    surrogates: SurrogateSources | None = None
    experience: str | None = None
    space: Path_fr | None = None
    k: int = 5
    pool_size: int = 512
    seed: int = 0
    allow_other_base_model: bool = False
    partial: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.pool_size:
            raise ValueError(
                f"`k` is {self.k} and `pool_size` {self.pool_size}, but the k best of the pool are recommended, so `k` "
                "must be at least 1 and at most `pool_size`. Lower `k`, or raise `pool_size`."
            )

    @property
    def overrides(self) -> dict[str, Any]:
        """Keys of the recipe that these settings set, with their values."""
        return {**column_overrides(self.columns), **base_model_override(self.model)}


def _from_anywhere(place: str, names: Collection[str]) -> str:
    """A folder as it is found from any other one; a name or URI as it is."""
    return place if place in names or ":/" in place else str(Path(place).absolute())
