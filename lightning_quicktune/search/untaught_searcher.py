"""A search that knows of other tasks only what is worth trying first."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_quicktune.search.curve_searchers import UntaughtCurves, curve_searcher
from lightning_quicktune.search.knowledge import SearchContext
from lightning_quicktune.search.lengths import Lengths
from lightning_quicktune.search.progress import Progress
from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.types import Configuration, Observation, Suggestion

LOOK = 3  # the part of its training after which one that was tried first is compared: a third


def untaught_after(context: SearchContext) -> Searcher:
    """Tries what ``context.first`` names, and then goes by this task's learning curves alone.

    Args:
        context: The new task and its pool, in which ``first`` is.
    """
    searcher = curve_searcher(context, UntaughtCurves(context).pool_prior(context.pool))
    return LookingFirstSearcher(context.first, searcher, context.lengths or context.task.max_fidelity)


class LookingFirstSearcher:
    """Trains some configurations for a third of their training each, then goes on as another searcher does.

    Args:
        first: What is tried first, in that order.
        then: Goes on, and is told of everything.
        lengths: Slices of each full training; a number if all are alike.
    """

    def __init__(self, first: Sequence[Configuration], then: Searcher, lengths: Lengths | int) -> None:
        self._first, self._then, self._progress = tuple(first), then, Progress(lengths)

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return self._progress.pending | self._then.pending

    def ask(self) -> Suggestion | None:
        """The next of the first ones that wasn't seen long enough, then what the other searcher suggests."""
        for configuration in self._first:
            look = -(-self._progress.lengths.of(configuration.id) // LOOK)
            is_open = self._progress.is_open(configuration.id)
            if is_open and len(self._progress.scores(configuration.id)) < look:
                return self._progress.suggest(configuration, look)
        while (suggestion := self._then.ask()) is not None:
            if suggestion.configuration not in self._progress.pending:
                return suggestion
        return None

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion."""
        if observation.configuration in self._first:
            self._progress.record(observation)
        self._then.tell(observation)
