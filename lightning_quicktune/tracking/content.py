"""What MLflow shall say of a trial or a task: pure functions from a record to parameters, metrics and tags."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lightning_quicktune.tracking.search_record import SearchRecord
from lightning_quicktune.types import SliceResult, TaskInfo, Trial

Kind = Literal["trial", "task", "tune"]
RunStatus = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED"]

RECORD_FILES: Mapping[Kind, str] = {"trial": "trial.json", "task": "task.json", "tune": "search.json"}
SETTINGS_FILES: Mapping[Kind, str] = {"trial": "fit.yaml", "task": "identity.json"}
RUN_STATUS: Mapping[str, RunStatus] = {
    "running": "RUNNING",
    "paused": "SCHEDULED",
    "completed": "FINISHED",
    "stopped": "FINISHED",
    "failed": "FAILED",
    "interrupted": "FAILED",  # MLflow has no word for it; the tag does
}
_PARENT = "mlflow.parentRunId"  # MLflow shows a run below the one that this tag names
_LONGEST_PARAM = 500  # letters that every store takes


@dataclass(frozen=True)
class Point:
    """One value of one metric.

    Args:
        name: Name of the metric.
        value: Its value.
        step: Fidelity, in slices.
        after_s: Seconds of training since the run's start, which places the point on the time axis.
    """

    name: str
    value: float
    step: int
    after_s: float


@dataclass(frozen=True)
class RunContent:
    """Everything one MLflow run shall hold.

    Args:
        kind: What the run stands for.
        name: Name of the run, for people.
        identity: Tags that find the run again: no other run of an experiment has the same. Two searches with the same
            configuration but another recipe are two runs.
        digest: Digest of the record, which tells whether anything is new.
        params: Values that never change.
        tags: Values that may change.
        points: Values of metrics, ordered by step.
        status: Status of the run.
        result: Digest of what lies in ``result`` beside the record and goes with it; empty if nothing does.
    """

    kind: Kind
    name: str
    identity: Mapping[str, str]
    digest: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    points: tuple[Point, ...]
    status: RunStatus
    result: str = ""


@dataclass(frozen=True)
class Parent:
    """The search that trials belong to, as MLflow has it.

    Args:
        run_id: Its run.
        search_id: Its own id, which stays the same in another database.
        name: What the run of a trial is called.
    """

    run_id: str
    search_id: str
    name: Callable[[Trial], str]


def read_content(folder: Path, kind: Kind, parent: Parent | None = None) -> RunContent:
    """Reads the record in a folder and says it in MLflow's terms.

    Args:
        folder: Folder of one trial, task or search.
        kind: Which of these.
        parent: The search that a trial or task is part of; none if it is part of none.

    Raises:
        FileNotFoundError: If the folder holds no record.
    """
    path = folder / RECORD_FILES[kind]
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} holds no {path.name}, so there is no {kind} to send to MLflow. "
            f"Pass the folder that was made for one {kind}; its {path.name} is written before anything is sent."
        )
    text = path.read_text(encoding="utf-8")
    record = json.loads(text)
    digest = hashlib.sha256(f"{text}{parent.run_id if parent else ''}".encode()).hexdigest()
    if kind == "tune":
        return search_content(SearchRecord.from_dict(record), digest)
    about = folder / SETTINGS_FILES[kind]
    settings = hashlib.sha256(about.read_bytes()).hexdigest()[:12] if about.exists() else "unknown"
    if kind == "trial":
        return trial_content(Trial.from_dict(record), settings, digest, parent)
    return task_content(TaskInfo.from_dict(record), settings, digest, parent)


def search_content(search: SearchRecord, digest: str) -> RunContent:
    """Run of one search: its settings as parameters, its best score over time as a metric, what it found as tags."""
    measured = [("best_score", each) for each in search.best] + list(search.metrics.items())
    points = (Point(legal(name), each.value, each.slices, each.at_s) for name, each in measured)
    return RunContent(
        kind="tune",
        name=search.name,
        identity={"quicktune.kind": "tune", "quicktune.key": search.id},
        digest=digest,
        params={legal(name): value[:_LONGEST_PARAM] for name, value in search.settings.items()},
        tags={legal(name): value for name, value in search.tags.items()},
        points=tuple(sorted(points, key=lambda point: point.step)),
        status=RUN_STATUS[search.status],
        result=search.result,
    )


def trial_content(trial: Trial, settings: str, digest: str, parent: Parent | None = None) -> RunContent:
    """Run of one trial: its configuration as parameters, its curve as metrics, the rest as tags."""
    tags = {
        "task": trial.task,
        "metric": trial.metric,
        "config_id": trial.configuration.id,
        "seed": str(trial.seed),
        "status": trial.status,
        "failure": trial.failure or "",
        "fidelity": str(trial.curve.fidelity),
        "max_fidelity": str(trial.max_fidelity),
        "overheads.start_s": f"{trial.overheads.start_s:g}",
        "overheads.resume_s": f"{trial.overheads.resume_s:g}",
        "overheads.test_s": f"{trial.overheads.test_s:g}",
        "overheads.save_s": f"{trial.overheads.save_s:g}",
        "overheads.unfinished_s": f"{trial.overheads.unfinished_s:g}",
        "base_model.weight_hash": trial.base_model_hash,
        "content_digest": trial.content_digest,
    }
    if trial.device is not None:
        tags |= {
            "device": trial.device.name,
            "device.count": str(trial.device.count),
            "device.threads": str(trial.device.threads),
            "device.load_average": f"{trial.device.load_average:g}",
            "device.reference_step_s": f"{trial.device.reference_step_s:g}",
        }
    tags |= {f"version.{package}": version for package, version in trial.versions.items()}
    identity = _identity("trial", trial.key, settings, trial.base_model)
    if parent is not None:
        tags[_PARENT] = parent.run_id
        identity["quicktune.search"] = parent.search_id  # another search may train the same
    return RunContent(
        kind="trial",
        name=parent.name(trial) if parent else trial.key,
        identity=identity,
        digest=digest,
        params={legal(name): str(value) for name, value in trial.configuration.values.items()},
        tags={legal(name): value for name, value in tags.items()},
        points=tuple(_curve_points(trial.curve.slices)),
        status=RUN_STATUS[trial.status],
    )


def task_content(task: TaskInfo, settings: str, digest: str, parent: Parent | None = None) -> RunContent:
    """Run of one task: its meta-features as metrics."""
    values = {
        "zero_shot_score": task.zero_shot_score,
        "meta_features_cost_s": task.meta_features_cost_s,
        **{f"meta/{name}": value for name, value in task.meta_features.items()},
    }
    tags = {
        "task": task.name,
        "metric": task.metric,
        "max_fidelity": str(task.max_fidelity),
        "records_per_slice": str(task.records_per_slice),
        "base_model.n_parameters": str(task.base_model.n_parameters),
        "base_model.weight_hash": task.base_model.weight_hash,
        "base_model.quantization": task.base_model.quantization,
    }
    if parent is not None:  # of several searches on one task the last one shows it
        tags[_PARENT] = parent.run_id
    return RunContent(
        kind="task",
        name=f"task {task.name}",
        identity=_identity("task", task.name, settings, task.base_model.name),
        digest=digest,
        params={},
        tags=tags,
        points=tuple(Point(legal(name), float(value), 0, 0.0) for name, value in values.items()),
        status="FINISHED",
    )


def _curve_points(slices: tuple[SliceResult, ...]) -> Iterator[Point]:
    after_s = 0.0
    for result in slices:
        after_s += result.cost_s
        values: dict[str, float] = {
            "score": result.score,
            "cost_s": result.cost_s,
            "cost_cpu_s": result.cost_cpu_s,
            "cost_tokens": result.cost_tokens,
            **{f"validation/{name}": value for name, value in result.metrics.items()},
            **{f"test/{name}": value for name, value in result.test_metrics.items()},
        }
        if result.test_score is not None:
            values["test_score"] = result.test_score
        for name, value in values.items():
            yield Point(legal(name), float(value), result.fidelity, after_s)


def _identity(kind: Kind, key: str, settings: str, base_model: str) -> dict[str, str]:
    return {
        "quicktune.kind": kind,
        "quicktune.key": key,
        "quicktune.settings": settings,
        "base_model": base_model,
    }


def legal(name: str) -> str:
    """A name that MLflow takes for a parameter, metric or tag."""
    return re.sub(r"[^\w\-./: ]", "_", name, flags=re.ASCII)
