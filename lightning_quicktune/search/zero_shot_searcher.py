"""No training at all."""

from __future__ import annotations

from lightning_quicktune.types import Configuration, Observation, Suggestion


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
