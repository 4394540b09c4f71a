"""A search over few configurations: once as many were begun as may be, the best of them are trained to their end."""

from __future__ import annotations

from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.types import Configuration, Observation, Suggestion


class FewTrialsSearcher:
    """Asks another searcher, and where that wants one configuration too many, goes on with the best that was begun.

    Args:
        searcher: Who decides.
        n_trials: Configurations that may be tried, at least 1.
        max_fidelity: Slices of a full training.
    """

    def __init__(self, searcher: Searcher, n_trials: int, max_fidelity: int) -> None:
        self._searcher, self._n_trials, self._max_fidelity = searcher, n_trials, max_fidelity
        self._scores: dict[Configuration, tuple[float, ...]] = {}  # of configurations that were begun
        self._failed: set[Configuration] = set()
        self._pending: set[Configuration] = set()

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return frozenset(self._pending)

    def ask(self) -> Suggestion | None:
        """What the other searcher suggests as long as it may; then the rest of what has scored best."""
        suggestion = self._searcher.ask()
        while suggestion is not None and suggestion.configuration in self._pending:
            suggestion = self._searcher.ask()
        if suggestion is not None:
            begun = {*self._scores, *self._pending}
            if suggestion.configuration not in begun and len(begun) >= self._n_trials:
                suggestion = self._best_unfinished()
        if suggestion is not None:
            self._pending.add(suggestion.configuration)
        return suggestion

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion."""
        configuration = observation.configuration
        self._pending.discard(configuration)
        self._scores[configuration] = observation.curve.scores
        if observation.failed:
            self._failed.add(configuration)
        self._searcher.tell(observation)

    def _best_unfinished(self) -> Suggestion | None:
        left = [
            c
            for c, scores in self._scores.items()
            if c not in self._failed and c not in self._pending and len(scores) < self._max_fidelity
        ]
        best = max(left, key=lambda c: max(self._scores[c], default=0.0), default=None)
        return None if best is None else Suggestion(best, self._max_fidelity)
