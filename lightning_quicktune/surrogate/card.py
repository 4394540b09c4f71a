"""What a surrogate was made for: the part of its artifact that people can read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lightning_quicktune.metadataset.layout import Layout
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import TaskInfo

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
    """

    kind: Kind
    space: SearchSpace
    layout: Layout
    metric: str
    base_models: tuple[str, ...]
    hidden: int
    features: int
    provenance: Mapping[str, Any] = field(default_factory=dict)

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

    def check_use(self, space: SearchSpace, base_model: str, allow_other_base_model: bool) -> None:
        """Refuses another search space or base model than the surrogate was made for.

        Args:
            space: The search space of the search.
            base_model: Name of the base model that will be finetuned.
            allow_other_base_model: Whether another base model is fine.

        Raises:
            ValueError: If either differs.
        """
        differences = self.space.differences(space)
        if differences:
            raise ValueError(
                "The surrogate was made for another search space (first: the surrogate's, second: yours): "
                f"{'; '.join(differences)}. Its predictions would mean other configurations. "
                "Use the surrogate's own space, or train a surrogate on trials of yours."
            )
        if base_model not in self.base_models and not allow_other_base_model:
            raise ValueError(
                f"The surrogate was made for the base model {', '.join(self.base_models)}, but {base_model} is to be "
                "finetuned, and what works on one may not on the other. Train a surrogate on trials of "
                f"{base_model}, or set `allow_other_base_model: true` to transfer all the same."
            )
