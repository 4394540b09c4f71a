"""Lengths: how long each configuration's own full training is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

_ROUNDING = 1e-9  # so that a share of whole slices is not rounded up to one more


@dataclass(frozen=True)
class Lengths:
    """Slices of a full training: the number of epochs, their size and how often is validated may be tuned themselves.

    Trainings of different lengths are compared by the share of their own that they have had.

    Args:
        usual: Slices of a full training that is not listed.
        own: Slices of a full training of some configurations, by their ids.
    """

    usual: int
    own: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def longest(self) -> int:
        """Slices of the longest full training."""
        return max([self.usual, *self.own.values()])

    @cached_property
    def differ(self) -> bool:
        """Whether not all are alike."""
        return any(length != self.usual for length in self.own.values())

    def of(self, config_id: str) -> int:
        """Slices of a configuration's own full training."""
        return self.own.get(config_id, self.usual)

    def at_share(self, config_id: str, share: float) -> int:
        """Slices after which a configuration has had a share of its own training.

        Args:
            config_id: Id of the configuration.
            share: Above 0, up to 1 for the end; rounded up to whole slices, at least 1.
        """
        return max(1, math.ceil(share * self.of(config_id) - _ROUNDING))


def as_lengths(lengths: Lengths | int) -> Lengths:
    """Lengths, of which a single number stands for all alike."""
    return lengths if isinstance(lengths, Lengths) else Lengths(lengths)
