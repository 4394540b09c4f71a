"""Training tasks searched as a new one is, by what the others say of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lightning_quicktune.acquisition.leader import to_beat
from lightning_quicktune.acquisition.optional_stopping import HOPELESS, optional_stopping_index
from lightning_quicktune.surrogate.curves.pool_prior import MOMENTS, PoolPrior, prices
from lightning_quicktune.surrogate.curves.posterior import CurvePosterior

BUDGETS = (0.5, 1.0, 2.0, 3.0, 5.0)  # in full trainings
MOST = 2.0  # normalised regret that counts at most, so that no task decides alone


class Seen(NamedTuple):
    """A score, with the indices of its configuration and of its knot."""

    place: int
    knot: int
    score: float


@dataclass(frozen=True, eq=False)
class LeftOutSearch:
    """What came of a search.

    Args:
        regret: Normalised regret, up to ``MOST``, in the mean over ``BUDGETS``; not a number where the best score is no
            better than the median.
        errors: Of the final scores still to come, over their predicted standard deviations, one array for each of
            ``MOMENTS``, empty where the search saw too few scores.
        seen: Every score, in the order of the search.
    """

    regret: float
    errors: tuple[Float[np.ndarray, " _"], ...]
    seen: tuple[Seen, ...]


def search_left_out(prior: PoolPrior, scores: Float[np.ndarray, "C H"], whole: bool = True) -> LeftOutSearch:
    """Searches a training task until the largest of ``BUDGETS``, or of ``MOMENTS``, whichever is later.

    A slice costs what the prior predicts, 1 that of a middling configuration.

    Args:
        prior: What the other tasks say of its configurations.
        scores: Its learning curves at the knots.
        whole: If not, it ends as soon as the regret is known: errors and scores of later moments are lacking.
    """
    search = _Search(prior, scores)
    while search.following.min() < scores.shape[1] and not (search.is_done if whole else search.is_told):
        search.advance()
    unit = float(scores.max() - np.median(scores[:, -1]))
    best = np.array([*search.best_scores, *[search.best] * (len(BUDGETS) - len(search.best_scores))])
    regret = np.minimum((scores.max() - np.maximum(best, scores.min())) / unit, MOST) if unit > 0 else np.nan
    empty = np.zeros(0)
    errors = tuple(search.errors.get(moment, empty) for moment in MOMENTS)
    return LeftOutSearch(float(np.mean(regret)), errors, tuple(search.seen))


class _Search:
    def __init__(self, prior: PoolPrior, scores: Float[np.ndarray, "C H"]) -> None:
        self.prior, self.scores, self.posterior = prior, scores, CurvePosterior(prior)
        self.errors: dict[int, Float[np.ndarray, " _"]] = {}
        self.seen: list[Seen] = []
        self.best_scores: list[float] = []  # after each of the budgets that are spent
        self.best = -np.inf
        self.following, self._reached = (np.zeros(len(scores), dtype=np.int64) for _ in range(2))
        self._fidelities = np.maximum(np.round(prior.shares / prior.shares[0]), 1).astype(np.int64)
        self._slice_costs = np.exp(prior.log_cost - np.median(prior.log_cost))
        self._spent, self._highest = 0.0, float(scores.max())

    @property
    def is_done(self) -> bool:
        return len(self.best_scores) == len(BUDGETS) and self.posterior.n_observed >= MOMENTS[-1]

    @property
    def is_told(self) -> bool:
        """Whether the regret can't change any more."""
        return len(self.best_scores) == len(BUDGETS) or self.best >= self._highest

    def advance(self) -> None:
        """Trains what is worth most on to its next look."""
        named = [place for place in self.prior.first if not self._reached[place]]
        if not named or self._due:
            mean, covariance = self.posterior.moments()
            self._note_errors(mean, covariance)
        place, looks = (named[0], self.scores.shape[1] - 1) if named else self._choose(mean, covariance)
        for knot in range(int(self.following[place]), looks + 1):
            self._spent += float(self._slice_costs[place] * (self._fidelities[knot] - self._reached[place]))
            budgets = [b for b in BUDGETS[len(self.best_scores) :] if self._spent > b * self._fidelities[-1]]
            self.best_scores += [self.best] * len(budgets)
            self._reached[place] = self._fidelities[knot]
            self.best = max(self.best, float(self.scores[place, knot]))
            self.posterior.observe(place, knot, float(self.scores[place, knot]))
            self.seen.append(Seen(place, knot, float(self.scores[place, knot])))
        self.following[place] = looks + 1

    def _choose(self, mean: Float[np.ndarray, "C H"], covariance: Float[np.ndarray, "C H H"]) -> tuple[int, int]:
        n_knots = mean.shape[1]
        looks = np.maximum(self.following, self.prior.first_look)
        slices, log_cost = np.broadcast_to(self._fidelities, mean.shape), self.prior.log_cost
        price, cost = (prices(log_cost, slices, self._reached, e) for e in (self.prior.cost_exponent, 1.0))
        if not self._reached.any():
            return int(((mean[:, -1] - np.median(mean[:, -1])) / price[:, -1]).argmax()), self.prior.first_look
        begun = np.flatnonzero((self._reached > 0) & (self.following < n_knots))
        index = optional_stopping_index(mean, covariance, price, looks, to_beat(mean, cost, begun, self.best))
        place = int(np.argmax(np.where(self.following < n_knots, np.maximum(index, HOPELESS), -np.inf)))
        return place, int(looks[place])

    def _note_errors(self, mean: Float[np.ndarray, "C H"], covariance: Float[np.ndarray, "C H H"]) -> None:
        """Once for each moment, at the first score that is asked for after it."""
        if due := self._due:
            last = self.scores.shape[1] - 1
            variance = np.maximum(covariance[:, -1, -1], 0.0) + self.posterior.noise_variance(last)
            errors = (self.scores[:, -1] - mean[:, -1]) / np.sqrt(variance)
            self.errors |= dict.fromkeys(due, errors[self.following <= last])

    @property
    def _due(self) -> list[int]:
        return [m for m in MOMENTS if m not in self.errors and m <= self.posterior.n_observed]
