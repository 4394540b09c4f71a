"""Transfer of learning curves as long as the new task is like those that are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher, Forecast
from lightning_quicktune.surrogate.curves.points import PointForecasts
from lightning_quicktune.surrogate.curves.pool_prior import PoolPrior
from lightning_quicktune.types import Configuration, Observation, Suggestion

MOST = 1e6  # ratio that is said exactly
LIMIT = 20.0  # times as likely as by transfer that scores may be without
CAP = 1.5  # most that one score adds to the log of that ratio: it takes two, maybe of one curve
LEAST_STD = 0.003  # of a forecast: no score is foretold better than that


@dataclass(frozen=True)
class Verdict:
    """Whether a task is like those that are known, by its scores so far.

    Args:
        forecasts: What was predicted of each, and observed.
        evidence: Log of how many times likelier they are by what earlier tasks taught than without it.
        lowest: The lowest that it was after any of them.
        n_lowest: After how many that was.
    """

    forecasts: tuple[Forecast, ...]
    evidence: float
    lowest: float
    n_lowest: int = 0

    @property
    def is_unlike(self) -> bool:
        """Whether, at some time, not knowing the earlier tasks predicted that much better."""
        return self.lowest < -math.log(LIMIT)

    @property
    def words(self) -> str:
        """The verdict in one sentence for people."""
        if not self.is_unlike:
            return (
                f"The first {len(self.forecasts)} scores are {_times(self.evidence)} times as likely by what earlier "
                f"tasks taught as without it; below 1/{LIMIT:g} it would not be used any more."
            )
        worst = max(self.forecasts, key=lambda f: abs(f.residual))
        return (
            f"This task is unlike those that are known: its first {self.n_lowest} scores are {_times(-self.lowest)} "
            f"times as likely without what earlier tasks taught as with it, where {LIMIT:g} is the limit. Furthest off "
            f"is {worst.configuration.id} at slice {worst.fidelity}: {min(max(worst.mean, 0.0), 1.0):.3f} ± "
            f"{worst.std:.3f} was predicted and {worst.observed:.3f} observed. While that holds, the search goes on by "
            "this task's learning curves alone."
        )


def _times(log_ratio: float) -> str:
    """A ratio in words, whatever its logarithm."""
    return f"{math.exp(log_ratio):.3g}" if log_ratio < math.log(MOST) else f"over {MOST:,.0f}"


def without_configurations(prior: PoolPrior) -> PoolPrior:
    """The prior of somebody who knows scale and shape of curves, and how alike neighbours are, but no configuration.

    All have the same mean and cost; what they differ by is all residual.

    Args:
        prior: What was taught.
    """
    own = np.diag(prior.finals).mean()
    spread = prior.mean[:, -1].var() + np.square(prior.loadings[:, -1]).sum(1).mean() + own
    return replace(
        prior,
        mean=np.broadcast_to(prior.mean.mean(0), prior.mean.shape).copy(),
        loadings=np.zeros_like(prior.loadings),
        finals=prior.finals * (spread / own),
        log_cost=np.zeros_like(prior.log_cost),
    )


class GuardedSearcher:
    """Searches by transfer, and compares how well scores are predicted with it and without.

    Without it are two: one that knows no configuration, but scale and shape of curves; and one that shares nothing with
    what was taught. For each, the log ratio of likelihoods is summed up, each score's part within ``CAP`` either way,
    so that no single surprise decides, and with deviations of at least ``LEAST_STD``, so that no certainty does. If one
    of them falls below 1/``LIMIT``, the search goes on by the other prior that predicts best, told every score; and by
    transfer again once the evidence is for it. Nothing is trained for the sake of the comparison.

    Args:
        transfer: Searches by transfer.
        others: Search the same pool without.

    References:
        Kass and Raftery (1995), Bayes Factors.
    """

    def __init__(self, transfer: CurveTransferSearcher, others: Sequence[CurveTransferSearcher]) -> None:
        self._transfer, self._others = transfer, tuple(others)
        self._points = [PointForecasts(other.prior) for other in others]
        self._evidence = np.zeros(len(self._others))
        self._lowest = 0.0
        self._told: list[Observation] = []
        self._passed_on = [0] * len(self._others)  # observations; others are rarely asked, and told when they are
        self._n_weighed = self._n_lowest = 0
        self._is_fallen_back = False
        self._pending: dict[str, Configuration] = {}

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return frozenset(self._pending.values())

    @property
    def verdict(self) -> Verdict:
        """Whether the task is like those that are known, as far as was seen."""
        return Verdict(tuple(self._transfer.forecasts), float(self._evidence.min()), self._lowest, self._n_lowest)

    def ask(self) -> Suggestion | None:
        """What transfer suggests, or the best other one while the evidence is against what was taught."""
        asked = self._caught_up(int(self._evidence.argmin())) if self._is_fallen_back else self._transfer
        while (suggestion := asked.ask()) is not None:
            if suggestion.configuration.id not in self._pending:  # suggested by another one
                self._pending[suggestion.configuration.id] = suggestion.configuration
                return suggestion
        return None

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion, and weighs its scores."""
        self._pending.pop(observation.configuration.id, None)
        self._transfer.tell(observation)
        self._told.append(observation)
        self._weigh()

    def _caught_up(self, place: int) -> CurveTransferSearcher:
        """One of the others, told everything."""
        for observation in self._told[self._passed_on[place] :]:
            self._others[place].tell(observation)
        self._passed_on[place] = len(self._told)
        return self._others[place]

    def _weigh(self) -> None:
        """Adds the scores that are new to the evidence, each predicted from those before it."""
        for n, taught in enumerate(self._transfer.forecasts[self._n_weighed :], start=self._n_weighed + 1):
            where = self._transfer.place_of(taught)
            known = _log_density(taught.observed, taught.mean, taught.std)
            for place, points in enumerate(self._points):
                ratio = known - _log_density(taught.observed, *points.forecast(*where, taught.error))
                self._evidence[place] += min(max(ratio, -CAP), CAP)
                points.observe(*where, taught.observed, taught.error)
            least = float(self._evidence.min())
            if least < self._lowest:
                self._lowest, self._n_lowest = least, n
            self._is_fallen_back = least < (0.0 if self._is_fallen_back else -math.log(LIMIT))
        self._n_weighed = len(self._transfer.forecasts)


def _log_density(observed: float, mean: float, std: float) -> float:
    return float(norm.logpdf(observed, mean, max(std, LEAST_STD)))
