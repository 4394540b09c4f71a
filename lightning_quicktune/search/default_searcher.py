"""No search: the default configuration."""

from __future__ import annotations

from lightning_quicktune.search.progress import Progress
from lightning_quicktune.types import Configuration, Observation, Suggestion


class DefaultSearcher:
    """Trains the default configuration to the end, then suggests nothing more.

    Args:
        default: The configuration a careful practitioner would use.
        max_fidelity: Slices of a full training.
    """

    def __init__(self, default: Configuration, max_fidelity: int) -> None:
        self._default = default
        self._progress = Progress(max_fidelity)

    @property
    def pending(self) -> frozenset[Configuration]:
        """The default configuration while it is being trained."""
        return self._progress.pending

    def ask(self) -> Suggestion | None:
        """The default configuration, to the end of its training."""
        if not self._progress.is_open(self._default.id):
            return None
        return self._progress.suggest(self._default, self._progress.max_fidelity)

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion."""
        self._progress.record(observation)
