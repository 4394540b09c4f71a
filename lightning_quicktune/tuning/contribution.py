"""What a search adds to an experience: its trials, and what is learned of them together with those before."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lightning_quicktune.files.locks import exclusive
from lightning_quicktune.files.whole import read_json, write_json
from lightning_quicktune.metadataset.build import build, typed
from lightning_quicktune.metadataset.folder import INDEX, furthest_rows, load, save
from lightning_quicktune.metadataset.outcome import outcome
from lightning_quicktune.metadataset.table import FACT, MetaDataset, cell_value, counts
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.identity import LABEL_VERSION, SETTINGS, label_settings
from lightning_quicktune.trials.storage import read_trial
from lightning_quicktune.tuning.experience_folder import as_it_was, is_empty, is_shipped, learn, read_whole
from lightning_quicktune.types import TaskInfo, Trial

if TYPE_CHECKING:
    from lightning_quicktune.tuning.job import Job

CONTRIBUTED = "contributed.json"
_CONTENT, _SETTINGS = f"{FACT}content_digest", f"{FACT}{SETTINGS}"
_WAIT_S = 120.0  # for another search that contributes


def check_contribution(folder: str, space: SearchSpace, task: TaskInfo) -> None:
    """Refuses a folder whose trials can't be compared with those to come.

    Args:
        folder: What ``contribute`` names.
        space: The search space of the search.
        task: Its task.

    Raises:
        FileExistsError: If it isn't an experience.
        ValueError: If it has another search space, base model, score, length of trainings or meaning of labels.
    """
    if is_shipped(folder):
        raise ValueError(
            f"`contribute` is {folder!r}, a name of what the package brings, which can't grow. Set `contribute` to a "
            f"folder of your own; with `experience: {folder}` it begins with all that is in there."
        )
    place = Path(folder)
    if is_empty(place):
        return
    if not (place / INDEX).is_file():
        raise FileExistsError(
            f"`contribute` is {folder}, which is no experience but holds other files. Set `contribute` to a new folder."
        )
    differences = _differences(load(place), space, task)
    if differences:
        raise ValueError(
            f"`contribute` is {folder}, whose trials can't be compared with those of this search: "
            f"{'; '.join(differences)}. Set `contribute` to another folder, such as a new one."
        )


def contribute(job: Job) -> None:
    """Adds the trials of a search to the folder that its settings name, once; and learns from all that are there.

    A task that is there already, of the same records and settings, gets its trials renewed one by one, the furthest
    record of each; of other settings, all are replaced; of other records, it is another task, with a name of its own.

    Args:
        job: The tuning, whose search has ended.

    Raises:
        RuntimeError: If another search has been contributing for minutes.
    """
    if job.settings.contribute is None:
        return
    folder, trials = Path(job.settings.contribute), _trials_of(job)
    note: dict[str, Any] = {"folder": str(folder.absolute()), "slices": {t.key: t.curve.fidelity for t in trials}}
    if not trials or (read_json(job.output / CONTRIBUTED) == note and not is_empty(folder)):
        return
    job.watcher.note(f"Adding {len(trials)} trials to {folder}, and learning from all that are there ...")
    with _alone(folder):
        before = None if is_empty(folder) else load(folder, with_test=True)
        if before is None:
            before = _begun_with(job)
        else:
            check_contribution(str(folder), job.space, job.setup.info)
        save(_together(before, job, trials), folder, grows=True)
        learn(folder)
    write_json(job.output / CONTRIBUTED, note)


def _trials_of(job: Job) -> list[Trial]:
    """What was trained as the search space says, as far as it went; errors say nothing of a configuration."""
    found = []
    for folder in sorted(job.trials.glob("*/")):
        trial = read_trial(folder)
        if trial is not None and _is_comparable(trial, job):
            found.append(trial)
    return found


def _is_comparable(trial: Trial, job: Job) -> bool:
    came = outcome(trial.status, trial.failure, trial.curve.fidelity, trial.max_fidelity)
    if came == "interrupted" or (came == "partial" and not trial.curve.slices):
        return False
    try:
        planned = job.executor.plan(trial.configuration).resolved
    except ValueError:  # a recipe outside of the search space
        return False
    same = (trial.max_fidelity, trial.label_version) == (job.setup.info.max_fidelity, LABEL_VERSION)
    return same and label_settings(planned) == label_settings(trial.fit)


def _begun_with(job: Job) -> MetaDataset | None:
    """What a new folder begins with: the experience of the search, where it is of the same kind."""
    source = as_it_was(job.settings.experience, job.output)
    if source is None or (not is_shipped(source) and is_empty(Path(source))):
        return None
    table = read_whole(source)
    differences = _differences(table, job.space, job.setup.info)
    if differences:
        job.watcher.note(f"Without the trials of {job.settings.experience}: {'; '.join(differences)}.")
    return None if differences else table


def _differences(table: MetaDataset, space: SearchSpace, task: TaskInfo) -> list[str]:
    """In what trials differ from those of a search so that they can't be compared, in words."""
    own: dict[str, tuple[Iterable[Any], Any]] = {
        "base model": (table.tasks["base_model"], task.base_model.name),
        "weights": (table.tasks["base_model_hash"], task.base_model.weight_hash),
        "score": (table.tasks["metric"], task.metric),
        "version of the labels": ([table.label_version], LABEL_VERSION),
    }
    found = [
        f"{name}: {', '.join(map(str, sorted(set(known))))} there, {mine} here"
        for name, (known, mine) in own.items()
        if set(known) != {mine}
    ]
    lengths = sorted(set(table.tasks["max_fidelity"]))
    if not lengths[0] <= task.max_fidelity <= lengths[-1]:  # as the surrogates of such trials would have it
        found.append(f"slices of a full training: {', '.join(map(str, lengths))} there, {task.max_fidelity} here")
    return [*found, *(f"search space, {each}" for each in table.space.differences(space))]


def _together(before: MetaDataset | None, job: Job, trials: list[Trial]) -> MetaDataset:
    info = job.setup.info
    origin, licence = "lightning-quicktune tune, own tasks", "that of the tasks' owners"
    if before is None:
        return build(trials, [info], job.space, origin, licence)
    known = before.tasks[before.tasks["task"] == info.name]
    digest = str(info.facts["content_digest"])
    if not known.empty and known[_CONTENT].tolist() != [digest]:
        info = replace(info, name=f"{info.name}-{digest[:6]}")
        trials = [replace(trial, task=info.name) for trial in trials]
        known = before.tasks[before.tasks["task"] == info.name]
    new = build(trials, [info], job.space, origin, licence)
    old = before.trials
    if not known.empty and known[_SETTINGS].tolist() != [info.facts[SETTINGS]]:
        old = old[old["task"] != info.name]
    merged = furthest_rows(_stacked(old, new.trials))
    tasks = _stacked(before.tasks[before.tasks["task"] != info.name], new.tasks)
    said = str(before.meta["origin"])
    meta = {**before.meta, "origin": said if origin in said else f"{said}; {origin}", **counts(merged, tasks)}
    return MetaDataset(merged, tasks, before.space, meta)


def _stacked(first: pd.DataFrame, then: pd.DataFrame) -> pd.DataFrame:
    rows = [*first.to_dict("records"), *then.to_dict("records")]
    return typed([{str(name): cell_value(cell) for name, cell in row.items()} for row in rows], list(first.columns))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    until = time.monotonic() + _WAIT_S
    while True:
        with exclusive(folder) as free:
            if free:
                yield
                return
        if time.monotonic() > until:
            raise RuntimeError(
                f"Another search has been adding trials to {folder} for {_WAIT_S:.0f} s. Start the same command again "
                "when it has ended: what was found is kept, and only the contribution is left."
            )
        time.sleep(0.5)
