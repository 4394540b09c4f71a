"""What was predicted of a score before it was observed."""

from __future__ import annotations

from dataclasses import dataclass

from lightning_quicktune.types import Configuration


@dataclass(frozen=True)
class Forecast:
    """A score, and what was predicted of it from those before.

    Args:
        configuration: What was trained.
        fidelity: After how many slices.
        mean: Predicted score.
        std: Standard deviation of the prediction, that of measuring included.
        observed: The score; where it is below all that training tasks tell of, the lowest that they do.
        knot: Place of the fidelity among the prior's knots.
        error: Part of the variance by the number of records it was measured on, 0 if unknown.
    """

    configuration: Configuration
    fidelity: int
    mean: float
    std: float
    observed: float
    knot: int
    error: float = 0.0

    @property
    def residual(self) -> float:
        """How far off the prediction was, in its standard deviations."""
        return (self.observed - self.mean) / self.std
