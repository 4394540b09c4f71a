"""A search is one run from its first second on, with its trials below it."""

import dataclasses
import json

import pytest
from mlflow.tracking import MlflowClient

from lightning_quicktune.tracking.places import sqlite_uri, table_link
from lightning_quicktune.tracking.search_record import Measured, SearchFolder, SearchRecord
from lightning_quicktune.tracking.tracker import Tracker

RECORD = SearchRecord("a1b2", "tune shop", {"searcher": "transfer_guarded", "budget.seconds": "600"})


@pytest.fixture
def store_search(tmp_path):
    """Writes the record of a search: ``(**changes) -> folder``."""

    def store(folder="search", **changes):
        (tmp_path / folder).mkdir(exist_ok=True)
        record = dataclasses.replace(RECORD, **changes)
        (tmp_path / folder / "search.json").write_text(json.dumps(record.to_dict()))
        return tmp_path / folder

    return store


@pytest.fixture
def track(uri, store_search):
    """A tracker of the search: ``(experiment) -> Tracker``."""

    def make(experiment="searches", place=None, search_id=RECORD.id, folder="search"):
        folder = store_search(folder, id=search_id)
        names = SearchFolder(folder, search_id, lambda trial: f"lr {trial.configuration.values['lr']}")
        return Tracker(place or uri, experiment, names)

    return make


def runs_of(tracker, kind):
    client = MlflowClient(tracker.uri)
    (experiment,) = client.search_experiments(filter_string=f"name = '{tracker.experiment}'")
    return client.search_runs([experiment.experiment_id], f"tags.`quicktune.kind` = '{kind}'")


def test_the_run_is_there_from_the_start_with_the_settings(track):
    tracker = track()
    assert tracker.run_id is None
    assert tracker.table is None
    assert tracker.begin()
    (run,) = runs_of(tracker, "tune")
    assert (run.info.run_id, run.info.run_name, run.info.status) == (tracker.run_id, "tune shop", "RUNNING")
    assert run.data.params == {"searcher": "transfer_guarded", "budget.seconds": "600"}
    assert tracker.table == table_link(tracker.uri, run.info.experiment_id)
    assert tracker.begin()
    assert len(runs_of(tracker, "tune")) == 1


def test_trials_lie_below_it_under_names_for_people(track, tmp_path, store_trial, store_task):
    tracker = track()
    delivery = tracker.deliver(
        [store_task(tmp_path / "task")], [store_trial(tmp_path / str(n), 2, seed=n) for n in (1, 2)]
    )
    assert (delivery.n_records, delivery.n_lacking) == (4, 0)
    for run in (*runs_of(tracker, "trial"), *runs_of(tracker, "task")):
        assert run.data.tags["mlflow.parentRunId"] == tracker.run_id
    assert {run.info.run_name for run in runs_of(tracker, "trial")} == {"lr 0.1"}
    assert [run.info.run_name for run in runs_of(tracker, "task")] == ["task minerals"]
    assert {trial.seed for trial in tracker.read_trials()} == {1, 2}


def test_a_trial_alone_takes_the_search_with_it(track, tmp_path, store_trial):
    tracker = track()
    assert tracker.sync_trial(store_trial(tmp_path / "trial", 1))
    assert len(runs_of(tracker, "tune")) == 1


def test_two_searches_that_train_the_same_have_a_run_each(track, tmp_path, store_trial):
    for n in "12":
        tracker = track(search_id=n, folder=n)
        assert tracker.sync_trial(store_trial(tmp_path / n / "trial", 1))
    parents = {run.data.tags["mlflow.parentRunId"] for run in runs_of(tracker, "trial")}
    assert parents == {run.info.run_id for run in runs_of(tracker, "tune")}
    assert len(parents) == 2


def test_the_best_score_is_a_curve_and_nothing_is_sent_twice(track, store_search):
    tracker, best = track(), ()
    tracker.begin()
    for n in (1, 2, 4):
        best = (*best, Measured(n / 10, n, 10.0 * n))
        store_search(best=best, metrics={"zero-shot/validation": Measured(0.05, 0, 1.0)})
        assert tracker.begin()
    (run,) = runs_of(tracker, "tune")
    history = MlflowClient(tracker.uri).get_metric_history(run.info.run_id, "best_score")
    assert [(m.step, m.value, m.timestamp - run.info.start_time) for m in history] == [
        (1, 0.1, 10_000),
        (2, 0.2, 20_000),
        (4, 0.4, 40_000),
    ]
    assert len(MlflowClient(tracker.uri).get_metric_history(run.info.run_id, "zero-shot/validation")) == 1


def test_the_result_goes_with_it_when_it_is_whole(track, store_search):
    tracker = track()
    folder = store_search()
    (folder / "result" / "adapter").mkdir(parents=True)
    (folder / "result" / "adapter" / "adapter_config.json").write_text("{}")
    tracker.begin()
    client = MlflowClient(tracker.uri)
    assert [item.path for item in client.list_artifacts(tracker.run_id)] == ["search.json"]
    store_search(result="digest of it", status="completed", tags={"chosen": "lr 0.1"})
    tracker.begin()
    assert [item.path for item in client.list_artifacts(tracker.run_id, "result/adapter")] == [
        "result/adapter/adapter_config.json"
    ]
    run = client.get_run(tracker.run_id)
    assert (run.info.status, run.data.tags["chosen"]) == ("FINISHED", "lr 0.1")


def test_trials_are_sent_although_the_result_is_refused(track, store_search, tmp_path, store_trial, monkeypatch):
    tracker = track()
    folder = store_search(result="digest of it", status="completed")
    (folder / "result").mkdir()

    def refuse(*arguments):
        raise OSError("too large")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifacts", refuse)
        delivery = tracker.deliver([], [store_trial(tmp_path / "trial", 1)])
    assert (delivery.n_records, delivery.n_lacking, delivery.reason) == (2, 1, "OSError: too large")
    assert len(runs_of(tracker, "trial")) == 1
    assert tracker.deliver([], [tmp_path / "trial"]).n_lacking == 0
    assert (len(runs_of(tracker, "tune")), len(runs_of(tracker, "trial"))) == (1, 1)


def test_a_run_that_was_deleted_is_made_anew_and_its_trials_move_there(track, tmp_path, store_trial):
    tracker, trial = track(), store_trial(tmp_path / "trial", 1)
    tracker.deliver([], [trial])
    first = tracker.run_id
    MlflowClient(tracker.uri).delete_run(first)
    assert tracker.begin()
    assert tracker.run_id != first
    assert tracker.deliver([], [trial]).n_lacking == 0
    (run,) = runs_of(tracker, "trial")
    assert run.data.tags["mlflow.parentRunId"] == tracker.run_id


def test_while_nobody_answers_all_is_kept_and_goes_later_once(track, tmp_path, store_trial, monkeypatch):
    tracker = track()

    def away(*arguments):
        raise ConnectionError("no route to host")

    with monkeypatch.context() as patch:
        patch.setattr("lightning_quicktune.tracking.tracker.connect", away)
        assert not tracker.begin()
        assert not tracker.sync_trial(store_trial(tmp_path / "trial", 1))
        delivery = tracker.deliver([], [tmp_path / "trial"])
        assert (delivery.n_records, delivery.n_lacking) == (2, 2)
        assert tracker.run_id is None
    assert tracker.deliver([], [tmp_path / "trial"]).n_lacking == 0
    assert (len(runs_of(tracker, "tune")), len(runs_of(tracker, "trial"))) == (1, 1)


def test_a_tracker_without_a_search_says_so(uri):
    with pytest.raises(RuntimeError, match=r"was given no search\. Pass one as `search`"):
        Tracker(uri, "searches").begin()


def test_the_link_opens_the_table_of_runs(tmp_path):
    end = "/#/experiments/3/runs?workflowType=machine_learning"
    assert table_link(sqlite_uri(tmp_path / "mlflow.db"), "3") == f"http://127.0.0.1:5000{end}"
    assert table_link("https://me:secret@host/mlflow/", "3") == f"https://me:***@host/mlflow{end}"
