"""Processes that share the trials of a collection: each trial is locked while it runs, so none is run twice."""

from __future__ import annotations

import logging
import multiprocessing
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import groupby
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from lightning_quicktune.collection.exchange import Exchange
from lightning_quicktune.collection.known_trials import is_done, is_settled
from lightning_quicktune.collection.plans import in_shard, plans, task_of
from lightning_quicktune.collection.progress import CollectionProgress
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.compose import read_yaml
from lightning_quicktune.files.locks import exclusive
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.checkpoints import drop_checkpoints
from lightning_quicktune.trials.cohorts import Cohorts
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.termination import Terminated, termination_as_interrupt

log = logging.getLogger(__name__)
_GRACE_S = 10.0  # for workers to pause their trials
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
    if settings.workers > 1:
        _run_processes(settings)
    own = [plan for plan in planned if in_shard(settings, plan)]
    if settings.workers == 1 or not all(is_settled(plan) for plan in own):
        _work(settings, own, 0)
    while waiting := [plan for plan in own if not is_settled(plan)]:
        sys.stderr.write(f"Another process runs {', '.join(plan.key for plan in waiting[:3])}; waiting for it.\n")
        _wait_for(waiting[0])
        _work(settings, waiting, 0)


def _run_processes(settings: CollectSettings) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_worker, args=(settings, number)) for number in range(settings.workers)]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.join()
    except KeyboardInterrupt as stop:
        if isinstance(stop, Terminated):
            _terminate(workers)
        for worker in workers:
            worker.join(_GRACE_S)
        _terminate(workers)
        raise
    if any(worker.exitcode for worker in workers):
        codes = [worker.exitcode for worker in workers]
        log.warning("Some workers ended early (exit codes %s); what they left is done here.", codes)


def _terminate(workers: Sequence[BaseProcess]) -> None:
    for worker in workers:
        worker.terminate()


def _worker(settings: CollectSettings, number: int) -> None:
    """A process of its own; when it is interrupted it has paused its trial, and ends without a traceback."""
    try:
        with termination_as_interrupt():
            space, recipe = SearchSpace.from_yaml(Path(settings.space)), read_yaml(Path(settings.recipe))
            setups = [task_of(settings, recipe, source) for source in settings.tasks]
            planned = [plan for setup in setups for plan in plans(settings, space, setup)]
            _work(settings, [plan for plan in planned if in_shard(settings, plan)], number)
    except KeyboardInterrupt:
        sys.exit(130)


def _wait_for(plan: TrialPlan) -> None:
    """Until no process runs the trial."""
    while True:
        with exclusive(plan.folder) as free:
            if free:
                return
        time.sleep(_PATIENCE_S)


def _work(settings: CollectSettings, planned: Sequence[TrialPlan], number: int) -> None:
    """Goes through trials, task by task, and runs those that have not ended and that no other process has.

    A worker whose collector was killed stops after its trials: the next collector starts workers of its own.
    """
    if settings.workers > 1:
        torch.set_num_threads(1)
    collector = multiprocessing.parent_process()
    progress, exchange = CollectionProgress(planned, number), Exchange(settings)
    cohorts = Cohorts(settings.cohort, settings.workers, _teller(settings))
    for _, of_task in groupby(planned, key=lambda plan: plan.task.name):
        left = deque(of_task)
        while left:
            if collector is not None and not collector.is_alive():
                return
            with ExitStack() as locks:
                members = _take(left, cohorts, locks)
                for result in cohorts.train(members):
                    progress.finished(result)
                if members:
                    exchange.export_if_due(planned)
                for plan in members:
                    _drop_if_done(plan)


def _teller(settings: CollectSettings) -> Callable[[Path], object] | None:
    """What tells MLflow of a trial, if it is to be told."""
    if settings.parts_only:
        return None
    from lightning_quicktune.tracking.tracker import Tracker  # MLflow takes seconds, and may not be there

    return Tracker(settings.tracking.uri, settings.tracking.experiment).follow_trial


def _take(left: deque[TrialPlan], cohorts: Cohorts, locks: ExitStack) -> list[TrialPlan]:
    """Takes the next open trials of a task that no other process has, as many as can be trained at once.

    Args:
        left: Trials of one task that were not looked at yet; those that are looked at leave it.
        cohorts: Says how many.
        locks: Keeps what is taken from other processes.
    """
    members: list[TrialPlan] = []
    most = 1
    while left and len(members) < most:
        plan = left.popleft()
        if is_settled(plan):
            with exclusive(plan.folder) as free:
                if free:
                    _drop_if_done(plan)
        elif locks.enter_context(exclusive(plan.folder)) and not is_settled(plan):
            members.append(plan)
            most = cohorts.size([plan, *left])
    return members


def _drop_if_done(plan: TrialPlan) -> None:
    if is_done(plan):
        drop_checkpoints(plan.folder)
