import logging
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.tracking import MlflowClient

from lightning_quicktune.tracking import records
from lightning_quicktune.tracking.tracker import Tracker


@pytest.fixture
def tracker(uri, tmp_path, store_trial) -> Tracker:
    """An experiment of three trials."""
    tracker = Tracker(uri, "read")
    assert tracker.deliver([], [store_trial(tmp_path / str(n), 2, seed=n) for n in range(3)]).n_lacking == 0
    return tracker


def record_of(tracker: Tracker, seed: int) -> Path:
    client, experiment = tracker._connect()
    (run,) = client.search_runs([experiment.experiment_id], f"tags.seed = '{seed}'")
    return Path(run.info.artifact_uri) / "trial.json"


@pytest.mark.parametrize(("place", "what"), [("here", "cut short"), ("server", "cut short"), ("server", "not there")])
def test_a_run_without_a_whole_record_is_passed_over_and_counted(tracker, monkeypatch, caplog, place, what):
    """A server's artifacts are fetched run by run, as it is without a folder of this machine."""
    if place == "server":
        monkeypatch.setattr(records, "artifact_folder", lambda *a: None)
    if what == "cut short":
        record_of(tracker, 1).write_text('{"task": ')
    else:
        record_of(tracker, 1).unlink()
    with caplog.at_level(logging.WARNING, records.__name__):
        assert sorted(t.seed for t in tracker.read_trials()) == [0, 2]
    assert "1 of 3 trial runs of experiment 'read' have no whole trial.json and are passed over" in caplog.text


@pytest.mark.parametrize("kind", [MlflowException, OSError])
def test_a_server_that_goes_away_in_the_middle_is_no_run_without_a_record(tracker, monkeypatch, kind):
    def gone(*arguments):
        raise kind("connection refused")

    monkeypatch.setattr(records, "artifact_folder", lambda *a: None)
    monkeypatch.setattr(LocalArtifactRepository, "_download_file", gone)
    with pytest.raises(ConnectionError, match="connection refused"):
        tracker.read_trials()

    def silent(*arguments):
        raise MlflowException("connection refused")

    monkeypatch.setattr(MlflowClient, "list_artifacts", silent)
    with pytest.raises(ConnectionError, match="connection refused"):
        tracker.read_trials()


def test_a_file_that_fails_once_is_fetched_again(tracker, monkeypatch):
    fetch, failed = LocalArtifactRepository._download_file, set()

    def fails_once(repository, name, path):
        if path not in failed:
            failed.add(path)
            raise OSError("reset by peer")
        fetch(repository, name, path)

    monkeypatch.setattr(records, "artifact_folder", lambda *a: None)
    monkeypatch.setattr(LocalArtifactRepository, "_download_file", fails_once)
    assert sorted(t.seed for t in tracker.read_trials()) == [0, 1, 2]
    assert len(failed) == 3
