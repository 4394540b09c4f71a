"""A searcher that thinks on one thread, beside trials that train on many."""

from __future__ import annotations

from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.surrogate.threads import one_thread
from lightning_quicktune.types import Configuration, Observation, Suggestion


class OneThreadSearcher:
    """Asks and tells another searcher on one thread.

    Args:
        searcher: Who decides.
    """

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher

    def ask(self) -> Suggestion | None:
        """What the searcher suggests."""
        with one_thread():
            return self._searcher.ask()

    def tell(self, observation: Observation) -> None:
        """Lets the searcher take in what came of a suggestion."""
        with one_thread():
            self._searcher.tell(observation)

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return self._searcher.pending
