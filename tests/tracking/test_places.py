import os
from pathlib import Path

import pytest

from lightning_quicktune.tracking.places import artifact_folder, artifact_location, resolve_uri, shown_uri, sqlite_path
from lightning_quicktune.tracking.tracker import Tracker

ODD = ["a b", "a%20b", "a?b", "a#b", "100%", "a;b"]


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("typed", ["in the folder", "its path"])
def test_the_database_is_the_file_in_that_folder_however_it_is_named(tmp_path, monkeypatch, name, typed):
    folder = tmp_path / name
    folder.mkdir()
    if typed == "in the folder":
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        monkeypatch.chdir(folder)
    uri = resolve_uri(None if typed == "in the folder" else f"sqlite:///{folder}/mlflow.db")
    assert sqlite_path(uri) == folder / "mlflow.db"
    assert resolve_uri(uri) == uri
    assert artifact_folder(uri, artifact_location(uri, "trials")) == folder / "mlartifacts" / "trials"


@pytest.mark.parametrize("name", ["a%20b", "a?b"])
def test_records_go_into_an_oddly_named_folder_and_come_back_and_nothing_lies_beside_it(
    tmp_path, name, store_trial, store_task
):
    """Fills a database."""
    folder = tmp_path / "place" / name
    folder.mkdir(parents=True)
    tracker = Tracker(f"sqlite:///{folder}/mlflow.db", "odd")
    assert tracker.sync_task(store_task(tmp_path / "task"))
    assert tracker.sync_trial(store_trial(tmp_path / "trial", 2))
    assert [t.curve.scores for t in Tracker(tracker.uri, "odd").read_trials()] == [(0.1, 0.2)]
    assert [t.name for t in tracker.read_tasks()] == ["minerals"]
    assert sorted(os.listdir(tmp_path / "place")) == [name]
    assert sorted(os.listdir(folder)) == ["mlartifacts", "mlflow.db"]


def test_a_folder_that_is_not_there_is_read_as_mlflow_reads_it(tmp_path):
    (tmp_path / "a b").mkdir()
    assert sqlite_path(resolve_uri(f"sqlite:///{tmp_path}/a%20b/mlflow.db")) == tmp_path / "a b" / "mlflow.db"


def test_options_of_a_database_stay(tmp_path):
    uri = resolve_uri(f"sqlite:///{tmp_path}/mlflow.db?timeout=30")
    assert uri == f"sqlite:///{tmp_path}/mlflow.db?timeout=30"
    assert sqlite_path(uri) == Path(tmp_path / "mlflow.db")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://me:secret@host:5432/runs", "postgresql://me:***@host:5432/runs"),
        ("https://me:s:e@host/path", "https://me:***@host/path"),
        ("http://host:5000", "http://host:5000"),
        ("sqlite:////data/a:b@c/mlflow.db", "sqlite:////data/a:b@c/mlflow.db"),
    ],
)
def test_no_password_is_shown(uri, shown):
    assert shown_uri(uri) == shown
