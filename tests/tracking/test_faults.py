import logging
import re
import socket
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError

from lightning_quicktune.files.whole import write_json
from lightning_quicktune.tracking import connection
from lightning_quicktune.tracking import tracker as module
from lightning_quicktune.tracking.connection import check_reachable
from lightning_quicktune.tracking.faults import answering, lasting
from lightning_quicktune.tracking.search_record import SearchFolder, SearchRecord
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
        ("permission denied for schema public", "does not let this user make tables .*grant create on schema public"),
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
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(("told", "shown"), [("Gone.", "Gone"), ("x" * 301, f"{'x' * 300} ...")])
def test_what_others_say_is_cut_short_visibly_and_kept_apart_from_our_words(told, shown):
    error = MlflowException(told)
    with (
        pytest.raises(ConnectionError, match=re.escape(f"(MlflowException: {shown}). It must be a running server")),
        answering("http://there"),
    ):
        raise error


@pytest.fixture
def closed_port():
    """A port of this machine that nobody listens at, nor can before the test has ended."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_server_at_a_port_that_is_closed_costs_seconds(tmp_path, closed_port, caplog):
    """All that a search asks of it, from its first check to its last delivery."""
    uri, began = f"http://127.0.0.1:{closed_port}", time.monotonic()
    write_json(tmp_path / "search.json", SearchRecord("ab", "tune shop", {}).to_dict())
    tracker = Tracker(uri, "any", SearchFolder(tmp_path, "ab", lambda trial: "trial"))
    tracker.check()
    for _ in range(3):
        assert not tracker.begin()
        assert not tracker.follow_search()
        assert tracker.deliver([], []).n_lacking == 1
    assert time.monotonic() - began < 30  # MLflow's own tries take minutes
    assert f"nobody answers at 127.0.0.1:{closed_port}, Connection refused" in caplog.text


def test_a_server_that_takes_no_connection_is_waited_for_once_and_for_seconds(tmp_path, monkeypatch):
    """A host that drops what it is sent."""
    waited = []

    def dropped(address, timeout):
        waited.append(timeout)
        raise TimeoutError("timed out")

    monkeypatch.setattr(connection.socket, "create_connection", dropped)
    write_json(tmp_path / "search.json", SearchRecord("ab", "tune shop", {}).to_dict())
    tracker = Tracker("http://10.0.0.1:5000", "any", SearchFolder(tmp_path, "ab", lambda trial: "trial"))
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: float(sum(waited))))
    tracker.check()
    assert not tracker.begin()
    assert not tracker.follow_search()
    assert tracker.deliver([], []).n_lacking == 1
    assert sum(waited) <= 6


def test_a_proxy_knows_better_than_a_look_at_the_port(monkeypatch, closed_port):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:3128")
    connection.reach("http://mlflow.example:5000")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(ConnectionError, match=rf"nobody answers at 127.0.0.1:{closed_port}"):
        connection.reach(f"http://127.0.0.1:{closed_port}")
    connection.reach("databricks")


@pytest.mark.parametrize(
    ("uri", "place", "refused"),
    [
        ("http://runs.example.org:5000", "/srv/only there", True),
        ("http://runs.example.org:5000", "file:///srv/only%20there", True),
        ("http://runs.example.org:5000", "HERE", False),  # a disk that both have
        ("http://runs.example.org:5000", "mlflow-artifacts:/1", False),
        ("http://runs.example.org:5000", "s3://bucket/1", False),
        ("http://127.0.0.1:5000", "/srv/not made yet", False),
    ],
)
def test_an_experiment_whose_artifacts_are_files_of_another_machine_is_refused(tmp_path, uri, place, refused):
    experiment = Experiment("1", "begun there", place.replace("HERE", str(tmp_path)), "active")
    if not refused:
        check_reachable(uri, experiment)
        return
    with pytest.raises(RuntimeError, match=r"files in .*srv/only.*this one can't reach. Set `tracking.exp") as caught:
        check_reachable(uri, experiment)
    assert lasting(caught.value, uri) == str(caught.value)
