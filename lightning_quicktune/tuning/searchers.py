"""Builds the searcher that a user names."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_quicktune.search.ordered_searcher import OrderedSearcher
from lightning_quicktune.search.pool import shuffled
from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.search.successive_halving_searcher import SuccessiveHalvingSearcher
from lightning_quicktune.search.transfer_searcher import TransferSearcher
from lightning_quicktune.tuning.experience import Experience
from lightning_quicktune.tuning.settings import TuneSettings
from lightning_quicktune.types import Configuration, TaskInfo


def build_searcher(
    settings: TuneSettings,
    pool: Sequence[Configuration],
    task: TaskInfo,
    experience: Experience | None,
    reference_step_s: float,
) -> Searcher:
    """The searcher over a pool; the pool's first configuration is the default.

    Raises:
        ValueError: If the searcher needs surrogates and there are none.
    """
    if settings.searcher == "default":
        return OrderedSearcher(pool[:1], task.max_fidelity)
    if settings.searcher == "random":
        return OrderedSearcher(shuffled(pool, settings.seed), task.max_fidelity)
    if settings.searcher == "successive_halving":
        return SuccessiveHalvingSearcher(pool, task.max_fidelity)
    if experience is None:
        raise ValueError(
            "`searcher: transfer` chooses by what earlier tasks taught, but `surrogates` is not set. Set `surrogates`, "
            "or choose `searcher: successive_halving`, which needs none."
        )
    return TransferSearcher(pool, task, experience.performance, experience.cost, reference_step_s)
