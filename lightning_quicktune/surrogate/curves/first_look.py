"""The first look: from when on trainings may be stopped, by searches of training tasks that were left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from lightning_quicktune.surrogate.curves.left_out import LeftOut
from lightning_quicktune.surrogate.curves.left_out_search import LeftOutSearch, search_left_out

if TYPE_CHECKING:
    from lightning_quicktune.surrogate.curves.prior import CurvePrior

LOOKS = (0.0, 0.5, 1.0)  # shares of a training, of which the one that would have paid is taken
SEARCHED_TASKS, SEARCHED_ROWS = 24, 128  # that this is learned from: tasks, and configurations of each


def looks_of(shares: Float[np.ndarray, " H"]) -> list[int]:
    """Knots nearest to ``LOOKS``, each once.

    Args:
        shares: Knots as shares of a full training.
    """
    return sorted({int(np.abs(shares - share).argmin()) for share in LOOKS})


def searches(prior: CurvePrior, left: Sequence[LeftOut]) -> list[LeftOutSearch]:
    """Searches of training tasks that were left out.

    Args:
        prior: What is searched by, with its first look.
        left: The training tasks, left out.
    """
    found = []
    for one, rows in searched(left):
        curves = prior.scale.middle + prior.scale.spread * one.task.curves[rows]
        found.append(search_left_out(prior.of_left_out(one, rows), one.task.location + one.task.scale * curves))
    return found


def searched(left: Sequence[LeftOut]) -> list[tuple[LeftOut, Int[np.ndarray, " N"]]]:
    """Which of them are searched, and places of those of their configurations that are.

    Args:
        left: The training tasks, left out.
    """
    drawn = np.random.default_rng(0).permutation(len(left))[:SEARCHED_TASKS]
    pools = [(left[t], np.random.default_rng(t).permutation(left[t].sound)[:SEARCHED_ROWS]) for t in drawn]
    return [(one, rows) for one, rows in pools if len(rows)]


def regret_by_look(prior: CurvePrior, left: Sequence[LeftOut]) -> Float[np.ndarray, " L"]:
    """Mean regret of these searches with each of ``looks_of`` the prior's knots; 0 where no task has any.

    Args:
        prior: What is searched by.
        left: The training tasks, left out.
    """
    priors = [replace(prior, first_look=look) for look in looks_of(prior.shares)]
    return np.array([mean_regret(searches(each, left)) for each in priors])


def mean_regret(found: Sequence[LeftOutSearch]) -> float:
    """Mean regret of searches, 0 where none has any.

    Args:
        found: The searches.
    """
    regrets = np.array([search.regret for search in found])
    return float(np.nanmean(regrets)) if np.isfinite(regrets).any() else 0.0
