"""Asynchronous successive halving that stops trainings, for orders that are worth following."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from lightning_quicktune.search.lengths import Lengths, as_lengths
from lightning_quicktune.search.pool import by_id
from lightning_quicktune.search.progress import Progress
from lightning_quicktune.search.sorted_keys import SortedKeys
from lightning_quicktune.search.successive_halving_searcher import rung_shares
from lightning_quicktune.types import Configuration, Observation, Suggestion


class StoppingSearcher:
    """Trains configurations in a given order, each as long as it is among the best of every rung that it comes to.

    So the first one is trained to the end, before anything is compared, where ``SuccessiveHalvingSearcher`` begins
    many. A rung is a share of a configuration's own training: 1 over a power of ``eta``, rounded up to whole slices.
    One that is not among the best ``1 / eta``, of those that came there so far, is stopped. A failed one counts as the
    worst of the rung it was on its way to. Once every configuration was started, the best ones go on.

    Args:
        pool: Distinct configurations, in the order in which they are started.
        lengths: Slices of each full training; a number if all are alike.
        eta: One in how many goes on, at least 2.

    References:
        Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht and Talwalkar (2020), A System for Massively
        Parallel Hyperparameter Tuning; Tiao, Klein, Archambeau and Seeger (2020), Model-based Asynchronous
        Hyperparameter and Neural Architecture Search (the stopping variant).
    """

    def __init__(self, pool: Sequence[Configuration], lengths: Lengths | int, eta: int = 3) -> None:
        self._pool = by_id(pool)
        self._progress, self._lengths, self._eta = Progress(lengths), as_lengths(lengths), eta
        self.rungs = rung_shares(self._lengths.longest, eta)
        self._new = deque(self._pool)
        self._ranked = [SortedKeys() for _ in self.rungs]  # all that came to a rung, best first
        self._passed: dict[str, int] = {}  # rungs at which a configuration was compared
        self._going: dict[str, None] = {}  # those that may go on, in the order in which they came

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return self._progress.pending

    def ask(self) -> Suggestion | None:
        """Whichever may go on, to its next rung; else the next new configuration, to its first."""
        for config_id in self._going:
            del self._going[config_id]
            return self._suggest(config_id)
        while self._new:
            config_id = self._new.popleft()
            if self._progress.is_open(config_id) and not self._progress.scores(config_id):
                return self._suggest(config_id)
        best = self._progress.best_open(self._pool.values())
        return None if best is None else self._progress.suggest_to_end(best)

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion."""
        configuration = observation.configuration
        config_id = configuration.id
        self._pool.setdefault(config_id, configuration)
        self._progress.record(observation)
        self._going.pop(config_id, None)
        if self._is_among_the_best(config_id) and self._progress.is_open(config_id):
            self._going[config_id] = None

    def _suggest(self, config_id: str) -> Suggestion:
        share = self.rungs[self._passed.get(config_id, 0)]
        return self._progress.suggest(self._pool[config_id], self._lengths.at_share(config_id, share))

    def _is_among_the_best(self, config_id: str) -> bool:
        """Compares it at each rung that it has come to; whether it is among the best at the last of them."""
        scores, rung, goes_on = self._progress.scores(config_id), self._passed.get(config_id, 0), True
        while rung < len(self.rungs):
            reached = self._lengths.at_share(config_id, self.rungs[rung]) <= len(scores)
            if not reached and not self._progress.has_failed(config_id):
                break
            ranked = self._ranked[rung]
            score = scores[self._lengths.at_share(config_id, self.rungs[rung]) - 1] if reached else -math.inf
            key = (-score, len(ranked))  # on a tie the first is better
            ranked.set(key, True)
            goes_on = ranked.position(key) < math.ceil(len(ranked) / self._eta)
            rung = rung + 1 if reached else len(self.rungs)
        self._passed[config_id] = rung
        return goes_on
