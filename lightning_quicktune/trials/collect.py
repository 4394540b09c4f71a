"""Runs configurations of a search space over many tasks and records them: the meta-dataset."""

from __future__ import annotations

import logging
import multiprocessing
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lightning_quicktune.compose import FitConfig, read_yaml
from lightning_quicktune.metadataset.build import build
from lightning_quicktune.metadataset.folder import save
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.tracking.tracker import Tracker
from lightning_quicktune.trials.checkpoints import drop_checkpoints
from lightning_quicktune.trials.collection_progress import CollectionProgress
from lightning_quicktune.trials.collection_summary import summarize
from lightning_quicktune.trials.exchange import Exchange, check_base_model
from lightning_quicktune.trials.identity import differences, label_settings
from lightning_quicktune.trials.known_trials import ENDED, is_done
from lightning_quicktune.trials.plan import TrialPlan, in_shard, plans
from lightning_quicktune.trials.recipe import check_search
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.settings import CollectSettings
from lightning_quicktune.trials.storage import exclusive, read_json, read_trial, write_json
from lightning_quicktune.trials.task_setup import TaskSetup, set_up_task, task_name
from lightning_quicktune.types import Trial

log = logging.getLogger(__name__)
COLLECTION = "collection.json"
_GRACE_S = 10.0  # for workers to pause their trials


@dataclass(frozen=True)
class Collected:
    """What a collection left.

    Args:
        table: The meta-dataset.
        folder: Where it was written.
        run_id: MLflow run that holds it as the artifact ``meta_dataset``.
    """

    table: MetaDataset
    folder: Path
    run_id: str


def collect(settings: CollectSettings) -> Collected:
    """Runs every trial that isn't recorded yet, then builds the meta-dataset from MLflow.

    Args:
        settings: Tasks, recipe, search space and sizes.

    Raises:
        ValueError: If tasks, recipe and space don't fit each other, or the folder holds another collection.
    """
    output = Path(settings.output)
    space, recipe = SearchSpace.from_yaml(Path(settings.space)), read_yaml(Path(settings.recipe))
    _check_names(settings.tasks)
    check_search(recipe, space)
    identity = _identity(recipe, settings)
    folders = {"output": output, **({"parts": Path(settings.parts)} if settings.parts else {})}
    for key, folder in folders.items():
        _check_same_collection(key, folder, space, identity)
    exchange = Exchange(settings)
    exchange.restore_tasks(_task_folder(settings, source) for source in settings.tasks)
    setups = [_task(settings, recipe, source) for source in settings.tasks]
    check_base_model(setups)
    for folder in folders.values():
        if not (folder / COLLECTION).exists():
            write_json(folder / COLLECTION, {"identity": identity, "space": space.to_dict()})
    planned = [plan for setup in setups for plan in plans(settings, space, setup)]
    exchange.take_over(space, setups, planned)
    before, start = {plan.key for plan in planned if is_done(plan)}, time.perf_counter()
    try:
        _run_workers(settings)
    finally:
        exchange.export(planned)
        _sum_up(settings, planned, before, time.perf_counter() - start)
    return _gather(settings, Tracker(settings.tracking.uri, settings.tracking.experiment), space, setups)


def _sum_up(settings: CollectSettings, planned: Sequence[TrialPlan], before: set[str], seconds: float) -> None:
    """Writes what this start of the command took, if it ran a trial."""
    ended = [trial for plan in planned if (trial := read_trial(plan.folder)) is not None and trial.status in ENDED]
    new = {trial.key for trial in ended} - before
    if new:
        summary = summarize(ended, new, seconds, settings.workers)
        write_json(Path(settings.output) / "summary.json", summary)
        log.info("%d trials in %.0f s, %.0f per hour.", len(new), seconds, summary["trials_per_hour"])


def _run_workers(settings: CollectSettings) -> None:
    if settings.workers == 1:
        _work(settings, 0)
        return
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_worker, args=(settings, number)) for number in range(settings.workers)]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.join()
    except KeyboardInterrupt:
        for worker in workers:
            worker.join(_GRACE_S)
            worker.terminate()
        raise
    if any(worker.exitcode for worker in workers):
        codes = [worker.exitcode for worker in workers]
        log.warning("Some workers ended early (exit codes %s); what they left is done here.", codes)
        _work(settings, 0)


def _worker(settings: CollectSettings, number: int) -> None:
    """A process of its own, which Ctrl-C reaches too: it has paused its trial then, and ends without a traceback."""
    try:
        _work(settings, number)
    except KeyboardInterrupt:
        sys.exit(130)


def _work(settings: CollectSettings, number: int) -> None:
    """Goes through all trials and runs each that no other worker has: every trial is locked while it runs."""
    if settings.workers > 1:
        torch.set_num_threads(1)
    space, recipe = SearchSpace.from_yaml(Path(settings.space)), read_yaml(Path(settings.recipe))
    tracker = Tracker(settings.tracking.uri, settings.tracking.experiment)
    planned = [p for source in settings.tasks for p in plans(settings, space, _task(settings, recipe, source))]
    waiting = [plan for plan in planned if in_shard(settings, plan)]
    progress, exchange = CollectionProgress(waiting, number), Exchange(settings)
    for plan in waiting:
        with exclusive(plan.folder) as free:
            if free and not is_done(plan):
                start = time.perf_counter()
                trial = run_trial(plan, plan.task.max_fidelity, tracker.follow_trial)
                progress.finished(trial, time.perf_counter() - start)
                exchange.export_if_due(planned)
            if free:
                drop_checkpoints(plan.folder)


def _task(settings: CollectSettings, recipe: FitConfig, source: str) -> TaskSetup:
    return set_up_task(source, recipe, settings.max_fidelity, _task_folder(settings, source))


def _task_folder(settings: CollectSettings, source: str) -> Path:
    return Path(settings.output) / "tasks" / task_name(source)


def _gather(settings: CollectSettings, tracker: Tracker, space: SearchSpace, setups: list[TaskSetup]) -> Collected:
    """Builds the table from what MLflow holds of this collection, whatever else the experiment has."""
    _send_all(settings, tracker)
    expected = {plan.blank.key: plan.blank for setup in setups for plan in plans(settings, space, setup)}
    trials = [t for t in tracker.read_trials() if t.status in ENDED and _is_same(t, expected.get(t.key))]
    missing = len(expected) - len({t.key for t in trials})
    if missing:
        why = "they belong to other shards, or " if settings.shard else ""
        log.warning("%d of %d trials are not in the table: %stheir runs are deleted.", missing, len(expected), why)
    table = build(trials, [s.info for s in setups], space, origin=settings.origin, licence=settings.licence)
    folder = Path(settings.output) / "meta_dataset"
    save(table, folder)
    failed = sum(t.status == "failed" for t in trials)
    run_id = tracker.log_folder(
        folder,
        "meta_dataset",
        run_name="meta-dataset",
        kind="meta_dataset",
        tags={"tasks": str(len(setups))},
        metrics={"trials": float(len(trials)), "failed_trials": float(failed)},
    )
    return Collected(table, folder, run_id)


def _is_same(trial: Trial, planned: Trial | None) -> bool:
    """Whether a trial of the experiment is the planned one: of the same settings, records and weights."""
    same = ("max_fidelity", "base_model_hash", "content_digest")
    return (
        planned is not None
        and all(getattr(trial, name) == getattr(planned, name) for name in same)
        and label_settings(trial.fit) == label_settings(planned.fit)
    )


def _send_all(settings: CollectSettings, tracker: Tracker) -> None:
    """Sends what could not be sent while trials ran, since the table is built from MLflow."""
    tasks = [_task_folder(settings, source) for source in settings.tasks]
    trials = [p.parent for f in tasks for p in (Path(settings.output) / "trials" / f.name).glob("*/trial.json")]
    unsent = sum(not sent for sent in [*map(tracker.sync_task, tasks), *map(tracker.sync_trial, trials)])
    if unsent:
        raise RuntimeError(
            f"MLflow at {tracker.uri} did not take {unsent} of {len(tasks) + len(trials)} records, and the table is "
            f"built from it. Nothing is lost: all are in {settings.output}. Start the same command again when "
            "it is back."
        )


def _check_names(sources: list[str]) -> None:
    names = [task_name(s) for s in sources]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ValueError(
            f"`tasks` has {', '.join(twice)} more than once, and trials are kept by that name. Rename a folder, or "
            "list each task once."
        )


def _identity(recipe: FitConfig, settings: CollectSettings) -> dict[str, Any]:
    """What trials that can be compared have in common, besides the space. Tasks and numbers of trials may grow."""
    return {"max_fidelity": settings.max_fidelity, "seed": settings.seed, **label_settings(recipe)}


def _check_same_collection(key: str, folder: Path, space: SearchSpace, identity: dict[str, Any]) -> None:
    """Refuses a folder of trials that can't be compared with those of now."""
    known = read_json(folder / COLLECTION)
    if known is None:
        if (folder / COLLECTION).exists():
            raise ValueError(
                f"{folder / COLLECTION} can't be read, so nothing says what collection the trials beside it are of. "
                f"Fetch it again, or set `{key}` to another folder."
            )
        return
    changes = differences(known["identity"], identity) + SearchSpace.from_dict(known["space"]).differences(space)
    if changes:
        raise ValueError(
            f"{folder} holds trials of another collection: {'; '.join(changes)}. Set `{key}` to another folder, or "
            "go on with the settings of before."
        )
