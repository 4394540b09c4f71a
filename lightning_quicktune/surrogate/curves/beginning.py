"""How a search begins: from when on trainings may be stopped, and how many follow the order of ranks.

Both are learned from searches of training tasks that were left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lightning_quicktune.surrogate.curves.left_out import LeftOut
from lightning_quicktune.surrogate.curves.left_out_search import LeftOutSearch, search_left_out

if TYPE_CHECKING:
    from lightning_quicktune.surrogate.curves.prior import CurvePrior

LOOKS = (0.0, 0.5, 1.0)  # shares of a training, of which the one that would have paid is taken
FIRST = (0, 1, 3)  # configurations in the order of ranks
LEAST_TASKS = 8  # that tell whether it pays to follow them
SEARCHED_TASKS, SEARCHED_ROWS = 24, 128  # that this is learned from: tasks, and configurations of each


class Beginning(NamedTuple):
    """How a search begins: ``first_look`` and ``n_first`` of a prior."""

    first_look: int
    n_first: int


def learned_beginning(prior: CurvePrior, left: Sequence[LeftOut]) -> Beginning:
    """The beginning that pays on left-out tasks.

    The first look is the one of least regret where no order is followed; then as many follow the order, by ranks, which
    no scale can mislead, as lead to the least regret. With fewer than ``LEAST_TASKS`` training tasks, whose regret is
    mostly luck, as many as possible do.

    Args:
        prior: What is searched by.
        left: The training tasks, left out.

    References:
        Feurer, Eggensperger, Falkner, Lindauer and Hutter (2022), Auto-Sklearn 2.0: a portfolio before a search.
    """
    looked = [Beginning(look, 0) for look in looks_of(prior.shares)]
    regrets = {each: mean_regret(prior, each, left) for each in looked}
    best = min(looked, key=regrets.__getitem__)  # of equal ones the earliest
    ordered = [Beginning(best.first_look, n) for n in reversed(FIRST)]
    if len(prior.scales) < LEAST_TASKS:
        return ordered[0]
    regrets |= {each: mean_regret(prior, each, left) for each in ordered if each not in regrets}
    return min(ordered, key=regrets.__getitem__)  # of equal ones the longest


def mean_regret(prior: CurvePrior, beginning: Beginning, left: Sequence[LeftOut]) -> float:
    """Mean regret of left-out tasks that are searched with a beginning; 0 where no task has any.

    Args:
        prior: What is searched by.
        beginning: How a search begins.
        left: The training tasks, left out.
    """
    begun = replace(prior, first_look=beginning.first_look, n_first=beginning.n_first)
    regrets = np.array([search.regret for search in searches(begun, left, whole=False)])
    return float(np.nanmean(regrets)) if np.isfinite(regrets).any() else 0.0


def looks_of(shares: Float[np.ndarray, " H"]) -> list[int]:
    """Knots nearest to ``LOOKS``, each once.

    Args:
        shares: Knots as shares of a full training.
    """
    return sorted({int(np.abs(shares - share).argmin()) for share in LOOKS})


def searches(prior: CurvePrior, left: Sequence[LeftOut], whole: bool = True) -> list[LeftOutSearch]:
    """Searches of training tasks that were left out.

    Args:
        prior: What is searched by, with its beginning.
        left: The training tasks, left out.
        whole: See ``search_left_out``.
    """
    found = []
    for one, rows in searched(left):
        curves = prior.scale.middle + prior.scale.spread * one.task.curves[rows]
        found.append(search_left_out(prior.of_left_out(one, rows), one.task.location + one.task.scale * curves, whole))
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
    return np.array([mean_regret(prior, Beginning(look, 0), left) for look in looks_of(prior.shares)])
