import subprocess
import sys

import pytest
from mlflow.tracking import MlflowClient

from lightning_quicktune.cli.main import main
from lightning_quicktune.tracking import tracker as tracking
from lightning_quicktune.tracking.tracker import Tracker
from lightning_quicktune.tuning import searching
from lightning_quicktune.tuning.tune import tune


@pytest.fixture
def away(monkeypatch):
    """A switch: while it is on, MLflow does not answer."""
    switch, connect = {"on": True}, tracking.connect

    def asked(*arguments):
        if switch["on"]:
            raise ConnectionError("no route to host")
        return connect(*arguments)

    monkeypatch.setattr(tracking, "connect", asked)
    return switch


def kinds(uri, experiment="tuned"):
    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    found = [run.data.tags["quicktune.kind"] for run in runs]
    return {kind: found.count(kind) for kind in sorted(set(found))}


def test_what_mlflow_missed_is_sent_at_the_end(settings, tmp_path, away, monkeypatch):
    run_search = searching.run_search

    def until_the_search_has_ended(*arguments, **named):
        result = run_search(*arguments, **named)
        away["on"] = False
        return result

    monkeypatch.setattr(searching, "run_search", until_the_search_has_ended)
    tuned = tune(settings(compare=[]))
    n_trials = len(list(tmp_path.glob("search/trials/*/trial.json")))
    assert kinds(tuned.tracking_uri) == {"task": 1, "trial": n_trials, "tune": 1}
    assert (tuned.delivery.n_records, tuned.delivery.n_lacking) == (n_trials + 2, 0)  # search and task


def test_what_mlflow_missed_is_sent_at_the_next_start_and_counted_until_then(
    settings, tmp_path, away, monkeypatch, capsys, caplog
):
    monkeypatch.setattr(tracking, "_warned", set())
    tuned = tune(settings(compare=[]))
    told = [record.getMessage() for record in caplog.records if "no route to host" in record.getMessage()]
    assert ["took nothing" in line for line in told] == [True]  # why is said once
    n_trials = len(list(tmp_path.glob("search/trials/*/trial.json")))
    assert tuned.run_id is None
    n_records = n_trials + 2  # search and task
    assert (tuned.delivery.n_records, tuned.delivery.n_lacking) == (n_records, n_records)
    assert f"lacks {n_records} of {n_records} records. All are in" in caplog.text
    assert main(["tune", "--config", str(tmp_path / "tune.yaml")]) == 0
    said = capsys.readouterr().out
    assert "MLflow   the report was not taken by sqlite:///" in said
    assert f"{n_records} of {n_records} records are lacking there" in said
    assert "None" not in said
    assert said.count("no route to host") == 0  # why, is said once as the report is not taken
    away["on"] = False
    assert '<a href="http' not in tuned.report.read_text()
    again = tune(settings(compare=[]))
    assert again.run_id is not None
    assert kinds(again.tracking_uri) == {"task": 1, "trial": n_trials, "tune": 1}
    assert again.run_id in again.report.read_text()


def test_the_page_of_a_first_search_links_to_its_runs(settings):
    tuned = tune(settings(budget={"slices": 1}, compare=[]))
    assert tuned.outcome.links == {"run_id": tuned.run_id, "mlflow": tuned.table}
    page = tuned.report.read_text()
    assert f'<a href="{tuned.table}">' in page
    assert tuned.run_id in page


def test_a_database_in_the_place_of_the_first_one_gets_everything(settings, tmp_path, filled_database):
    first = tune(settings(compare=[]))
    expected = kinds(first.tracking_uri)
    again = tune(settings(compare=[], tracking={"experiment": "other", "uri": f"sqlite:///{tmp_path}/mlflow.db"}))
    assert again.run_id != first.run_id
    assert kinds(again.tracking_uri, "other") == expected


def test_what_no_waiting_mends_is_an_error_before_anything_is_described(settings, tmp_path):
    (tmp_path / "text.db").write_text("something else " * 100)
    wrong = settings(tracking={"experiment": "tuned", "uri": f"sqlite:///{tmp_path}/text.db"})
    with pytest.raises(ValueError, match=r"`tracking.uri` is .* no SQLite database"):
        tune(wrong)
    assert not (tmp_path / "search" / "task").exists()


def test_any_name_of_a_folder_will_do(settings, tmp_path, monkeypatch, filled_database):
    place = tmp_path / "100% a%20b?c#d"
    place.mkdir()
    (place / "mlflow.db").write_bytes(filled_database.read_bytes())
    monkeypatch.chdir(place)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    tuned = tune(settings(compare=[], output="found", tracking={"experiment": "tuned"}))
    assert (place / "found" / "result" / "adapter" / "adapter_model.safetensors").is_file()
    assert kinds(tuned.tracking_uri)["tune"] == 1
    trials = Tracker(None, "tuned").read_trials()
    assert len(trials) == len(list(place.glob("found/trials/*/trial.json")))
    assert {path.name for path in place.iterdir()} == {"found", "mlartifacts", "mlflow.db"}
    assert {path.name for path in tmp_path.iterdir()} >= {place.name}
    assert not [path for path in tmp_path.iterdir() if path.is_dir() and path.name not in (place.name, "search")]


@pytest.mark.slow
def test_two_searches_that_begin_in_one_new_folder_lose_nothing(settings, tmp_path):
    """Two starts of the command line, and a database that both want to make."""
    (tmp_path / "mlflow.db").unlink()
    processes = []
    for seed, name in enumerate(("one", "two")):
        settings(compare=[], output=str(tmp_path / name), budget={"slices": 3}, seed=seed)
        config = (tmp_path / "tune.yaml").rename(tmp_path / f"{name}.yaml")
        command = [sys.executable, "-m", "lightning_quicktune", "tune", "--config", str(config)]
        processes.append(subprocess.Popen(command, cwd=tmp_path))
    assert [process.wait() for process in processes] == [0, 0]
    found = kinds(f"sqlite:///{tmp_path}/mlflow.db")
    n_trials = len(list(tmp_path.glob("*/trials/*/trial.json")))
    assert (found["tune"], found["trial"], n_trials) == (2, 6, 6)
    assert found["task"] in (1, 2)  # the same record twice, if both looked for it before either had sent it
