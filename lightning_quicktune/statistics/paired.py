"""How sure the difference between two models is that answered the same records: a paired bootstrap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

LEVEL = 0.95  # of the interval
N_DRAWS = 4000


@dataclass(frozen=True)
class PairedDifference:
    """A difference and its interval.

    Args:
        value: Second minus first.
        lower: Lower end of the interval of ``LEVEL``.
        upper: Upper end of it.
        n: Records.
    """

    value: float
    lower: float
    upper: float
    n: int


def paired_difference(
    first: Float[np.ndarray, " N"],
    second: Float[np.ndarray, " M"],
    weights: Float[np.ndarray, " N"] | None = None,
    of_mean: Callable[[np.ndarray], np.ndarray] | None = None,
    seed: int = 0,
) -> PairedDifference:
    """How much a score of the second model is above that of the first, by drawing the same records for both again.

    Args:
        first: A value of each record, of one model.
        second: The same records', in the same order, of the other.
        weights: What each record counts in a mean, not all 0; all alike if left out.
        of_mean: The score of a weighted mean, where it isn't the mean itself, as ``exp(-x)`` of a loss.
        seed: Seed of the draws.

    Raises:
        ValueError: If the records aren't the same.

    References:
        Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13 (percentile intervals). Koehn (2004),
        Statistical Significance Tests for Machine Translation Evaluation (pairs).
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(
            f"A paired comparison needs the same records of both models, at least one, but got {len(first)} and "
            f"{len(second)}. Measure both on the same split."
        )
    n = len(first)
    counts = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=N_DRAWS) * counts  # (draws, N)
    drawn = drawn[drawn.sum(1) > 0]
    score = of_mean or (lambda mean: mean)

    def difference(rows: np.ndarray) -> np.ndarray:
        totals = rows.sum(1)
        return np.asarray(score(rows @ second / totals) - score(rows @ first / totals))

    lower, upper = np.quantile(difference(drawn), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return PairedDifference(float(difference(counts[None])[0]), float(lower), float(upper), n)
