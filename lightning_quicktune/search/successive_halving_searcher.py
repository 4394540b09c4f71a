"""Asynchronous successive halving."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lightning_quicktune.search.lengths import Lengths, as_lengths
from lightning_quicktune.search.pool import by_id
from lightning_quicktune.search.progress import Progress
from lightning_quicktune.search.sorted_keys import Key, SortedKeys
from lightning_quicktune.types import Configuration, Observation, Suggestion


class SuccessiveHalvingSearcher:
    """Starts many configurations and trains only the best of each rung further (ASHA).

    A rung is a share of its own training at which a configuration is compared with others: 1 over a power of ``eta``,
    rounded up to whole slices. The best ``1 / eta`` of a rung may go on to the next. New configurations come in the
    order of the pool, so that a good order can be given (or a random one, by ``shuffled``). A failed one counts as the
    worst of the rung it was on its way to. Once every configuration was started, the best ones go on, so that no budget
    is left unused.

    Args:
        pool: Distinct configurations, in the order in which they are started.
        lengths: Slices of each full training; a number if all are alike.
        eta: One in how many goes on to the next rung, at least 2.

    References:
        Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht and Talwalkar (2020), A System for Massively
        Parallel Hyperparameter Tuning, algorithm 2.
    """

    def __init__(self, pool: Sequence[Configuration], lengths: Lengths | int, eta: int = 3) -> None:
        configurations = by_id(pool)
        self._pool, self._places = list(configurations.values()), {c: i for i, c in enumerate(configurations)}
        self._progress, self._lengths = Progress(lengths), as_lengths(lengths)
        self._eta = eta
        self.rungs = rung_shares(self._lengths.longest, eta)
        self._new = SortedKeys((0.0, place) for place in range(len(self._pool)))
        self._ranked = [SortedKeys() for _ in self.rungs]  # all that a rung compares, best first
        self._waiting = [SortedKeys() for _ in self.rungs]  # those of them that may go on to the next one
        self._keys: dict[tuple[int, int], Key] = {}  # by rung and place

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return self._progress.pending

    def ask(self) -> Suggestion | None:
        """A promotion from the highest rung that has one, else a new configuration."""
        return self._promotion(quota=True) or self._start() or self._promotion(quota=False)

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion."""
        configuration = observation.configuration
        self._progress.record(observation)
        if configuration.id not in self._places:
            self._places[configuration.id] = len(self._pool)
            self._pool.append(configuration)
        self._sort_in(self._places[configuration.id])

    def _promotion(self, quota: bool) -> Suggestion | None:
        for rung in reversed(range(len(self.rungs) - 1)):
            key, ranked = self._waiting[rung].first, self._ranked[rung]
            if key is not None and not (quota and ranked.position(key) >= len(ranked) // self._eta):
                return self._suggest(key[1], rung + 1)
        return None

    def _start(self) -> Suggestion | None:
        key = self._new.first
        return None if key is None else self._suggest(key[1], 0)

    def _suggest(self, place: int, rung: int) -> Suggestion:
        configuration = self._pool[place]
        fidelity = self._lengths.at_share(configuration.id, self.rungs[rung])
        suggestion = self._progress.suggest(configuration, fidelity)
        self._sort_in(place)
        return suggestion

    def _sort_in(self, place: int) -> None:
        """Puts one configuration where it belongs: among the new ones, and in each rung that it has reached."""
        config_id = self._pool[place].id
        scores, is_open = self._progress.scores(config_id), self._progress.is_open(config_id)
        ends = [self._lengths.at_share(config_id, share) for share in self.rungs]
        below_first = is_open and len(scores) < ends[0]
        self._new.set((0.0, place), below_first and not scores)
        self._new.set((-1.0, place), below_first and len(scores) > 0)  # what another searcher has begun
        for rung, (below, fidelity) in enumerate(zip((0, *ends), ends, strict=False)):
            key = self._keys.get((rung, place))
            if key is not None:
                self._ranked[rung].set(key, False)
                self._waiting[rung].set(key, False)
            reached = len(scores) >= fidelity
            if reached or (len(scores) >= below and self._progress.has_failed(config_id)):
                key = (-scores[fidelity - 1] if reached else math.inf, place)  # ties in the order of the pool
                self._keys[rung, place] = key
                self._ranked[rung].set(key, True)
                following = ends[min(rung + 1, len(ends) - 1)]
                self._waiting[rung].set(key, is_open and len(scores) < following)


def rung_shares(longest: int, eta: int) -> tuple[float, ...]:
    """Shares of a full training at which successive halving compares, lowest first; the last is 1.

    Args:
        longest: Slices of the longest full training, whose first rung is one slice at least.
        eta: Factor between neighbours, at least 2.

    Raises:
        ValueError: If ``eta`` is below 2.
    """
    if eta < 2:
        raise ValueError(
            f"`eta` is {eta}, but successive halving keeps one in `eta` configurations, so it must be at least 2. "
            "Set `eta: 3`, the usual choice."
        )
    factors = [1]
    while factors[-1] * eta <= longest:
        factors.append(factors[-1] * eta)
    return tuple(1 / factor for factor in reversed(factors))
