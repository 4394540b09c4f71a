"""Rows of the comparison on the test split, the gain between two of them, and answers side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lightning_quicktune.types import Value

RowName = Literal["zero-shot", "default", "strong", "recipe", "chosen"]
ROW_NAMES: tuple[RowName, ...] = ("zero-shot", "default", "strong", "recipe", "chosen")


@dataclass(frozen=True)
class Compared:
    """One row of the comparison.

    Args:
        name: What was tested: the base model as it is, the space's default, a common strong recipe, the user's
            recipe as written, or what was chosen.
        config_id: Its configuration; none for zero-shot.
        fidelity: Slices that its adapter was trained for, 0 for zero-shot.
        validation_score: Score by which that adapter was chosen, in [0, 1].
        test_metrics: Mean of each metric on the test split.
        per_record: The same metrics record by record, in the order of the split; metrics that are generated may be
            measured on fewer.
        cost_s: Seconds of training it and testing it.
        values: Its hyperparameters by name; those that the search space doesn't know of are absent.
        curve: Its validation score after each slice.
    """

    name: RowName
    config_id: str | None
    fidelity: int
    validation_score: float
    test_metrics: Mapping[str, float]
    per_record: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    cost_s: float = 0.0
    values: Mapping[str, Value] = field(default_factory=dict)
    curve: tuple[float, ...] = ()

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Compared:
        """Reads what ``asdict`` gave, from JSON too."""
        per_record = {name: tuple(values) for name, values in record["per_record"].items()}
        return cls(**{**record, "per_record": per_record, "curve": tuple(record["curve"])})


@dataclass(frozen=True)
class Gain:
    """How much better the chosen adapter is on the test split.

    Args:
        over: The row it is compared with.
        metric: What is compared.
        value: Mean difference over the records, above 0 if the chosen one is better.
        lower: Lower end of its 95 % interval, a paired bootstrap over the records.
        upper: Upper end of it.
        n: Records it was measured on.
    """

    over: RowName
    metric: str
    value: float
    lower: float
    upper: float
    n: int


@dataclass(frozen=True)
class Answer:
    """One test record answered by several models.

    Args:
        question: The prompt, as a person wrote it.
        reference: The answer the record has.
        base: Answer of the untrained base model.
        recipe: Answer of the user's recipe; none if that wasn't trained.
        chosen: Answer of what was chosen; none if nothing was.
        flipped: Whether only one of the other models' answer and the chosen one's matches the reference.
    """

    question: str
    reference: str
    base: str
    recipe: str | None
    chosen: str | None
    flipped: bool
