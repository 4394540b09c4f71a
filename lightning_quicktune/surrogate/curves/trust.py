"""How far evidence goes against what was taught on tasks like those that taught it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from lightning_quicktune.surrogate.curves.beginning import searched
from lightning_quicktune.surrogate.curves.evidence import CAP, WEIGHED, Evidence, Witnesses
from lightning_quicktune.surrogate.curves.left_out import LeftOut
from lightning_quicktune.surrogate.curves.left_out_search import LeftOutSearch, Seen
from lightning_quicktune.surrogate.curves.points import PointForecasts
from lightning_quicktune.surrogate.curves.pool_prior import LEAST_LIMIT, PoolPrior
from lightning_quicktune.surrogate.curves.untaught import untaught_prior, without_configurations

if TYPE_CHECKING:
    from lightning_quicktune.surrogate.curves.prior import CurvePrior

SHARE = 0.2  # of training tasks on which what the others taught may be given up; new ones have fewer surprises in store
LEAST_TASKS = 20  # fewer tell too little of such a share
MOST_LIMIT = CAP * WEIGHED / 2  # where half of the trials that are weighed say so, it is given up anyway


def learned_limit(prior: CurvePrior, left: Sequence[LeftOut], found: Sequence[LeftOutSearch]) -> float:
    """The limit of evidence that all but ``SHARE`` of training tasks stay within; see ``PoolPrior``.

    Half of what is tried on them was hidden on all others, and the others are fewer than those that a new task is
    searched by: of new ones, fewer go beyond it.

    Args:
        prior: What was searched by.
        left: The training tasks, left out.
        found: What came of the searches of them.
    """
    lowest = [
        lowest_evidence(
            prior.of_left_out(task, rows), task.task.encoded[rows], prior.predictor.mean.kernel.blocks, s.seen
        )
        for (task, rows), s in zip(searched(left), found, strict=True)
    ]
    return limit_of(np.array(lowest))


def limit_of(lowest: Float[np.ndarray, " T"]) -> float:
    """At least ``LEAST_LIMIT``, which it is where there are fewer than ``LEAST_TASKS``, and at most ``MOST_LIMIT``.

    Args:
        lowest: Lowest evidence of each task.

    References:
        Vovk, Gammerman and Shafer (2005), Algorithmic Learning in a Random World, chapter 2.
    """
    rank = int(np.ceil((1.0 - SHARE) * (len(lowest) + 1)))
    if len(lowest) < LEAST_TASKS:
        return LEAST_LIMIT
    return float(np.clip(np.sort(-lowest)[rank - 1], LEAST_LIMIT, MOST_LIMIT))


def lowest_evidence(
    prior: PoolPrior, encoded: Float[np.ndarray, "C D"], blocks: Int[np.ndarray, " D"], seen: Sequence[Seen]
) -> float:
    """The lowest that evidence for what was taught ever was in a search, at most 0.

    Args:
        prior: What was taught, at the configurations that were searched.
        encoded: These configurations.
        blocks: Which hyperparameter each column of an encoding belongs to.
        seen: Every score, in the order of the search.
    """
    taught = PointForecasts(prior)
    witnesses = Witnesses((without_configurations(prior), untaught_prior(encoded, blocks, prior.shares)))
    evidence, lowest = Evidence(2), 0.0
    for place, knot, score in seen:
        evidence.add(place, witnesses.weigh(place, knot, score, taught.forecast(place, knot)))
        taught.observe(place, knot, score)
        lowest = min(lowest, evidence.least)
    return lowest
