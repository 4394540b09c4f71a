"""Runs the trials of a collection: each is locked while it runs, so none is run twice."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import closing

from lightning_quicktune.collection.exchange import Exchange
from lightning_quicktune.collection.known_trials import is_done, is_settled
from lightning_quicktune.collection.plans import in_shard
from lightning_quicktune.collection.progress import CollectionProgress
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.files.locks import exclusive
from lightning_quicktune.trials.checkpoints import drop_checkpoints
from lightning_quicktune.trials.executors.build import build_executor
from lightning_quicktune.trials.executors.orders import Order, TrialExecutor
from lightning_quicktune.trials.executors.worker import Place
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.ranks import check_spread

_PATIENCE_S = 1.0  # between looks at trials that other processes run


def run_workers(settings: CollectSettings, planned: Sequence[TrialPlan]) -> None:
    """Runs every trial of this shard that has not ended; returns when none is left, here or in another process.

    What an error interrupts is left for the next start: whatever is wrong may last.

    Args:
        settings: The collection.
        planned: All its trials.

    Raises:
        KeyboardInterrupt: If the user stopped it, or the process was asked to end; running trials are then paused.
    """
    own = [plan for plan in planned if in_shard(settings, plan)]
    if not own:
        return
    check_spread(own, settings.executor.devices)
    executor = build_executor(settings.executor, settings.workers, settings.cohort, own[0].fit, _place(settings))
    progress, exchange = CollectionProgress(own), Exchange(settings)
    with closing(executor):
        waiting = _run(executor, own, progress, exchange)
        while waiting:
            sys.stderr.write(f"Another process runs {', '.join(plan.key for plan in waiting[:3])}; waiting for it.\n")
            _wait_for(waiting[0])
            waiting = _run(executor, waiting, progress, exchange)


def _run(
    executor: TrialExecutor,
    plans: Sequence[TrialPlan],
    progress: CollectionProgress,
    exchange: Exchange,
) -> list[TrialPlan]:
    """Runs trials in their order; gives back those that other processes run."""
    left, n_running = deque(plans), 0
    elsewhere: list[TrialPlan] = []
    while True:
        while left and n_running < executor.capacity:
            plan = left.popleft()
            if is_settled(plan):
                _drop_where_free(plan)
            else:
                executor.submit(Order(plan, plan.task.max_fidelity))
                n_running += 1
        if not n_running:
            return elsewhere
        result = executor.wait()
        plan, n_running = result.order.plan, n_running - 1
        if result.trial is None:
            elsewhere.append(plan)
            continue
        progress.finished(result, result.trial)
        if is_done(plan):
            exchange.ended(plan)
            drop_checkpoints(plan.folder)


def _place(settings: CollectSettings) -> Place | None:
    """What workers tell of their trials, if anything is to be told."""
    if settings.parts_only:
        return None
    from lightning_quicktune.tracking.places import resolve_uri  # MLflow may not be there

    return Place(resolve_uri(settings.tracking.uri), settings.tracking.experiment)


def _wait_for(plan: TrialPlan) -> None:
    """Until no process runs the trial."""
    while True:
        with exclusive(plan.folder) as free:
            if free:
                return
        time.sleep(_PATIENCE_S)


def _drop_where_free(plan: TrialPlan) -> None:
    with exclusive(plan.folder) as free:
        if free and is_done(plan):
            drop_checkpoints(plan.folder)
