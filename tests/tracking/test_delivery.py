import os
import time

import pytest
from mlflow.tracking import MlflowClient

from lightning_quicktune.tracking.delivery import Delivery, mlflow_line
from lightning_quicktune.tracking.tracker import Tracker


@pytest.fixture
def tracker(uri) -> Tracker:
    return Tracker(uri, "delivered")


def test_everything_is_sent_past_any_patience_whatever_its_status(
    tracker, tmp_path, store_task, store_trial, count_runs
):
    task = store_task(tmp_path / "task")
    statuses = ("running", "paused", "stopped", "failed", "interrupted", "completed")
    trials = [store_trial(tmp_path / s, 2, status=s, seed=n) for n, s in enumerate(statuses)]
    tracker._away_until = time.monotonic() + 3600
    assert not tracker.sync_trial(trials[0])
    delivery = tracker.deliver([task], trials)
    assert (delivery.n_records, delivery.n_lacking, delivery.reason) == (7, 0, None)
    assert count_runs(tracker) == {"task": 1, "trial": 6}
    assert {t.status for t in tracker.read_trials()} == set(statuses)


def test_what_is_lacking_is_counted_and_a_server_that_is_away_is_asked_once(
    tracker, tmp_path, store_task, store_trial, monkeypatch
):
    trials = [store_trial(tmp_path / str(n), 1, seed=n) for n in range(4)]
    assert tracker.sync_trial(trials[0])
    asked = []

    def away(*arguments):
        asked.append(arguments)
        raise ConnectionError("no route to host")

    monkeypatch.setattr("lightning_quicktune.tracking.tracker.connect", away)
    delivery = Tracker(tracker.uri, tracker.experiment).deliver([store_task(tmp_path / "task")], trials)
    assert (delivery.n_records, delivery.n_lacking) == (5, 4)  # the note of the first says that it was sent
    assert len(asked) == 1
    assert delivery.reason == "ConnectionError: no route to host"
    assert delivery.words == f"MLflow at {tracker.uri} lacks 4 of 5 records"


def test_one_record_that_is_refused_keeps_no_other(tracker, tmp_path, store_trial, count_runs, monkeypatch):
    trials = [store_trial(tmp_path / str(n), 1, seed=n) for n in range(3)]
    log_artifact = MlflowClient.log_artifact

    def refuse(self, run_id, path, *rest):
        if f"{os.sep}0{os.sep}" in str(path):
            raise OSError("this one not")
        log_artifact(self, run_id, path, *rest)

    monkeypatch.setattr(MlflowClient, "log_artifact", refuse)
    delivery = tracker.deliver([], trials)
    assert (delivery.n_lacking, delivery.reason) == (1, "OSError: this one not")
    assert sorted(t.seed for t in tracker.read_trials()) == [1, 2]


def test_processes_that_begin_with_one_new_database_lose_nothing(
    tracker, tmp_path, store_task, store_trial, count_runs
):
    """Three processes fill a database each, three seconds apiece; MLflow's own way breaks the file for good."""
    (tmp_path / "runs" / "mlflow.db").unlink()
    folders = [(store_task(tmp_path / f"task{n}"), store_trial(tmp_path / str(n), 3, seed=n)) for n in range(3)]
    begin, children = time.monotonic() + 0.5, []
    for task, trial in folders:
        if (pid := os.fork()) == 0:
            try:
                time.sleep(max(0.0, begin - time.monotonic()))
                os._exit(0 if tracker.sync_task(task) and tracker.sync_trial(trial) else 1)
            finally:
                os._exit(2)  # an error must not go on with the tests here
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
    assert sorted((t.seed, t.curve.fidelity) for t in tracker.read_trials()) == [(0, 3), (1, 3), (2, 3)]
    assert count_runs(tracker)["trial"] == 3
    assert sorted(os.listdir(tmp_path / "runs")) == ["mlartifacts", "mlflow.db"]


def test_a_database_that_could_not_be_filled_is_not_left_half_full(tracker, tmp_path, monkeypatch):
    """Fills one twice."""
    (tmp_path / "runs" / "mlflow.db").unlink()
    monkeypatch.setattr(MlflowClient, "search_experiments", lambda *a, **k: (_ for _ in ()).throw(OSError("killed")))
    tracker.check()
    assert os.listdir(tmp_path / "runs") == []
    monkeypatch.undo()
    tracker.check()
    assert os.listdir(tmp_path / "runs") == ["mlflow.db"]


def test_a_run_is_known_unless_the_store_says_that_it_is_not(tracker, tmp_path):
    (tmp_path / "a").mkdir()
    run_id = tracker.log_folder(tmp_path / "a", "a", "a", "surrogate", {}, {})
    assert tracker.has_run(run_id)
    assert not tracker.has_run("f" * 32)
    MlflowClient(tracker.uri).delete_run(run_id)
    assert not tracker.has_run(run_id)
    (tmp_path / "elsewhere").mkdir()
    assert Tracker(f"sqlite:///{tmp_path}/elsewhere", "away").has_run(run_id)


def test_the_last_line_of_a_command_says_where_it_is_or_what_is_lacking():
    uri = "postgresql://me:secret@host/my runs"
    shown = "postgresql://me:***@host/my runs"
    assert mlflow_line("ab", uri) == f"MLflow   run ab; `mlflow ui --backend-store-uri '{shown}'` shows it"
    assert mlflow_line("ab", "http://host:5000") == "MLflow   run ab at http://host:5000"
    later = "all is on this disk, and the same command sends it once MLflow answers"
    assert mlflow_line(None, uri) == f"MLflow   the report was not taken by {shown}; {later}"
    nothing = Delivery(9, 9, uri, "OSError: away")  # which was said already, of the report
    lacking = "9 of 9 records are lacking there"
    assert mlflow_line(None, uri, nothing) == f"MLflow   the report was not taken by {shown}; {lacking}; {later}"
    line = mlflow_line("ab", "http://host", Delivery(9, 2, "http://host", "OSError: away"))
    assert line == f"MLflow   run ab at http://host; 2 of 9 records are lacking there (OSError: away); {later}"
    assert mlflow_line("ab", "http://host", Delivery(9, 0, "http://host")) == "MLflow   run ab at http://host"
