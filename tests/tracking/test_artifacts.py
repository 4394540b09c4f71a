from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from lightning_quicktune.tracking.artifacts import download
from lightning_quicktune.tracking.tracker import Tracker


@pytest.fixture(scope="module")
def tracker(tmp_path_factory) -> Tracker:
    return Tracker(f"sqlite:///{tmp_path_factory.mktemp('runs')}/mlflow.db", "surrogates")


@pytest.fixture(scope="module")
def run_id(tracker, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("surrogate")
    (folder / "surrogate.json").write_text('{"kind": "performance"}')
    (folder / "deep").mkdir()
    (folder / "deep" / "weights.safetensors").write_bytes(b"\0\1")
    return tracker.log_folder(folder, "out/surrogate", "first", "surrogate", {"space": "lora"}, {"loss": 0.5})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_logged_folder_comes_back_whole(tracker, run_id):
    folder = download(f"runs:/{run_id}/out/surrogate", tracker.uri)
    assert contents(folder) == {"surrogate.json": b'{"kind": "performance"}', "deep/weights.safetensors": b"\0\1"}
    file = download(f"runs:/{run_id}/out/surrogate/surrogate.json", tracker.uri)
    assert file.read_bytes() == b'{"kind": "performance"}'


def test_the_run_of_a_folder_says_what_it_is(tracker, run_id):
    run = MlflowClient(tracker.uri).get_run(run_id)
    assert (run.info.run_name, run.info.status) == ("first", "FINISHED")
    assert run.data.tags["quicktune.kind"] == "surrogate"
    assert (run.data.tags["space"], run.data.metrics) == ("lora", {"loss": 0.5})


def test_a_registered_folder_needs_no_mlflow_model(tracker, run_id):
    first = tracker.register(run_id, "out/surrogate", "performance")
    second = tracker.register(run_id, "out/surrogate", "performance")
    assert (first, second) == ("models:/performance/1", "models:/performance/2")
    assert set(contents(download(second, tracker.uri))) == {"surrogate.json", "deep/weights.safetensors"}
    MlflowClient(tracker.uri).set_registered_model_alias("performance", "best", "1")
    assert download("models:/performance@best", tracker.uri) == download(first, tracker.uri)


def test_an_interrupted_upload_is_a_failed_run(tracker, tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(MlflowClient, "log_artifacts", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tracker.log_folder(tmp_path, "a", "interrupted", "surrogate", {}, {})
    client = MlflowClient(tracker.uri)
    experiment = client.get_experiment_by_name("surrogates").experiment_id
    (run,) = client.search_runs([experiment], "attributes.run_name = 'interrupted'")
    assert run.info.status == "FAILED"


@pytest.mark.parametrize("uri", ["surrogate", "runs:/abc", "models:/performance", "models:/performance/latest"])
def test_another_form_of_uri_is_explained(tracker, uri):
    with pytest.raises(ValueError, match=r"is no artifact of MLflow: .* `models:/name/version`.* Copy the run id"):
        download(uri, tracker.uri)


def test_an_unknown_run_names_the_tracking_uri(tracker, run_id):
    with pytest.raises(FileNotFoundError, match=rf"no run 'abc' .*{tracker.uri}.*`tracking.uri`"):
        download("runs:/abc/surrogate", tracker.uri)


def test_an_unknown_artifact_lists_what_is_there(tracker, run_id):
    with pytest.raises(FileNotFoundError, match=r"no artifact 'surrogate' .* it has out\. Use one"):
        download(f"runs:/{run_id}/surrogate", tracker.uri)
    with pytest.raises(FileNotFoundError, match=r"in 'out' it has out/surrogate\. Use one"):
        download(f"runs:/{run_id}/out/weights", tracker.uri)


def test_an_unknown_version_lists_the_others(tracker, run_id):
    tracker.register(run_id, "out/surrogate", "cost")
    with pytest.raises(FileNotFoundError, match=r"no 'models:/cost/7'; it has models:/cost/1\. Use one"):
        download("models:/cost/7", tracker.uri)
    with pytest.raises(FileNotFoundError, match=r"no 'models:/cost@best'; it has models:/cost/1\. Use one"):
        download("models:/cost@best", tracker.uri)
    with pytest.raises(FileNotFoundError, match=r"it has no version of that name"):
        download("models:/nobody/1", tracker.uri)


def test_a_server_that_is_away_is_said(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ConnectionError, match=r"MLflow at http://127.0.0.1:9 did not do .* set `tracking.uri`"):
        download("runs:/0123456789/surrogate", "http://127.0.0.1:9")


def test_what_can_be_no_run_id_is_said(tracker, run_id):
    with pytest.raises(FileNotFoundError, match=r"no run 'not an id!' .* Check the run id"):
        download("runs:/not an id!/surrogate", tracker.uri)


def test_a_file_that_is_no_database_is_said(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"something else" * 1000)
    with pytest.raises(ConnectionError, match=r"a file that is no SQLite database .*Move the file away"):
        download("runs:/0123456789/surrogate", f"sqlite:///{tmp_path}/mlflow.db")
