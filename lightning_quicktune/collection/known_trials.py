"""Trials that were run elsewhere, from parts or from a meta-dataset: taken over, so that they are not run again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from lightning_quicktune.collection.parts import KeptTrial
from lightning_quicktune.compose import to_yaml
from lightning_quicktune.files.locks import exclusive
from lightning_quicktune.files.whole import write_text
from lightning_quicktune.metadataset.build import furthest
from lightning_quicktune.metadataset.outcome import outcome
from lightning_quicktune.metadataset.table import METRIC, OVERHEADS, TEST, MetaDataset, cell_value
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.identity import CONTENT_CHANGED, LABEL_VERSION, SETTINGS, differences, settings_digest
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.storage import FIT_YAML, put_aside_other_labels, read_current, write_trial
from lightning_quicktune.types import LearningCurve, Overheads, SliceResult, TaskInfo, Trial, TrialStatus


def is_done(plan: TrialPlan) -> bool:
    """Whether a planned trial has ended, by its record."""
    trial = read_current(plan.folder)
    return trial is not None and trial.has_ended


def is_settled(plan: TrialPlan) -> bool:
    """Whether a planned trial has ended, or was interrupted by an error and waits for the next start."""
    trial = read_current(plan.folder)
    return trial is not None and (trial.has_ended or trial.status == "interrupted")


def take_up(plans: Iterable[TrialPlan]) -> int:
    """Makes trials that an error interrupted paused ones again, which go on from their last good slice.

    Args:
        plans: Trials of the collection.

    Returns:
        How many there were.
    """
    taken = 0
    for plan in (p for p in plans if is_settled(p) and not is_done(p)):
        with exclusive(plan.folder) as free:
            trial = read_current(plan.folder)
            if free and trial is not None and trial.status == "interrupted":
                write_trial(plan.folder, replace(trial, status="paused", failure=None))
                taken += 1
    return taken


def trials_of_parts(kept: Sequence[KeptTrial], plans: Iterable[TrialPlan]) -> dict[str, Trial]:
    """The planned trials that parts hold and that have ended, by key; those of other labels are left out.

    Args:
        kept: What the parts hold; trials that are not planned are left out.
        plans: The trials of the collection.

    Raises:
        ValueError: If a planned trial was run with other settings, records or weights.
    """
    current = [k for k in kept if k.trial.label_version == LABEL_VERSION]
    settings = {id(k.trial): k.settings for k in current}
    known = {trial.key: trial for trial in furthest(k.trial for k in current if k.trial.has_ended)}
    found = {}
    for plan in plans:
        blank = plan.blank
        if trial := known.get(blank.key):
            _check_same(trial, settings[id(trial)], blank)
            found[blank.key] = replace(trial, fit=blank.fit)
    return found


def trials_of_table(table: MetaDataset, plans: Iterable[TrialPlan]) -> dict[str, Trial]:
    """The planned trials that a meta-dataset holds and that have ended, by key; none if its labels are other ones.

    Args:
        table: With the test columns, if it has them.
        plans: The trials of the collection.
    """
    if table.label_version != LABEL_VERSION:
        return {}
    rows = dict(tuple(table.trials.sort_values("fidelity").groupby(["task", "config_id", "seed"])))
    found = {}
    for plan in plans:
        frame = rows.get((plan.task.name, plan.configuration.id, plan.seed))
        if frame is not None and (trial := _trial_of_rows(frame, plan.blank)).has_ended:
            found[trial.key] = trial
    return found


def check_table(source: str, table: MetaDataset, space: SearchSpace, infos: Iterable[TaskInfo]) -> None:
    """Refuses a meta-dataset whose trials are not of this space, these records or this base model.

    Args:
        source: What the user gave for it.
        table: The meta-dataset.
        space: The search space of the collection.
        infos: The tasks of the collection; those that the table lacks are new.

    Raises:
        ValueError: If something differs; says what.
    """
    changes = table.space.differences(space)
    for info in (i for i in infos if i.name in table.task_names):
        known = table.task_info(info.name)
        changes += [f"task {info.name}: {change}" for change in differences(_facts(known), _facts(info))]
        digests = [i.facts.get("content_digest") for i in (known, info)]
        if digests[0] is not None and digests[0] != digests[1]:
            changes.append(f"task {info.name}: {CONTENT_CHANGED}")
        recipes = [i.facts.get(SETTINGS) for i in (known, info)]
        if None not in recipes and recipes[0] != recipes[1]:
            changes.append(f"task {info.name}: `recipe` sets other values")
    if changes:
        raise ValueError(
            f"The trials of `resume_from: {source}` can't be taken over: {'; '.join(changes)}. One table holds trials "
            "that can be compared. Leave `resume_from` out, or put space, data and `recipe` back."
        )


def take_over(plans: Iterable[TrialPlan], trials: Mapping[str, Trial]) -> int:
    """Makes known trials records of this collection, where they have not ended here.

    Args:
        plans: The trials of the collection.
        trials: The known ones, by key.

    Returns:
        How many were taken over.
    """
    taken = 0
    for plan in plans:
        trial = trials.get(plan.key)
        if trial is None or is_done(plan):
            continue
        with exclusive(plan.folder) as free:
            if free:
                put_aside_other_labels(plan.folder)
                write_text(plan.folder / FIT_YAML, to_yaml(plan.resolved))
                write_trial(plan.folder, trial)
                taken += 1
    return taken


def _check_same(trial: Trial, settings: str, blank: Trial) -> None:
    names = ("base_model", "base_model_hash", "metric", "max_fidelity")
    changes = differences({n: getattr(trial, n) for n in names}, {n: getattr(blank, n) for n in names})
    if trial.content_digest != blank.content_digest:
        changes.append(CONTENT_CHANGED)
    if settings != settings_digest(blank.fit):
        changes.append("`recipe` or `space` set other values")
    if changes:
        raise ValueError(
            f"`parts` holds trial {trial.key} with other settings: {'; '.join(changes)}. Both can't be in one table: "
            "set `parts` and `output` to other folders, or put the settings back."
        )


def _facts(info: TaskInfo) -> dict[str, Any]:
    """What must be the same of a task for its trials to be comparable."""
    base = info.base_model
    facts = {"base_model": base.name, "base_model_hash": base.weight_hash, "metric": info.metric}
    return {**facts, "max_fidelity": info.max_fidelity, "records_per_slice": info.records_per_slice}


def _trial_of_rows(frame: pd.DataFrame, blank: Trial) -> Trial:
    last = frame.iloc[-1]
    columns = [str(name) for name in frame.columns]
    rows = (dict(zip(columns, row, strict=True)) for row in frame.itertuples(index=False, name=None))
    slices = [_slice(row) for row in rows if row["fidelity"] > 0]
    return replace(
        blank,
        curve=LearningCurve(tuple(slices)),
        status=_status(last),
        failure=cell_value(last["failure"]),
        overheads=Overheads(**{name: float(last[name]) for name in OVERHEADS}),
        versions={},  # a table doesn't say
    )


def _status(last: pd.Series[Any]) -> TrialStatus:
    """Status by the last row of a trial; tables of earlier versions hold interrupted ones as failed."""
    came = outcome(last["status"], cell_value(last["failure"]), int(last["fidelity"]), int(last["max_fidelity"]))
    status: TrialStatus = "interrupted" if came == "interrupted" else last["status"]
    return status


def _slice(row: Mapping[str, Any]) -> SliceResult:
    known = {name: value for name, value in row.items() if cell_value(value) is not None}
    tests = {n.removeprefix(TEST): float(v) for n, v in known.items() if n.startswith(TEST)}
    return SliceResult(
        fidelity=int(row["fidelity"]),
        score=float(known.get("score", math.nan)),
        cost_s=float(row["cost_s"]),
        cost_cpu_s=float(row["cost_cpu_s"]),
        cost_tokens=int(row["cost_tokens"]),
        metrics={n.removeprefix(METRIC): float(v) for n, v in known.items() if n.startswith(METRIC)},
        test_score=tests.pop("score", None),
        test_metrics=tests,
        reference_step_s=known.get("reference_step_s"),
    )
