import dataclasses
import json
import shutil

import pytest
from mlflow.tracking import MlflowClient

from lightning_quicktune.tracking.places import sqlite_uri
from lightning_quicktune.types import BaseModelInfo, Configuration, LearningCurve, SliceResult, TaskInfo, Trial


@pytest.fixture
def uri(filled_database, tmp_path):
    """A database of this test alone, in a folder of its own."""
    (tmp_path / "runs").mkdir()
    shutil.copyfile(filled_database, tmp_path / "runs" / "mlflow.db")
    return sqlite_uri(tmp_path / "runs" / "mlflow.db")


@pytest.fixture
def store_trial():
    """Writes the record of a trial: ``(folder, n_slices, **changes) -> folder``."""

    def store(folder, n, **changes):
        slices = tuple(SliceResult(i, i / 10, 2.0, 1.5, 640) for i in range(1, n + 1))
        trial = Trial("minerals", "nano", "exact_match", Configuration({"lr": 0.1}), 1, 5, LearningCurve(), "running")
        folder.mkdir(parents=True, exist_ok=True)
        record = dataclasses.replace(trial, curve=LearningCurve(slices), **changes).to_dict()
        (folder / "trial.json").write_text(json.dumps(record))
        (folder / "fit.yaml").write_text("model: {}\n")
        return folder

    return store


@pytest.fixture
def store_task():
    """Writes the record of a task: ``folder -> folder``."""

    def store(folder):
        folder.mkdir(parents=True, exist_ok=True)
        task = TaskInfo("minerals", BaseModelInfo("nano", 200_000, "abc"), "exact_match", 5, 64, 0.1, {}, 0.2)
        (folder / "task.json").write_text(json.dumps(task.to_dict()))
        return folder

    return store


@pytest.fixture
def count_runs():
    """Counts the runs of each kind in a tracker's experiment: ``tracker -> {kind: number}``."""

    def count(tracker):
        client = MlflowClient(tracker.uri)
        runs = client.search_runs([client.get_experiment_by_name(tracker.experiment).experiment_id])
        kinds = [run.data.tags["quicktune.kind"] for run in runs]
        return {kind: kinds.count(kind) for kind in set(kinds)}

    return count
