"""The collection: configurations of a search space, run over many tasks and recorded as a meta-dataset."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning_quicktune.collection.entries import entry_of
from lightning_quicktune.collection.exchange import Exchange, check_base_model, tell_other_labels
from lightning_quicktune.collection.known_trials import is_done, is_settled, take_up
from lightning_quicktune.collection.plans import in_shard, listed_configurations, plans, task_folder, task_of
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.collection.summary import summarize
from lightning_quicktune.collection.workers import run_workers
from lightning_quicktune.compose import FitConfig, read_yaml
from lightning_quicktune.files.whole import read_json, write_json
from lightning_quicktune.metadataset.build import build, furthest
from lightning_quicktune.metadataset.folder import save
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.identity import LABEL_VERSION, differences, label_settings
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.recipe import check_search
from lightning_quicktune.trials.storage import check_output, newer_labels, read_current
from lightning_quicktune.trials.task_setup import TaskSetup
from lightning_quicktune.trials.termination import termination_as_interrupt
from lightning_quicktune.types import Trial

if TYPE_CHECKING:
    from lightning_quicktune.tracking.tracker import Tracker

log = logging.getLogger(__name__)
COLLECTION = "collection.json"


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


def collect(settings: CollectSettings) -> Collected | None:
    """Runs every trial that isn't recorded yet, then builds the meta-dataset from MLflow.

    Args:
        settings: Tasks, recipe, search space and sizes.

    Returns:
        Where the meta-dataset is; none if only parts are wanted.

    Raises:
        ValueError: If tasks, recipe and space don't fit each other, or the folder holds another collection.
        ModuleNotFoundError: If what runs the trials is not installed.
    """
    output = Path(settings.output)
    settings.executor.check_installed()
    space, recipe = SearchSpace.from_yaml(Path(settings.space)), read_yaml(Path(settings.recipe))
    _check_names(settings.tasks)
    check_search(recipe, space)
    listed_configurations(settings, space)
    identity = _identity(recipe, settings)
    folders = {"output": output, **({"parts": Path(settings.parts)} if settings.parts else {})}
    for key, folder in folders.items():
        _check_same_collection(key, folder, space, identity)
    check_output(output)
    exchange = Exchange(settings)
    exchange.restore_tasks(task_folder(settings, source) for source in settings.tasks)
    setups = [task_of(settings, recipe, source) for source in settings.tasks]
    check_base_model(setups)
    planned = [plan for setup in setups for plan in plans(settings, space, setup)]
    known = exchange.known_trials(space, setups, planned)
    tracker = None if settings.parts_only else _tracker(settings, space)
    for folder in folders.values():
        if (read_json(folder / COLLECTION) or {}).get("label_version") != LABEL_VERSION:
            content = {"label_version": LABEL_VERSION, "identity": identity, "space": space.to_dict()}
            write_json(folder / COLLECTION, content)
    with termination_as_interrupt():
        exchange.take_over(known, setups, planned)
        taken_up = take_up(plan for plan in planned if in_shard(settings, plan))
        if taken_up:
            log.info("%d trials that an error had interrupted are taken up again.", taken_up)
        begun, start = {plan.key: _n_slices(plan) for plan in planned if not is_done(plan)}, time.perf_counter()
        try:
            run_workers(settings, planned)
        finally:
            exchange.export(planned)
            _sum_up(settings, planned, begun, time.perf_counter() - start)
    return None if tracker is None else _gather(settings, tracker, space, setups)


def _tracker(settings: CollectSettings, space: SearchSpace) -> Tracker:
    from lightning_quicktune.tracking.tracker import Tracker  # MLflow takes seconds, and may not be there

    tracker = Tracker(settings.tracking.uri, settings.tracking.experiment)
    tracker.claim(space.id)
    return tracker


def _n_slices(plan: TrialPlan) -> int:
    trial = read_current(plan.folder)
    return trial.curve.fidelity if trial is not None else 0


def _sum_up(settings: CollectSettings, planned: Sequence[TrialPlan], begun: Mapping[str, int], seconds: float) -> None:
    """Writes what this start of the command took, if it ran a trial."""
    settled = [trial for plan in planned if is_settled(plan) and (trial := read_current(plan.folder)) is not None]
    new = begun.keys() & {trial.key for trial in settled}
    if new:
        summary = summarize(settled, {key: begun[key] for key in new}, seconds, settings.workers)
        write_json(Path(settings.output) / "summary.json", summary)
        log.info("%d trials in %.0f s, %.0f per hour.", summary["new_trials"], seconds, summary["trials_per_hour"])


def _gather(settings: CollectSettings, tracker: Tracker, space: SearchSpace, setups: list[TaskSetup]) -> Collected:
    """Builds the table from what MLflow holds of this collection, whatever else the experiment has."""
    _send_all(settings, tracker)
    expected = {plan.blank.key: plan.blank for setup in setups for plan in plans(settings, space, setup)}
    logged = tracker.read_trials()
    tell_other_labels("the experiment", [t.label_version for t in logged if t.key in expected])
    own = [t for t in logged if _is_same(t, expected.get(t.key))]
    if len(own) < len(logged):
        log.info("%d trials of the experiment are not of this collection.", len(logged) - len(own))
    trials, lost = furthest(t for t in own if t.has_ended), [t for t in own if t.status == "interrupted"]
    interrupted = {t.key: t for t in lost if t.key not in {ended.key for ended in trials}}
    _tell_interrupted(settings, list(interrupted.values()), len(trials))
    missing = len(expected) - len(trials) - len(interrupted)
    if missing:
        why = "they belong to other shards, or " if settings.shard else ""
        log.warning(
            "%d of %d trials are not in the table: %stheir runs are deleted, or other processes are writing them.",
            missing,
            len(expected),
            why,
        )
    table = build(
        [*trials, *interrupted.values()],
        [s.info for s in setups],
        space,
        origin=settings.origin,
        licence=settings.licence,
    )
    folder = Path(settings.output) / "meta_dataset"
    save(table, folder)
    failed = sum(t.status == "failed" for t in trials)
    run_id = tracker.log_folder(
        folder,
        "meta_dataset",
        run_name="meta-dataset",
        kind="meta_dataset",
        tags={"tasks": str(len(setups))},
        metrics={
            "trials": float(len(trials)),
            "failed_trials": float(failed),
            "interrupted_trials": float(len(interrupted)),
        },
    )
    return Collected(table, folder, run_id)


def _tell_interrupted(settings: CollectSettings, interrupted: Sequence[Trial], n_ended: int) -> None:
    """Says which trials errors have interrupted; there is no table if that befell all.

    Raises:
        RuntimeError: If it did.
    """
    if not interrupted:
        return
    words = (
        f"{len(interrupted)} trials were interrupted by errors (the first: {interrupted[0].failure}), which say "
        f"nothing of their configurations. All are in {settings.output}/trials/*/*/trial.json under `failure`"
    )
    if not n_ended:
        raise RuntimeError(
            f"{words}. No other trial has ended, so there is no table. Correct what is wrong, then start the same "
            "command again: it goes on from their last slices."
        )
    log.warning("%s. They are not in the table; start the same command again to go on with them.", words)


def _is_same(trial: Trial, planned: Trial | None) -> bool:
    """Whether a trial of the experiment is the planned one: of the same settings, records and weights."""
    same = ("max_fidelity", "base_model_hash", "content_digest", "label_version")
    return (
        planned is not None
        and all(getattr(trial, name) == getattr(planned, name) for name in same)
        and label_settings(trial.fit) == label_settings(planned.fit)
    )


def _send_all(settings: CollectSettings, tracker: Tracker) -> None:
    """Sends what could not be sent while trials ran, since the table is built from MLflow."""
    tasks = [task_folder(settings, source) for source in settings.tasks]
    trials = [p.parent for f in tasks for p in (Path(settings.output) / "trials" / f.name).glob("*/trial.json")]
    delivery = tracker.deliver(tasks, trials)
    if delivery.n_lacking:
        raise RuntimeError(
            f"{delivery.words} ({delivery.reason}), and the table is built from it. Nothing is lost: all are in "
            f"{settings.output}. Start the same command again when it is back."
        )


def _check_names(sources: list[str]) -> None:
    names = [entry_of(s).name for s in sources]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ValueError(
            f"`tasks` has {', '.join(twice)} more than once, and trials are kept by that name. Rename a folder, "
            "list each task once, or write several lengths of training as `shop.jsonl@480` and `shop.jsonl@2400`."
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
    if (version := known.get("label_version", 1)) > LABEL_VERSION:
        raise ValueError(newer_labels(folder, version, key))
    changes = differences(known["identity"], identity) + SearchSpace.from_dict(known["space"]).differences(space)
    if changes:
        raise ValueError(
            f"{folder} holds trials of another collection: {'; '.join(changes)}. Set `{key}` to another folder, or "
            "go on with the settings of before."
        )
