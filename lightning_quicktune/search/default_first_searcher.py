"""A head start that anybody has: the default configuration."""

from __future__ import annotations

from lightning_quicktune.search.lengths import Lengths
from lightning_quicktune.search.progress import Progress
from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.types import Configuration, Observation, Suggestion


class DefaultFirstSearcher:
    """Trains one configuration to the end, then goes on as another searcher does, which is told of it.

    Args:
        first: What is trained first.
        then: What goes on.
        lengths: Slices of each full training; a number if all are alike.
    """

    def __init__(self, first: Configuration, then: Searcher, lengths: Lengths | int) -> None:
        self._first, self._then, self._progress = first, then, Progress(lengths)

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return self._progress.pending | self._then.pending

    def ask(self) -> Suggestion | None:
        """The first configuration to its end, then what the other searcher suggests."""
        if self._progress.is_open(self._first.id):
            return self._progress.suggest_to_end(self._first)
        while (suggestion := self._then.ask()) is not None:
            if suggestion.configuration not in self._progress.pending:
                return suggestion
        return None

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion."""
        if observation.configuration == self._first:
            self._progress.record(observation)
        self._then.tell(observation)
