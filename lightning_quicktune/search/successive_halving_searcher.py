"""Asynchronous successive halving."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lightning_quicktune.search.pool import by_id
from lightning_quicktune.search.progress import Progress
from lightning_quicktune.types import Configuration, Observation, Suggestion


class SuccessiveHalvingSearcher:
    """Starts many configurations and trains only the best of each rung further (ASHA).

    A rung is a fidelity at which configurations are compared: ``max_fidelity`` over a power of ``eta``, rounded up.
    The best ``1 / eta`` of a rung may go on to the next. New configurations come in the order of the pool, so that a
    good order can be given (or a random one, by ``shuffled``). A failed one counts as the worst of the rung it was
    on its way to. Once every configuration was started, the best ones go on, so that no budget is left unused.

    Args:
        pool: Distinct configurations, in the order in which they are started.
        max_fidelity: Slices of a full training.
        eta: One in how many goes on to the next rung, at least 2.

    References:
        Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht and Talwalkar (2020), A System for Massively
        Parallel Hyperparameter Tuning, algorithm 2.
    """

    def __init__(self, pool: Sequence[Configuration], max_fidelity: int, eta: int = 3) -> None:
        self._configurations = by_id(pool)
        self._progress = Progress(max_fidelity)
        self._eta = eta
        self.rungs = rung_fidelities(max_fidelity, eta)

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return self._progress.pending

    def ask(self) -> Suggestion | None:
        """A promotion from the highest rung that has one, else a new configuration."""
        return self._promotion(quota=True) or self._start() or self._promotion(quota=False)

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion."""
        self._configurations.setdefault(observation.configuration.id, observation.configuration)
        self._progress.record(observation)

    def _promotion(self, quota: bool) -> Suggestion | None:
        for rung in reversed(range(len(self.rungs) - 1)):
            ranked, following = self._ranked(self.rungs[rung]), self.rungs[rung + 1]
            for config_id in ranked[: len(ranked) // self._eta] if quota else ranked:
                if self._progress.is_open(config_id) and len(self._progress.scores(config_id)) < following:
                    return self._progress.suggest(self._configurations[config_id], following)
        return None

    def _start(self) -> Suggestion | None:
        for config_id, configuration in self._configurations.items():
            if self._progress.is_open(config_id) and len(self._progress.scores(config_id)) < self.rungs[0]:
                return self._progress.suggest(configuration, self.rungs[0])
        return None

    def _ranked(self, fidelity: int) -> list[str]:
        """Ids of all that have reached a rung or failed on the way from the one below, best first."""
        below = max((r for r in self.rungs if r < fidelity), default=0)
        scores: dict[str, float] = {}
        for config_id in self._configurations:
            curve = self._progress.scores(config_id)
            if len(curve) >= fidelity:
                scores[config_id] = curve[fidelity - 1]
            elif len(curve) >= below and self._progress.has_failed(config_id):
                scores[config_id] = -math.inf
        return sorted(scores, key=lambda config_id: -scores[config_id])  # stable: ties in the order of the pool


def rung_fidelities(max_fidelity: int, eta: int) -> tuple[int, ...]:
    """Fidelities at which successive halving compares, lowest first.

    Args:
        max_fidelity: Slices of a full training.
        eta: Factor between neighbours, at least 2.

    Raises:
        ValueError: If ``eta`` is below 2.
    """
    if eta < 2:
        raise ValueError(
            f"`eta` is {eta}, but successive halving keeps one in `eta` configurations, so it must be at least 2. "
            "Set `eta: 3`, the usual choice."
        )
    rungs = []
    factor = 1
    while factor <= max_fidelity:
        rungs.append(-(-max_fidelity // factor))  # rounded up
        factor *= eta
    return tuple(reversed(rungs))
