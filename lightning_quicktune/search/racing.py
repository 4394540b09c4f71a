"""The race between a learned order and many begun trainings, won by what would have paid on the tasks before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from lightning_quicktune.metadataset.arrays import CurveArrays, curve_arrays
from lightning_quicktune.metadataset.outcome import ENDED
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.search.lengths import Lengths
from lightning_quicktune.search.portfolio import greedy_order
from lightning_quicktune.search.rank_model import rank_model
from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.search.stopping_searcher import StoppingSearcher
from lightning_quicktune.search.successive_halving_searcher import SuccessiveHalvingSearcher
from lightning_quicktune.types import Configuration, LearningCurve, Observation, SliceResult

ETA = 2  # one in so many goes on; in both ways better than 3 where they were compared
_TASKS = 20  # replayed at most
_BUDGETS = (0.5, 1.0, 2.0, 3.0, 5.0)  # in full trainings
_MOST = 2.0  # normalised regret that counts at most, so that no task decides alone

Slices = tuple[SliceResult, ...]


def racing_searcher(
    order: Sequence[Configuration], lengths: Lengths | int, table: MetaDataset
) -> StoppingSearcher | SuccessiveHalvingSearcher:
    """Successive halving in a learned order, of the kind that does better on the tasks that taught the order.

    Args:
        order: The configurations, in that order.
        lengths: Slices of each full training; a number if all are alike.
        table: Trials of these tasks.
    """
    kind = StoppingSearcher if follows_order(table) else SuccessiveHalvingSearcher
    return kind(order, lengths, ETA)


@lru_cache(maxsize=2)
def follows_order(table: MetaDataset) -> bool:
    """Whether to train the first of a learned order to the end, rather than to compare many after a few slices.

    Each task is searched both ways, in the order that tasks of other datasets teach; slices count, whatever they cost.
    Where first slices say little of final scores, or the order is good, it pays to follow it. So it does with a single
    dataset.

    Args:
        table: Trials of the tasks.
    """
    arrays, model = curve_arrays(table), rank_model(table)
    gains = []
    for place in np.unique(np.linspace(0, len(model.tasks) - 1, _TASKS).round().astype(np.int64)).tolist():
        task = arrays.tasks.index(model.tasks[place].name)
        curves, lengths, failed = _recorded(arrays, task)
        pool = [c for c in arrays.configurations if c.id in curves]
        others = model.known(pool)[[other.dataset != model.tasks[place].dataset for other in model.tasks]]
        scores = [s.score for slices in curves.values() for s in slices]
        finals = [curves[c.id][-1].score for c in pool if c.id not in failed]
        if not len(others) or not finals or not max(scores) > np.median(finals):
            continue
        order, full = greedy_order(pool, others), float(np.median([lengths.of(c.id) for c in pool]))
        both = (StoppingSearcher(order, lengths, ETA), SuccessiveHalvingSearcher(order, lengths, ETA))
        follow, many = (np.array(_best_scores(searcher, curves, min(scores), full)) for searcher in both)
        unit = max(scores) - float(np.median(finals))
        regrets = [np.minimum((max(scores) - best) / unit, _MOST).mean() for best in (follow, many)]
        gains.append(regrets[1] - regrets[0])
    return not gains or float(np.mean(gains)) > 0


def _recorded(arrays: CurveArrays, task: int) -> tuple[dict[str, Slices], Lengths, set[str]]:
    """Slices of the trials whose end is known, by configuration; their full lengths; those that failed."""
    curves: dict[str, Slices] = {}
    own: dict[str, int] = {}
    failed: set[str] = set()
    for place, configuration in enumerate(arrays.configurations):
        if arrays.outcome[task, place] in ENDED:
            scores = arrays.scores[task, place, : arrays.lengths[task, place]].tolist()
            curves[configuration.id] = tuple(SliceResult(f, s, 1.0, 1.0, 0) for f, s in enumerate(scores, start=1))
            own[configuration.id] = int(arrays.max_fidelity[task, place])
            if arrays.outcome[task, place] == "failed":
                failed.add(configuration.id)
    return curves, Lengths(max(own.values()), own), failed


def _best_scores(searcher: Searcher, curves: Mapping[str, Slices], start: float, full: float) -> list[float]:
    """Best score after each budget."""
    spent, best, reached = 0.0, start, dict.fromkeys(curves, 0)
    found: list[float] = []
    budgets = [budget * full for budget in _BUDGETS]
    while len(found) < len(budgets):
        suggestion = searcher.ask()
        if suggestion is None:
            return found + [best] * (len(budgets) - len(found))
        config_id, slices = suggestion.configuration.id, curves[suggestion.configuration.id]
        failed = suggestion.fidelity > len(slices)
        for fidelity in range(reached[config_id] + 1, suggestion.fidelity + 1):
            spent += 1
            while len(found) < len(budgets) and spent > budgets[len(found)]:
                found.append(best)
            if fidelity > len(slices):
                break
            best = max(best, slices[fidelity - 1].score)
        reached[config_id] = min(suggestion.fidelity, len(slices))
        curve = LearningCurve(slices[: reached[config_id]])
        searcher.tell(Observation(suggestion.configuration, curve, failed, cost_s=0.0))
    return found
