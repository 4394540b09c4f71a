import logging
import re
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError

from lightning_quicktune.tracking import tracker as module
from lightning_quicktune.tracking.faults import answering, lasting
from lightning_quicktune.tracking.tracker import Tracker


@pytest.fixture
def answers_with():
    """Starts a server that gives the same answer to everything: ``(status, text) -> URL``."""
    servers = []

    def start(status: int, text: str) -> str:
        class Same(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *arguments):
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Same))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (403, "Invalid Host header - possible DNS rebinding attack detected", r"`mlflow server --allowed-hosts`"),
        (403, "no", r"refuses access .*right to write there"),
        (401, "who are you", r"user or password .*MLFLOW_TRACKING_PASSWORD"),
        (404, "nothing", r"something other than MLflow answers .*Correct host, port and path"),
        (200, "<html>", r"something other than MLflow answers"),
    ],
)
def test_a_server_that_refuses_is_an_error_before_anything_is_trained(answers_with, status, text, said):
    with pytest.raises(ValueError, match=rf"`tracking.uri` is http://127.*{said}"):
        Tracker(answers_with(status, text), "any").check()
    with pytest.raises(ValueError, match=said):
        Tracker(answers_with(status, text), "any").claim("space")


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_in_trouble_may_be_well_later(answers_with, status, monkeypatch, caplog):
    monkeypatch.setattr(module, "_warned", set())
    with caplog.at_level(logging.WARNING, module.__name__):
        Tracker(answers_with(status, "trouble"), "any").check()
    assert "took nothing" in caplog.text


@pytest.mark.parametrize(
    ("scheme", "package"),
    [
        ("postgresql+psycopg2", "psycopg2-binary"),
        ("mysql", "mysqlclient"),
        ("mysql+pymysql", "pymysql"),
        ("mssql+pyodbc", "pyodbc"),
    ],
)
def test_a_missing_driver_names_the_package_and_no_password(scheme, package, monkeypatch):
    monkeypatch.setitem(sys.modules, {"mysql": "MySQLdb"}.get(scheme, scheme.split("+")[-1]), None)
    with pytest.raises(ValueError, match=rf"driver is not installed .*`pip install '{package}'`") as caught:
        Tracker(f"{scheme}://me:secret@127.0.0.1/runs", "any").check()
    assert "secret" not in str(caught.value)
    with pytest.raises(RuntimeError, match="driver is not installed"):
        Tracker(f"{scheme}://me:secret@127.0.0.1/runs", "any").read_trials()


def test_a_dialect_that_nobody_knows():
    with pytest.raises(ValueError, match=r"a kind of database that is not known here .*`postgresql://...`"):
        Tracker("postgresql+nonsense://127.0.0.1/runs", "any").check()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('FATAL:  password authentication failed for user "quick"', "refuses this user or password"),
        ('FATAL:  database "nowhere" does not exist', "no such database .*Create it"),
        ("(1045, \"Access denied for user 'me'@'localhost'\")", "refuses this user or password"),
        ("(1049, \"Unknown database 'runs'\")", "no such database"),
    ],
)
def test_what_databases_say_of_a_wrong_uri(text, said):
    words = lasting(OperationalError("connect", None, Exception(text)), "postgresql://me:secret@host/runs")
    assert words is not None
    assert re.search(said, words)
    assert "secret" not in words


@pytest.mark.parametrize("text", ["connection refused", "database is locked", "the database system is starting up"])
def test_what_may_pass(text):
    assert lasting(OperationalError("connect", None, Exception(text)), "postgresql://host/runs") is None


def test_a_database_of_another_version_says_how_it_is_upgraded(uri, tmp_path):
    database = sqlite3.connect(tmp_path / "runs" / "mlflow.db")
    with database:
        database.execute("update alembic_version set version_num = '451aebb31d03'")
    database.close()
    with pytest.raises(ValueError, match=r"another version of MLflow .*`mlflow db upgrade 'sqlite:///.*/mlflow.db'`"):
        Tracker(uri, "any").check()


def test_a_deleted_experiment_is_an_error_before_anything_is_trained(uri):
    tracker = Tracker(uri, "gone")
    client, experiment = tracker._connect()
    client.delete_experiment(experiment.experiment_id)
    with pytest.raises(ValueError, match=r"was deleted at .* `mlflow experiments restore --experiment-id \d+`"):
        Tracker(tracker.uri, "gone").check()


def test_a_database_that_is_away_costs_no_time(tmp_path):
    """MLflow itself tries for a hundred seconds."""
    (tmp_path / "mlflow.db").mkdir()
    began = time.monotonic()
    Tracker(f"sqlite:///{tmp_path}/mlflow.db", "away").check()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(("told", "shown"), [("Gone.", "Gone"), ("x" * 301, f"{'x' * 300} ...")])
def test_what_others_say_is_cut_short_visibly_and_kept_apart_from_our_words(told, shown):
    error = MlflowException(told)
    with (
        pytest.raises(ConnectionError, match=re.escape(f"(MlflowException: {shown}). It must be a running server")),
        answering("http://there"),
    ):
        raise error
