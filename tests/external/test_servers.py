"""MLflow's server on SQLite and PostgreSQL: trials through it, its death in the middle, and what no waiting mends."""

import json
import logging
import os
import runpy
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from mlflow.tracking import MlflowClient

from lightning_quicktune.compose import to_yaml
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.tracking import records
from lightning_quicktune.tracking.places import sqlite_uri
from lightning_quicktune.tracking.tracker import Tracker

pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif("SERVERS_POSTGRES" not in os.environ, reason="it is run by tools/check_servers"),
]
SERVERS = runpy.run_path(str(Path(__file__).with_name("servers.py")))
MlflowServer, postgres, wait_for = (SERVERS[name] for name in ("MlflowServer", "postgres", "wait_for"))
N_TRIALS = 6


@pytest.fixture(scope="module")
def driver() -> Path:
    return Path(os.environ["SERVERS_DRIVER"])


@pytest.fixture(scope="module")
def database():
    with postgres(Path(os.environ["SERVERS_POSTGRES"])) as server:
        yield server


@pytest.fixture
def serve(tmp_path, database, driver):
    """Starts MLflow's server on a new database: ``kind of database, options -> server``."""
    with ExitStack() as ends:

        def start(kind: str, *options: str):
            if kind == "sqlite":
                server = MlflowServer(tmp_path, sqlite_uri(tmp_path / "server.db"), options=options)
            else:
                database.sql("create database runs owner quick")
                ends.callback(database.sql, "drop database runs with (force)")
                server = MlflowServer(tmp_path, database.uri("runs"), driver, options)
            ends.callback(server.kill)
            return server

        yield start


@pytest.fixture
def collecting(tmp_path, fit_config, small_space, write_colours):
    """The command of a collection by two workers: ``URI -> command``."""
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(small_space.to_dict()))

    def make(uri: str) -> list[str]:
        settings = {
            "tasks": [str(write_colours(tmp_path / "small", 16))],
            "recipe": "recipe.yaml",
            "space": "space.yaml",
            "output": str(tmp_path / "collection"),
            "max_fidelity": 4,
            "n_shared": N_TRIALS,
            "workers": 2,
            "tracking": {"experiment": "collected", "uri": uri},
        }
        (tmp_path / "collect.yaml").write_text(yaml.safe_dump(settings))
        return [sys.executable, "-m", "lightning_quicktune", "collect", "--config", f"{tmp_path}/collect.yaml"]

    return make


def curves(folder: Path) -> dict[str, list]:
    found = [json.loads(path.read_text()) for path in folder.glob("collection/trials/*/*/trial.json")]
    return {f"{r['task']}-{r['config_id']}-{r['seed']}": r["curve"] for r in found}


@pytest.mark.parametrize(("kind", "seconds_away"), [("sqlite", 0), ("postgresql", 0), ("sqlite", 300)])
def test_no_trial_is_lost_or_doubled_when_the_server_is_killed_in_the_middle(
    serve, collecting, tmp_path, monkeypatch, caplog, kind, seconds_away
):
    server = serve(kind)
    command = collecting(server.url)
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: any(curves(tmp_path).values()), process)
    server.kill()
    before = curves(tmp_path)
    time.sleep(seconds_away)
    server.start()
    said = process.communicate(timeout=300)[1]
    if process.returncode:  # it ended before the server was back
        assert "Nothing is lost" in said
        subprocess.run(command, cwd=tmp_path, check=True)
    after = curves(tmp_path)
    assert before
    assert all(after[key][: len(slices)] == slices for key, slices in before.items())
    assert load(tmp_path / "collection" / "meta_dataset").meta["n_trials"] == N_TRIALS

    client = MlflowClient(server.url)
    experiment = client.get_experiment_by_name("collected")
    runs = client.search_runs([experiment.experiment_id])
    assert Counter(run.data.tags["quicktune.kind"] for run in runs) == {"trial": N_TRIALS, "task": 1, "meta_dataset": 1}
    assert len({run.data.tags.get("quicktune.key") for run in runs}) == N_TRIALS + 2
    assert all(run.info.artifact_uri.startswith("mlflow-artifacts:/") for run in runs)

    trials = Tracker(server.url, "collected").read_trials()
    assert {t.key: len(t.curve.slices) for t in trials} == dict.fromkeys(after, 4)
    client.create_run(experiment.experiment_id, tags={"quicktune.kind": "trial"})  # of a killed worker
    with caplog.at_level(logging.WARNING, records.__name__):
        assert len(Tracker(server.url, "collected").read_trials()) == N_TRIALS
    assert f"1 of {N_TRIALS + 1} trial runs of experiment 'collected' have no whole trial.json" in caplog.text


def test_a_server_that_does_not_know_its_name_is_an_error_before_anything_is_trained(serve):
    server = serve("sqlite", "--allowed-hosts", "runs.example.org")
    with pytest.raises(ValueError, match=r"does not answer to this host name .*`mlflow server --allowed-hosts`"):
        Tracker(server.url, "any").claim("space")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"password": "guess"}, "refuses this user or password"),
        ({"user": "nobody"}, "refuses this user or password"),
        ({"database": "nowhere"}, "there is no such database"),
        ({"database": "postgres"}, r"does not let this user make tables .*grant"),
    ],
)
def test_what_is_wrong_of_a_postgresql_uri_is_an_error_before_anything_is_trained(
    database, driver, monkeypatch, wrong, said
):
    monkeypatch.syspath_prepend(driver)
    with pytest.raises(ValueError, match=said) as caught:
        Tracker(database.uri(**{"database": "postgres", **wrong}), "any").claim("space")
    assert "secret" not in str(caught.value)


def test_a_postgresql_database_of_another_version_says_how_it_is_upgraded(database, driver, monkeypatch):
    monkeypatch.syspath_prepend(driver)
    database.sql("create database old owner quick")
    tracker = Tracker(database.uri("old"), "any")
    tracker.claim("space")
    database.sql("update alembic_version set version_num = '451aebb31d03'", "old")
    with pytest.raises(ValueError, match=r"another version of MLflow .*`mlflow db upgrade 'postgresql"):
        Tracker(f"{database.uri('old')}?application_name=again", "any").claim("space")  # MLflow looks once at a URI
