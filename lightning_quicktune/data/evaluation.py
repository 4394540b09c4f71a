"""The records that validation and test use, and the check of all sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


def evenly_spaced(items: Sequence[T], limit: int) -> Sequence[T]:
    """At most ``limit`` items, in their order, always the same ones.

    Args:
        items: What to choose from.
        limit: Most items, at least 1.
    """
    return [items[i * len(items) // limit] for i in range(limit)] if len(items) > limit else items


def check_positive(key: str, value: int | None) -> None:
    """Refuses sizes below 1.

    Args:
        key: Name below ``data.init_args``.
        value: A count, or none.

    Raises:
        ValueError: If nothing would be left.
    """
    if value is not None and value < 1:
        raise ValueError(
            f"`data.init_args.{key}` is {value}, but it counts records or tokens, and fewer than 1 leaves nothing to "
            "train on or to score. Raise it."
        )


@dataclass(frozen=True)
class EvaluationSettings:
    """How much of validation and test is used.

    Args:
        batch_size: Records per device and batch.
        max_eval_records: Most records of a split that are scored, evenly spaced; all if left out.
        max_generation_records: Most records of a split that answers are generated for, or chosen from a closed set,
            evenly spaced; all if left out.
        max_choices: Most different answers of a closed set.
    """

    batch_size: int = 16
    max_eval_records: int | None = None
    max_generation_records: int | None = 100
    max_choices: int = 64

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_eval_records", "max_generation_records", "max_choices"):
            check_positive(f"evaluation.{name}", getattr(self, name))
