"""Full trainings in a given order, or none at all."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_quicktune.search.lengths import Lengths
from lightning_quicktune.search.pool import by_id
from lightning_quicktune.search.progress import Progress
from lightning_quicktune.search.sorted_keys import SortedKeys
from lightning_quicktune.types import Configuration, Observation, Suggestion


class OrderedSearcher:
    """Trains configurations to the end, one after another.

    In a random order (``shuffled``) it is random search; with the default configuration alone, no search.

    Args:
        pool: Distinct configurations, in the order in which they are trained.
        lengths: Slices of each full training; a number if all are alike.
    """

    def __init__(self, pool: Sequence[Configuration], lengths: Lengths | int) -> None:
        configurations = by_id(pool)
        self._pool, self._places = list(configurations.values()), {c: i for i, c in enumerate(configurations)}
        self._progress = Progress(lengths)
        self._open = SortedKeys((0.0, place) for place in range(len(self._pool)))

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return self._progress.pending

    def ask(self) -> Suggestion | None:
        """The next configuration that hasn't had all its training, to its end."""
        key = self._open.first
        if key is None:
            return None
        self._open.set(key, False)
        return self._progress.suggest_to_end(self._pool[key[1]])

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion."""
        self._progress.record(observation)
        place = self._places.get(observation.configuration.id)
        if place is not None:
            self._open.set((0.0, place), self._progress.is_open(observation.configuration.id))


class ZeroShotSearcher:
    """Suggests nothing: the untrained base model, with which every search should be compared."""

    @property
    def pending(self) -> frozenset[Configuration]:
        """Nothing is ever pending."""
        return frozenset()

    def ask(self) -> Suggestion | None:
        """Nothing."""
        return None

    def tell(self, observation: Observation) -> None:
        """Changes nothing."""
