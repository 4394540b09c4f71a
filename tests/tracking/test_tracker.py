import dataclasses
import json
import logging
import os
import time
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from lightning_quicktune.tracking import tracker as module
from lightning_quicktune.tracking.sent import Sent
from lightning_quicktune.tracking.tracker import Tracker
from lightning_quicktune.types import (
    BaseModelInfo,
    Configuration,
    DeviceInfo,
    LearningCurve,
    SliceResult,
    TaskInfo,
    Trial,
)

TRIAL = Trial(
    task="l'eau",
    base_model="nano",
    metric="answer_likelihood",
    configuration=Configuration({"lr": 1e-3, "variant": "dora"}),
    seed=3,
    max_fidelity=5,
    curve=LearningCurve(),
    status="running",
    device=DeviceInfo("cpu", 1, 1, 0.5, 0.01),
    versions={"torch": "2.13.0"},
)
TASK = TaskInfo("minerals", BaseModelInfo("nano", 200_000, "abc"), "exact_match", 5, 64, 0.1, {"n_records": 64.0}, 0.2)


@pytest.fixture(scope="module")
def uri(tmp_path_factory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('my runs')}/mlflow.db"  # one database: creating it takes a second


@pytest.fixture
def tracker(uri, request) -> Tracker:
    return Tracker(uri, f"experiment of {request.node.name}")


def with_slices(n: int, **changes) -> Trial:
    slices = tuple(SliceResult(i, i / 10, 2.0, 1.5, 640, {"loss": 1 / i}) for i in range(1, n + 1))
    return dataclasses.replace(TRIAL, curve=LearningCurve(slices), **changes)


def store(folder: Path, trial: Trial) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "trial.json").write_text(json.dumps(trial.to_dict()))
    (folder / "fit.yaml").write_text("model: {}\n")
    return folder


def runs_of(tracker: Tracker) -> list:
    client = MlflowClient(tracker.uri)
    return list(client.search_runs([client.get_experiment_by_name(tracker.experiment).experiment_id]))


def history(tracker: Tracker, name: str) -> list[tuple[int, float]]:
    (run,) = runs_of(tracker)
    return [(m.step, m.value) for m in MlflowClient(tracker.uri).get_metric_history(run.info.run_id, name)]


def test_a_trial_is_one_run_however_often_it_is_sent(tracker, tmp_path):
    for n in (0, 1, 3):
        assert tracker.sync_trial(store(tmp_path, with_slices(n)))
    assert tracker.sync_trial(tmp_path)
    (run,) = runs_of(tracker)
    assert run.data.params == {"lr": "0.001", "variant": "dora"}
    assert run.data.tags["quicktune.key"] == TRIAL.key
    assert run.data.tags["config_id"] == TRIAL.configuration.id
    assert run.data.tags["device.reference_step_s"] == "0.01"
    assert run.info.status == "RUNNING"
    assert history(tracker, "score") == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert history(tracker, "validation/loss") == [(1, 1.0), (2, 1 / 2), (3, 1 / 3)]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("paused", "SCHEDULED"),
        ("completed", "FINISHED"),
        ("stopped", "FINISHED"),
        ("failed", "FAILED"),
        ("interrupted", "FAILED"),
    ],
)
def test_the_run_follows_the_trials_status(tracker, tmp_path, status, expected):
    failure = {"failed": "diverged", "interrupted": "error: OSError: the cable"}.get(status)
    tracker.sync_trial(store(tmp_path, with_slices(1)))
    tracker.sync_trial(store(tmp_path, with_slices(1, status=status, failure=failure)))
    (run,) = runs_of(tracker)
    assert (run.info.status, run.data.tags["status"]) == (expected, status)
    assert run.data.tags["failure"] == (failure or "")
    tracker.sync_trial(store(tmp_path, with_slices(2)))
    assert runs_of(tracker)[0].info.status == "RUNNING"


def test_a_test_score_that_comes_later_is_sent_and_nothing_twice(tracker, tmp_path):
    tracker.sync_trial(store(tmp_path, with_slices(2)))
    *earlier, last = with_slices(3).curve.slices
    last = dataclasses.replace(last, test_score=0.25, test_metrics={"loss": 2.0})
    tracker.sync_trial(store(tmp_path, with_slices(3)))
    tested = dataclasses.replace(with_slices(3), curve=LearningCurve((*earlier, last)))
    tracker.sync_trial(store(tmp_path, tested))
    assert history(tracker, "test_score") == [(3, 0.25)]
    assert history(tracker, "test/loss") == [(3, 2.0)]
    assert history(tracker, "score") == [(1, 0.1), (2, 0.2), (3, 0.3)]


@pytest.mark.parametrize("moment", ["update", "note"])
def test_a_process_killed_before_its_note_leaves_no_second_run(tracker, tmp_path, monkeypatch, moment):
    folder = store(tmp_path, with_slices(1))
    with monkeypatch.context() as patch:
        target = (MlflowClient, "log_batch") if moment == "update" else (Sent, "write")
        patch.setattr(*target, lambda *args, **kwargs: (_ for _ in ()).throw(SystemExit("killed")))
        with pytest.raises(SystemExit):
            tracker.sync_trial(folder)
    assert not (folder / "sent.json").exists()
    assert Tracker(tracker.uri, tracker.experiment).sync_trial(folder)
    assert history(tracker, "score") == [(1, 0.1)]


def test_a_damaged_note_is_replaced(tracker, tmp_path):
    folder = store(tmp_path, with_slices(1))
    tracker.sync_trial(folder)
    (folder / "sent.json").write_text('{"uri": ')
    assert tracker.sync_trial(folder)
    assert history(tracker, "score") == [(1, 0.1)]
    assert json.loads((folder / "sent.json").read_text())["fidelity"] == 1


def test_a_run_that_the_database_lost_is_made_again(tracker, tmp_path):
    folder = store(tmp_path, with_slices(1))
    tracker.sync_trial(folder)
    note = json.loads((folder / "sent.json").read_text())
    other = Tracker(tracker.uri, tracker.experiment + " again")
    (folder / "sent.json").write_text(json.dumps({**note, "experiment": other.experiment, "run_id": "f" * 32}))
    assert other.sync_trial(store(tmp_path, with_slices(2)))
    assert history(other, "score") == [(1, 0.1), (2, 0.2)]


def test_the_same_key_on_another_base_model_is_another_run(tracker, tmp_path):
    tracker.sync_trial(store(tmp_path / "a", with_slices(1)))
    tracker.sync_trial(store(tmp_path / "b", with_slices(1, base_model="smollm2")))
    assert len(runs_of(tracker)) == 2


def test_long_curves_exceed_no_limit_of_a_call(tracker, tmp_path):
    tracker.sync_trial(store(tmp_path, with_slices(300)))
    assert len(history(tracker, "cost_tokens")) == 300


def test_points_lie_as_far_apart_as_training_took(tracker, tmp_path):
    tracker.sync_trial(store(tmp_path, with_slices(2)))
    (run,) = runs_of(tracker)
    stamps = [m.timestamp for m in MlflowClient(tracker.uri).get_metric_history(run.info.run_id, "score")]
    assert [stamp - run.info.start_time for stamp in stamps] == [2000, 4000]


def test_a_run_that_was_taken_over_lasts_as_long_as_its_training(tracker, tmp_path):
    tracker.sync_trial(store(tmp_path, with_slices(3, status="completed")))
    (run,) = runs_of(tracker)
    assert run.info.end_time - run.info.start_time >= 6000


def test_trials_and_tasks_read_back_equal(tracker, tmp_path):
    paused = with_slices(2, status="paused")
    failed = with_slices(1, status="failed", failure="diverged", seed=4)
    tracker.sync_trial(store(tmp_path / "a", paused))
    tracker.sync_trial(store(tmp_path / "b", failed))
    (tmp_path / "task.json").write_text(json.dumps(TASK.to_dict()))
    assert tracker.sync_task(tmp_path)
    assert sorted(tracker.read_trials(), key=lambda trial: trial.seed) == [paused, failed]
    assert tracker.read_tasks() == [TASK]
    run = next(run for run in runs_of(tracker) if run.data.tags["quicktune.kind"] == "task")
    assert run.data.metrics["meta/n_records"] == 64.0
    assert run.info.status == "FINISHED"


def test_a_run_deleted_in_the_ui_is_not_read(tracker, tmp_path):
    tracker.sync_trial(store(tmp_path, with_slices(1)))
    MlflowClient(tracker.uri).delete_run(runs_of(tracker)[0].info.run_id)
    assert tracker.read_trials() == []


def test_an_unknown_experiment_names_the_nearest(tracker, tmp_path):
    tracker.sync_trial(store(tmp_path, with_slices(1)))
    with pytest.raises(ValueError, match=r"`tracking.experiment` is .* Did you mean `experiment of test_an_unk"):
        Tracker(tracker.uri, tracker.experiment + "x").read_trials()


def test_reading_makes_no_database(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no MLflow database at .*missing.db.* Set `tracking.uri`"):
        Tracker(f"sqlite:///{tmp_path}/missing.db", "any").read_tasks()
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_experiment_says_how_to_restore_it(tracker, tmp_path):
    tracker.sync_trial(store(tmp_path, with_slices(1)))
    client = MlflowClient(tracker.uri)
    client.delete_experiment(client.get_experiment_by_name(tracker.experiment).experiment_id)
    with pytest.raises(RuntimeError, match=r"was deleted at .* `mlflow experiments restore --experiment-id \d+`"):
        Tracker(tracker.uri, tracker.experiment).log_folder(tmp_path, "a", "a", "surrogate", {}, {})


def test_a_folder_without_a_record_is_an_error(tracker, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no trial.json, .* Pass the folder"):
        tracker.sync_trial(tmp_path)


def test_a_server_that_is_away_is_said_once_and_gets_everything_later(tracker, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(module, "_warned", set())
    away = Tracker("http://127.0.0.1:9", tracker.experiment)
    started = time.monotonic()
    with caplog.at_level(logging.WARNING, module.__name__):
        for n in (1, 2):
            assert not away.sync_trial(store(tmp_path, with_slices(n)))
            away._away_until = 0.0
    assert time.monotonic() - started < 30  # MLflow's own tries take minutes
    assert len([r for r in caplog.records if "took nothing" in r.message and "`tracking.uri`" in r.message]) == 1
    assert tracker.sync_trial(tmp_path)
    assert history(tracker, "score") == [(1, 0.1), (2, 0.2)]


def test_an_absent_server_is_not_asked_at_every_slice(tmp_path, monkeypatch):
    calls = []

    def fail(*args):
        calls.append(args)
        time.sleep(0.02)
        raise ConnectionError("away")

    monkeypatch.setattr(Tracker, "_connect", fail)
    monkeypatch.setattr(module, "_PATIENCE", 100_000)  # for writing slices on a busy machine
    away = Tracker("http://127.0.0.1:9", "any")
    for n in (1, 2, 3):
        assert not away.sync_trial(store(tmp_path, with_slices(n)))
    assert len(calls) == 1


def test_forked_workers_share_one_database(tracker, tmp_path):
    tracker.sync_trial(store(tmp_path / "parent", with_slices(1, seed=0)))
    children = []
    for seed in (1, 2):
        folder = store(tmp_path / str(seed), with_slices(1, seed=seed))
        if (pid := os.fork()) == 0:
            try:
                synced = [tracker.sync_trial(store(folder, with_slices(n, seed=seed))) for n in (1, 2, 3)]
                os._exit(0 if all(synced) else 1)
            finally:
                os._exit(2)  # an error must not go on with the tests here
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
    assert sorted((t.seed, t.curve.fidelity) for t in tracker.read_trials()) == [(0, 1), (1, 3), (2, 3)]


@pytest.mark.parametrize("uri", ["mlruns", "file:///tmp/mlruns", "sqlite:///", "sqlite://"])
def test_a_place_that_mlflow_refuses_is_an_error(uri):
    with pytest.raises(ValueError, match=r"`tracking.uri` is .* Use `tracking.uri: sqlite:///mlflow.db`"):
        Tracker(uri, "any")


def test_the_default_is_what_mlflow_ui_opens_and_survives_a_change_of_folder(tmp_path, monkeypatch):
    from mlflow.store.tracking import DEFAULT_TRACKING_URI

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert module.resolve_uri(None) == module.resolve_uri(DEFAULT_TRACKING_URI) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert Tracker(None, "any").uri == "http://server:5000"


def test_a_database_in_anothers_place_is_filled_again(tracker, tmp_path):
    folder = store(tmp_path, with_slices(2))
    tracker.sync_trial(folder)
    note = json.loads((folder / "sent.json").read_text())
    (folder / "sent.json").write_text(json.dumps({**note, "created_ms": note["created_ms"] - 1, "run_id": "f" * 32}))
    MlflowClient(tracker.uri).delete_run(note["run_id"])
    assert tracker.sync_trial(folder)
    assert history(tracker, "score") == [(1, 0.1), (2, 0.2)]


def test_a_running_trial_is_followed_as_often_as_costs_little_and_its_end_is_sent(tracker, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", 100_000)  # for writing slices on a busy machine
    assert tracker.follow_trial(store(tmp_path, with_slices(1)))
    assert not tracker.follow_trial(store(tmp_path, with_slices(2)))
    assert tracker.follow_trial(store(tmp_path, with_slices(3, status="completed")))
    assert history(tracker, "score") == [(1, 0.1), (2, 0.2), (3, 0.3)]
    tracker._busy_until = 0.0
    assert tracker.follow_trial(store(tmp_path, with_slices(4)))
    assert len(history(tracker, "score")) == 4


def test_only_changed_tags_are_sent_again(tracker, tmp_path, monkeypatch):
    tracker.sync_trial(store(tmp_path, with_slices(1)))
    sent = []
    original = MlflowClient.log_batch

    def log_batch(self, run_id, metrics=(), params=(), tags=()):
        sent.extend(tag.key for tag in tags)
        original(self, run_id, metrics, params, tags)

    monkeypatch.setattr(MlflowClient, "log_batch", log_batch)
    tracker.sync_trial(store(tmp_path, with_slices(2)))
    assert sent == ["fidelity"]


def test_an_experiment_of_another_search_space_is_refused(tracker):
    tracker.claim("one")
    Tracker(tracker.uri, tracker.experiment).claim("one")
    with pytest.raises(ValueError, match=r"`tracking.experiment` is .* trials of another search space.*`space` to"):
        Tracker(tracker.uri, tracker.experiment).claim("another")


def test_an_experiment_is_claimed_later_if_the_server_is_away(tmp_path):
    (tmp_path / "mlflow.db").mkdir()
    Tracker(f"sqlite:///{tmp_path}/mlflow.db", "away").claim("one")
