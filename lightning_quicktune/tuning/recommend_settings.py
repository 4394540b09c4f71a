"""What ``recommend`` takes; light to import, so that the command line answers quickly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jsonargparse.typing import Path_fr

from lightning_quicktune.data.reading import column_overrides
from lightning_quicktune.presets.preset import base_model_override
from lightning_quicktune.tuning.settings import SurrogateSources


@dataclass(frozen=True)
class RecommendSettings:
    """Names the configurations to try first on a dataset, by what earlier tasks taught; trains nothing.

    Args:
        task: Folder, file or hub id of the dataset, or ``suite:NAME`` for a built-in task.
        recipe: Fit YAML that every configuration is set in; names the base model.
        output: Folder of the recommendations: a fit YAML of each, and their table.
        model: Base model in the place of the recipe's: a name, a folder, a ``.gguf`` file or a hub id.
        columns: The dataset's keys by those that are known here, as in ``question=Frage,answer=Antwort``.
        surrogates: What earlier tasks taught; the shipped ones if left out. ``curves`` predicts scores, if it is given,
            and ``cost`` seconds.
        space: YAML of the search space; that of the surrogates if left out.
        k: How many configurations to recommend.
        pool_size: Candidate configurations; the default is one of them.
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
