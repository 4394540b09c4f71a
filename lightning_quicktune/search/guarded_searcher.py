"""Transfer of learning curves as long as the new task is like those that are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lightning_quicktune.search.curve_transfer_searcher import CurveTransferSearcher
from lightning_quicktune.search.forecast import Forecast
from lightning_quicktune.surrogate.curves.evidence import CAP, Evidence, Witnesses
from lightning_quicktune.surrogate.curves.pool_prior import LEAST_LIMIT
from lightning_quicktune.types import Configuration, Observation, Suggestion

MOST = 1e6  # ratio that is said exactly
DOUBT = 1 / 3  # of the way to the limit: from there on early scores are looked at
OPINIONS, SHARE = 4, 0.1  # trials that doubt is to be settled by, and of the pool at most


@dataclass(frozen=True)
class Verdict:
    """Whether a task is like those that are known, by its scores so far.

    Args:
        forecasts: What was predicted of each, and observed.
        evidence: Log of how many times likelier they are by what earlier tasks taught than without it, as ``Evidence``
            counts it.
        lowest: The lowest that it was after any of them.
        n_lowest: After how many that was.
        limit: See ``PoolPrior``.
    """

    forecasts: tuple[Forecast, ...]
    evidence: float
    lowest: float
    n_lowest: int = 0
    limit: float = LEAST_LIMIT

    @property
    def is_unlike(self) -> bool:
        """Whether, at some time, not knowing the earlier tasks predicted that much better."""
        return self.lowest < -self.limit

    @property
    def words(self) -> str:
        """The verdict in one sentence for people."""
        if not self.is_unlike:
            return (
                f"The {_first(len(self.forecasts))} {_times(self.evidence)} times as likely by what earlier "
                f"tasks taught as without it, where no trial counts more than {_times(CAP)} times; below "
                f"1/{_times(self.limit)} it would not be used any more."
            )
        worst = max(self.forecasts, key=lambda f: abs(f.residual))
        return (
            f"This task is unlike those that are known: its {_first(self.n_lowest)} {_times(-self.lowest)} "
            f"times as likely without what earlier tasks taught as with it, where {_times(self.limit)} is the limit "
            f"and no trial counts more than {_times(CAP)} times. Furthest off is {worst.configuration.id} at slice "
            f"{worst.fidelity}: {min(max(worst.mean, 0.0), 1.0):.3f} ± {worst.std:.3f} was predicted and "
            f"{worst.observed:.3f} observed. While that holds, the search goes on by this "
            "task's learning curves alone."
        )


def _first(n_scores: int) -> str:
    return "first score is" if n_scores == 1 else f"first {n_scores} scores are"


def _times(log_ratio: float) -> str:
    """A ratio in words, whatever its logarithm."""
    return f"{math.exp(log_ratio):.3g}" if log_ratio < math.log(MOST) else f"over {MOST:,.0f}"


class GuardedSearcher:
    """Searches by transfer, and compares how well scores are predicted with it and without.

    Without it are two: one that knows no configuration, but scale and shape of curves; and one that shares nothing with
    what was taught. The log ratios of likelihoods are summed up as ``Evidence`` and ``Witnesses`` say. Beyond the limit
    that the training tasks teach (``PoolPrior.limit``) the search goes on by the other prior that predicts best, told
    every score, and by transfer again once the evidence is for it.

    From a part ``DOUBT`` of that limit on transfer is in doubt: trainings may be paused at their first knot, and other
    configurations are begun until there are ``OPINIONS``, or a ``SHARE`` of the pool. Until there is evidence for
    transfer, what it wants to train for long is shown at its first knot first, and goes on from there unless that
    brings doubt: going on after a pause may cost something.

    Args:
        transfer: Searches by transfer.
        others: Search the same pool without.

    References:
        Kass and Raftery (1995), Bayes Factors.
    """

    def __init__(self, transfer: CurveTransferSearcher, others: Sequence[CurveTransferSearcher]) -> None:
        self._transfer, self._others = transfer, tuple(others)
        self._witnesses = Witnesses([other.prior for other in others])
        self._limit = transfer.prior.limit
        self._evidence = Evidence(len(self._others))
        self._lowest = 0.0
        self._told: list[Observation] = []
        self._passed_on = [0] * len(self._others)  # observations; others are rarely asked, and told when they are
        self._n_weighed = self._n_lowest = 0
        self._is_fallen_back = False
        self._pending: dict[str, Configuration] = {}
        self._begun: set[str] = set()
        self._going_on: dict[str, Suggestion] = {}  # trials that were shown at their first knot

    @property
    def pending(self) -> frozenset[Configuration]:
        """Configurations that were suggested and not yet told."""
        return frozenset(self._pending.values())

    @property
    def transfer(self) -> CurveTransferSearcher:
        """The searcher that uses what was taught, which has been told everything."""
        return self._transfer

    @property
    def verdict(self) -> Verdict:
        """Whether the task is like those that are known, as far as was seen."""
        forecasts = tuple(self._transfer.forecasts)
        return Verdict(forecasts, self._evidence.least, self._lowest, self._n_lowest, self._limit)

    def ask(self) -> Suggestion | None:
        """What transfer suggests, or the best other one while the evidence is against what was taught."""
        going_on = next((s for config_id, s in self._going_on.items() if config_id not in self._pending), None)
        suggestion = going_on or self._next_of(self._asked())
        if suggestion is not None:
            self._pending[suggestion.configuration.id] = suggestion.configuration
        return suggestion

    def tell(self, observation: Observation) -> None:
        """Takes in what came of a suggestion, and weighs its scores."""
        config_id, was_trusted = observation.configuration.id, self._is_trusted
        self._pending.pop(config_id, None)
        self._going_on.pop(config_id, None)
        self._transfer.tell(observation)
        self._told.append(observation)
        self._begun.add(config_id)
        self._weigh()
        wanted = self._transfer.looks(observation.configuration)[1]
        if not self._is_trusted:
            self._going_on.clear()
        elif was_trusted and not observation.failed and observation.curve.fidelity < wanted:
            self._going_on[config_id] = Suggestion(observation.configuration, wanted)

    @property
    def _is_in_doubt(self) -> bool:
        return self._evidence.least < -DOUBT * self._limit

    @property
    def _is_trusted(self) -> bool:
        return not (self._is_fallen_back or self._is_in_doubt)

    def _asked(self) -> Callable[[], Suggestion | None]:
        """Who is asked now."""
        if self._is_fallen_back:
            return self._caught_up(self._evidence.best_alternative).ask
        self._transfer.looks_early = self._is_in_doubt
        wanted = min(OPINIONS, int(SHARE * len(self._transfer.prior.mean)))
        wants_more = self._is_in_doubt and self._evidence.n_trials < wanted
        return self._transfer.ask_new if wants_more else self._transfer.ask

    def _next_of(self, ask: Callable[[], Suggestion | None]) -> Suggestion | None:
        """The next suggestion that isn't pending; at its first knot while trust has to be earned."""
        while (suggestion := ask()) is not None:
            config_id = suggestion.configuration.id
            if config_id not in self._pending:
                if self._is_fallen_back or config_id in self._begun or self._evidence.least > 0.0:
                    return suggestion
                return replace(suggestion, fidelity=self._transfer.looks(suggestion.configuration)[0])
        return None

    def _caught_up(self, place: int) -> CurveTransferSearcher:
        """One of the others, told everything."""
        for observation in self._told[self._passed_on[place] :]:
            self._others[place].tell(observation)
        self._passed_on[place] = len(self._told)
        return self._others[place]

    def _weigh(self) -> None:
        """Adds the scores that are new to the evidence, each predicted from those before it."""
        for n, taught in enumerate(self._transfer.forecasts[self._n_weighed :], start=self._n_weighed + 1):
            place, knot = self._transfer.place_of(taught)
            foretold = taught.mean, taught.std
            self._evidence.add(place, self._witnesses.weigh(place, knot, taught.observed, foretold, taught.error))
            least = self._evidence.least
            if least < self._lowest:
                self._lowest, self._n_lowest = least, n
            self._is_fallen_back = least < (0.0 if self._is_fallen_back else -self._limit)
        self._n_weighed = len(self._transfer.forecasts)
