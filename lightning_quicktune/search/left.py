"""What a search may still spend, for searchers that plan with it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Left:
    """What is left of a budget; who spends it keeps it up to date before each question, and searchers read it.

    Args:
        seconds: Seconds for training; infinite where time isn't limited, or nobody says.
        slices: Slices that are neither trained nor promised to what runs, likewise.
        usual_slice_s: Seconds that a slice of the pool's median configuration takes, before any was seen; not a number
            if unknown.
    """

    seconds: float = math.inf
    slices: float = math.inf
    usual_slice_s: float = math.nan

    @property
    def is_limited(self) -> bool:
        """Whether anything limits what may be trained."""
        return math.isfinite(self.seconds) or math.isfinite(self.slices)
