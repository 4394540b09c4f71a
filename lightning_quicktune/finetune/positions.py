"""Positions that a base model reads in the same way, whatever else is in the batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_BY_LENGTH = ("longrope", "dynamic")  # kinds of rotary embeddings that change for every row once one row is long


def most_positions(config: Any) -> int | None:
    """Most tokens of a row, or none if the configuration sets no limit.

    With some rotary embeddings (Phi-3's for 128k, NTK-aware ones) a row that is longer than those of the first training
    changes what all rows of its batch mean. There, that length is the limit: else the loss of a record would depend on
    which others it is read with.

    Args:
        config: Configuration of the base model.
    """
    limits = [getattr(config, "max_position_embeddings", None), *_changes(config)]
    return min((limit for limit in limits if limit is not None), default=None)


def _changes(config: Any) -> Iterator[int | None]:
    """Lengths at which a rotary embedding of the model changes."""
    rope = getattr(config, "rope_parameters", None) or {}
    for each in rope.values() if all(isinstance(value, dict) for value in rope.values()) else [rope]:
        if each.get("rope_type") in _BY_LENGTH:
            yield each.get("original_max_position_embeddings") or getattr(
                config, "original_max_position_embeddings", None
            )
