"""The card of a surrogate: what it was made for, the part of its artifact that people can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from lightning_quicktune.metadataset.layout import Layout
from lightning_quicktune.space.mapping import map_configuration, shared_hyperparameters
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration, TaskInfo

Kind = Literal["performance", "cost", "curves"]


@dataclass(frozen=True, eq=False)
class SurrogateCard:
    """What a surrogate predicts, from which inputs, and where it was learned.

    Args:
        kind: What is predicted.
        space: Search space of the configurations.
        layout: Layout of the inputs; names the meta-features.
        metric: Name of the score.
        base_models: Names of the base models of the training tasks.
        hidden: Width of the networks; 0 for a surrogate without.
        features: Width of the deep kernel's features; 0 for a surrogate without.
        provenance: Origin of the meta-dataset, tasks and package versions, for readers.
        maps_from: Another search space whose configurations are asked by what both know; none if it is ``space``.
    """

    kind: Kind
    space: SearchSpace
    layout: Layout
    metric: str
    base_models: tuple[str, ...]
    hidden: int
    features: int
    provenance: Mapping[str, Any] = field(default_factory=dict)
    maps_from: SearchSpace | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "kind": self.kind,
            "space": self.space.to_dict(),
            "layout": asdict(self.layout),
            "metric": self.metric,
            "base_models": list(self.base_models),
            "hidden": self.hidden,
            "features": self.features,
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> SurrogateCard:
        """Reads what ``to_dict`` wrote."""
        layout = {**record["layout"], "meta_features": tuple(record["layout"]["meta_features"])}
        return cls(
            kind=record["kind"],
            space=SearchSpace.from_dict(record["space"]),
            layout=Layout(**layout),
            metric=record["metric"],
            base_models=tuple(record["base_models"]),
            hidden=record["hidden"],
            features=record["features"],
            provenance=record["provenance"],
        )

    def encode(self, configurations: Sequence[Configuration]) -> Float[np.ndarray, "N D"]:
        """Configurations as the surrogate takes them, see ``SearchSpace.encode``.

        Args:
            configurations: Points of ``maps_from``, or of ``space`` if that is none.
        """
        if self.maps_from is None:
            return self.space.encode(configurations)
        return self.space.encode([map_configuration(c, self.maps_from, self.space) for c in configurations])

    def check_task(self, task: TaskInfo) -> None:
        """Refuses a task whose score is another one; a lacking meta-feature is found when inputs are laid out.

        Args:
            task: Record of the task.

        Raises:
            ValueError: If the metric differs.
        """
        if task.metric != self.metric:
            raise ValueError(
                f"Task {task.name!r} is scored by {task.metric!r}, but the surrogate learned {self.metric!r}, and "
                "their scores can't be compared. Score the task by the surrogate's metric, or use another surrogate."
            )

    def used_in(
        self, space: SearchSpace, base_model: str, allow_other_base_model: bool, partial: bool = False
    ) -> SurrogateCard:
        """The card for a search; another search space or base model than the surrogate was made for is refused.

        Args:
            space: The search space of the search.
            base_model: Name of the base model that will be finetuned.
            allow_other_base_model: Whether another base model is fine.
            partial: Whether another search space is fine, if it shares a hyperparameter; what both know is then mapped.

        Returns:
            The card, which maps configurations of the search if its space is another one.

        Raises:
            ValueError: If either differs.
        """
        differences = self.space.differences(space)
        if differences and partial and not shared_hyperparameters(space, self.space):
            raise ValueError(
                "`partial: true` maps what two search spaces share, but the surrogate's and yours have no "
                f"hyperparameter in common that sets the same key: {', '.join(self.space.names)} there, "
                f"{', '.join(space.names)} here. Use the surrogate's own space, or train one on trials of yours."
            )
        if differences and not partial:
            raise ValueError(
                "The surrogate was made for another search space (first: the surrogate's, second: yours): "
                f"{'; '.join(differences)}. Its predictions would mean other configurations. "
                "Use the surrogate's own space, train a surrogate on trials of yours, or set `partial: true` to map "
                "what both know."
            )
        if base_model not in self.base_models and not allow_other_base_model:
            raise ValueError(
                f"The surrogate was made for the base model {', '.join(self.base_models)}, but {base_model} is to be "
                "finetuned, and what works on one may not on the other. Train a surrogate on trials of "
                f"{base_model}, or set `allow_other_base_model: true` to transfer all the same."
            )
        return replace(self, maps_from=space if differences else None)
