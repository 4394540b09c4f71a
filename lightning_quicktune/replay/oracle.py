"""The order that no method can know: by the final scores of the very task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lightning_quicktune.replay.recorded import Recorded
from lightning_quicktune.types import Configuration


def best_first(pool: Sequence[Configuration], trials: Mapping[str, Recorded]) -> tuple[Configuration, ...]:
    """A pool by final score, best first; what failed comes last.

    Args:
        pool: The configurations.
        trials: The recorded trial of each, by its id.
    """

    def final(configuration: Configuration) -> float:
        recorded = trials[configuration.id]
        return recorded.slices[-1].score if recorded.is_full else -math.inf

    return tuple(sorted(pool, key=final, reverse=True))
