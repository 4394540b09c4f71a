"""Random search."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_quicktune.search.pool import by_id, shuffled
from lightning_quicktune.search.progress import Progress
from lightning_quicktune.types import Configuration, Observation, Suggestion


class RandomSearcher:
    """Trains configurations of the pool to the end, one after another in a random order.

    Args:
        pool: Distinct configurations.
        max_fidelity: Slices of a full training.
        seed: Seed of the order.
    """

    def __init__(self, pool: Sequence[Configuration], max_fidelity: int, seed: int) -> None:
        self._order = by_id(shuffled(pool, seed))
        self._progress = Progress(max_fidelity)

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return self._progress.pending

    def ask(self) -> Suggestion | None:
        """The next configuration that hasn't had all its training, to its end."""
        for config_id, configuration in self._order.items():
            if self._progress.is_open(config_id):
                return self._progress.suggest(configuration, self._progress.max_fidelity)
        return None

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion."""
        self._progress.record(observation)
