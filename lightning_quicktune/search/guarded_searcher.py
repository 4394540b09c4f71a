"""Transfers learning curves as long as the new task is like those that are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import norm

from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher, Forecast
from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior
from lightning_quicktune.types import Configuration, Observation, Suggestion

PROBE = 3  # after so many observations something is tried that is expected to do worse
MOST = 1e6  # ratio that is said exactly
LIMIT = 20.0  # times as likely as by transfer that scores may be without


@dataclass(frozen=True)
class Verdict:
    """Whether a task is like those that are known, by its scores so far.

    Args:
        forecasts: What was predicted of each, and observed.
        evidence: Log of how many times likelier they are by what earlier tasks taught than without it.
        lowest: The lowest that it was after any of them.
    """

    forecasts: tuple[Forecast, ...]
    evidence: float
    lowest: float

    @property
    def is_unlike(self) -> bool:
        """Whether, at some time, not knowing the earlier tasks predicted that much better."""
        return self.lowest < -math.log(LIMIT)

    @property
    def words(self) -> str:
        """The verdict in one sentence for people."""
        n = len(self.forecasts)
        if not self.is_unlike:
            return (
                f"The first {n} scores are {_times(self.evidence)} times as likely by what earlier tasks taught "
                f"of configurations as without it; below 1/{LIMIT:g} it would not be used any more."
            )
        worst = max(self.forecasts, key=lambda f: abs(f.residual))
        return (
            f"This task is unlike those that are known: its first {n} scores are {_times(-self.lowest)} times as "
            f"likely without what earlier tasks taught of configurations as with it, where {LIMIT:g} is the limit. "
            f"Furthest off is {worst.configuration.id} at slice {worst.fidelity}: {worst.mean:.3f} ± {worst.std:.3f} "
            f"was predicted and {worst.observed:.3f} observed. What earlier tasks taught of configurations is not used "
            "any more, and the search goes on by this task's learning curves alone."
        )


def _times(log_ratio: float) -> str:
    """A ratio in words, whatever its logarithm."""
    return f"{math.exp(log_ratio):.3g}" if log_ratio < math.log(MOST) else f"over {MOST:,.0f}"


class GuardedSearcher:
    """Searches by transfer, and compares how well scores are predicted with and without what earlier tasks taught.

    The ratio of the two likelihoods is followed through the search; if it falls below 1/``LIMIT``, the task is unlike
    what is known, and it falls back to a searcher that knows no configuration, told everything that was trained. If
    scores follow what earlier tasks taught, that happens with a probability of 1/``LIMIT`` at most, however long the
    search: the inverse ratio is a martingale then. Once, early on, it tries something that is expected to do worse:
    among the best alone, both expect the same.

    Args:
        transfer: Searches by transfer.
        fallback: Searches without, over the same pool.

    References:
        Ville (1939), on martingales; Shafer et al. (2011), Test Martingales, Bayes Factors and p-Values.
    """

    def __init__(self, transfer: CurveTransferSearcher, fallback: Searcher) -> None:
        self._transfer, self._fallback = transfer, fallback
        self._untaught = CurvePosterior(transfer.prior.without_transfer())
        self._evidence = self._lowest = 0.0
        self._n_weighed = 0
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
        return Verdict(tuple(self._transfer.forecasts), self._evidence, self._lowest)

    def ask(self) -> Suggestion | None:
        """What transfer suggests, once a contrast to it, and after the fall back what the other searcher suggests."""
        if self._fell_back:
            return self._asked_of_fallback()
        if len(self._told) + len(self._transfer.pending) == PROBE:
            return self._transfer.probe() or self._transfer.ask()
        return self._transfer.ask()

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion, and falls back if the evidence is against what earlier tasks taught."""
        self._told.append(observation)
        if self._fell_back:
            self._waiting -= {observation.configuration}
            self._fallback.tell(observation)
            return
        self._transfer.tell(observation)
        self._weigh()
        if self.verdict.is_unlike:
            self._fall_back(self._told)

    def _weigh(self) -> None:
        """Adds the scores that are new to the evidence, each predicted from those before it."""
        for forecast in self._transfer.forecasts[self._n_weighed :]:
            where = self._transfer.place_of(forecast)
            mean, std = self._untaught.forecast(*where)
            taught, untaught = norm.logpdf(forecast.observed, (forecast.mean, mean), (forecast.std, std)).tolist()
            self._evidence += taught - untaught
            self._lowest = min(self._lowest, self._evidence)
            self._untaught.observe(*where, forecast.observed)
        self._n_weighed = len(self._transfer.forecasts)

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
