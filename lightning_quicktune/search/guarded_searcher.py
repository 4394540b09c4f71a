"""Transfers learning curves as long as the new task is like those that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher, Forecast
from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.surrogate.curves.left_out import PROBES
from lightning_quicktune.surrogate.curves.surprise import WATCHED, surprise
from lightning_quicktune.types import Configuration, Observation, Suggestion


@dataclass(frozen=True)
class Verdict:
    """Whether a task is like those that are known, by its first scores.

    Args:
        forecasts: What was predicted of each, and observed.
        surprise: How far apart the two are.
        bound: What a task like the known ones surprises less than.
    """

    forecasts: tuple[Forecast, ...]
    surprise: float
    bound: float

    @property
    def is_unlike(self) -> bool:
        """Whether the task surprised more than known ones do."""
        return self.surprise > self.bound

    @property
    def words(self) -> str:
        """The verdict in one sentence for people."""
        n = len(self.forecasts)
        if not np.isfinite(self.bound):
            return "Only one earlier task is known, so nothing tells how unlike a new one may be."
        if not self.is_unlike:
            return (
                f"The first {n} scores are as predicted from earlier tasks (surprise {self.surprise:.1f}, at most "
                f"{self.bound:.1f} is usual)."
            )
        worst = max(self.forecasts, key=lambda f: abs(f.residual))
        return (
            f"This task is unlike those that are known: its first {n} scores surprise by {self.surprise:.1f}, where at "
            f"most {self.bound:.1f} is usual. Furthest off is {worst.configuration.id} at slice {worst.fidelity}: "
            f"{worst.mean:.3f} ± {worst.std:.3f} was predicted and {worst.observed:.3f} observed. What earlier tasks "
            "taught is not used any more, and the search goes on by successive halving."
        )


class GuardedSearcher:
    """Searches by transfer, and compares the first scores with their predictions.

    If they are further apart than on training tasks that were left out, the task is unlike what is known: it falls back
    to a searcher that transfers nothing, which is told everything that was trained. Once, early on, it tries something
    that is expected to do worse: among the best alone, wrong predictions look like a difficult task.

    Args:
        transfer: Searches by transfer.
        fallback: Searches without; over the same pool.
        bound: What a task like the training tasks surprises less than.
    """

    def __init__(self, transfer: CurveTransferSearcher, fallback: Searcher, bound: float) -> None:
        self._transfer, self._fallback, self._bound = transfer, fallback, bound
        self._told: list[Observation] = []
        self._waiting: frozenset[Configuration] = frozenset()  # pending when it fell back
        self._fell_back = False

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return self._waiting | self._fallback.pending if self._fell_back else self._transfer.pending

    @property
    def verdict(self) -> Verdict:
        """Whether the task is like those that are known, as far as was seen."""
        forecasts = tuple(self._transfer.forecasts[:WATCHED])
        return Verdict(forecasts, surprise(np.array([f.residual for f in forecasts])), self._bound)

    def ask(self) -> Suggestion | None:
        """What transfer suggests, once a contrast to it, and after the fall back what the other searcher suggests."""
        if self._fell_back:
            return self._asked_of_fallback()
        if len(self._told) + len(self._transfer.pending) in PROBES:
            return self._transfer.probe() or self._transfer.ask()
        return self._transfer.ask()

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion, and falls back if it was too surprising."""
        self._told.append(observation)
        if self._fell_back:
            self._waiting -= {observation.configuration}
            self._fallback.tell(observation)
            return
        watching = len(self._transfer.forecasts) < WATCHED
        self._transfer.tell(observation)
        if watching and self.verdict.is_unlike:
            self._fall_back(self._told)

    def _fall_back(self, told: Sequence[Observation]) -> None:
        self._fell_back, self._waiting = True, self._transfer.pending
        for observation in told:
            self._fallback.tell(observation)

    def _asked_of_fallback(self) -> Suggestion | None:
        """Its next suggestion; what already runs stays pending there until it is told."""
        while (suggestion := self._fallback.ask()) is not None:
            if suggestion.configuration not in self._waiting:
                return suggestion
        return None
