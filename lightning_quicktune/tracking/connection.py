"""Connecting to MLflow: the client and the experiment."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import sqlalchemy
from alembic.util.exc import CommandError
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from requests.utils import get_environ_proxies
from sqlalchemy.exc import SQLAlchemyError

from lightning_quicktune.tracking.faults import (
    DeletedExperimentError,
    MissingDriverError,
    NobodyAnswersError,
    UnreachableArtifactsError,
)
from lightning_quicktune.tracking.places import (
    DATABASES,
    artifact_location,
    is_elsewhere,
    shown_uri,
    sqlite_path,
    sqlite_uri,
)
from lightning_quicktune.wording.spelling import did_you_mean

_PAUSES_S = (0.5, 1.0, 2.0, 4.0)  # between tries at a database that another process is filling
_BEING_MADE = ("already exists", "duplicate", "expected to match one row", "found version None")
_TIMEOUT_S = 10  # for a database to answer
_REACH_S = 3.0  # for a server to accept a connection
_PORTS = {"http": 80, "https": 443}

# Says at level INFO which tables it creates in a new database.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)


def connect(uri: str, experiment: str) -> tuple[MlflowClient, Experiment]:
    """Client and experiment; database and experiment are created where they are missing.

    Several processes may do so at once: an SQLite file appears whole, and of another database those that come too early
    try again.

    Args:
        uri: Resolved tracking URI.
        experiment: Name of the experiment.

    Raises:
        DeletedExperimentError: If the experiment was deleted.
        UnreachableArtifactsError: If its artifacts are files of another machine.
        Exception: Whatever MLflow and its database raise.
    """
    pauses_s = iter(_PAUSES_S)
    while True:
        try:
            client = client_of(uri)
            found = ensure_experiment(client, uri, experiment)
            check_reachable(uri, found)
            return client, found
        except (MlflowException, SQLAlchemyError, CommandError) as error:
            pause_s = next(pauses_s, None)
            if pause_s is None or not _is_being_made(error):
                raise
            time.sleep(pause_s)


def client_of(uri: str) -> MlflowClient:
    """Client of a tracking URI. A database that is away fails at once, not after MLflow's ten tries in 100 seconds.

    Args:
        uri: Resolved tracking URI.
    """
    path = sqlite_path(uri)
    if path is not None and not path.exists():
        _make_database(path)
    if uri.startswith(DATABASES):
        _probe(uri)
    else:
        reach(uri)
    with _no_stray_folder(uri):
        return MlflowClient(uri)


def reach(uri: str) -> None:
    """Sees that somebody answers at a server's address, in seconds; MLflow's client waits longer, with every call.

    Args:
        uri: Resolved tracking URI; that of a database, or of a server behind a proxy, is not looked at.

    Raises:
        NobodyAnswersError: If nobody does.
    """
    place = urlsplit(uri)
    port = place.port or _PORTS.get(place.scheme)
    if place.hostname is None or port is None or place.scheme not in _PORTS or get_environ_proxies(uri, None):
        return
    try:
        socket.create_connection((place.hostname, port), timeout=_REACH_S).close()
    except OSError as error:
        why = error.strerror or error
        raise NobodyAnswersError(f"nobody answers at {place.hostname}:{port}, {why}") from error


def connect_existing(uri: str) -> MlflowClient:
    """Client for reading, which must not create an empty database where there is none.

    Args:
        uri: Resolved tracking URI.

    Raises:
        FileNotFoundError: If the SQLite file is missing.
    """
    path = sqlite_path(uri)
    if path is not None and not path.exists():
        raise FileNotFoundError(
            f"There is no MLflow database at {path}, so nothing can be read from it. "
            "Set `tracking.uri` (or the environment's MLFLOW_TRACKING_URI) to where the runs were logged."
        )
    return client_of(uri)


def ensure_experiment(client: MlflowClient, uri: str, name: str) -> Experiment:
    """The experiment of that name, which is created if it is missing.

    Raises:
        DeletedExperimentError: If it was deleted.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return client.get_experiment(client.create_experiment(name, artifact_location(uri, name)))
        except MlflowException:  # another process was faster
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        raise DeletedExperimentError(
            f"`tracking.experiment` is {name!r}, which was deleted at {shown_uri(uri)}, so it takes no runs. Restore "
            f"it with `mlflow experiments restore --experiment-id {experiment.experiment_id}`, or choose another name."
        )
    return experiment


def check_reachable(uri: str, experiment: Experiment) -> None:
    """Refuses an experiment into whose folder this machine would write files of its own, which nobody else finds.

    Args:
        uri: Resolved tracking URI.
        experiment: From there.

    Raises:
        UnreachableArtifactsError: If its artifacts are files of another machine.
    """
    if is_elsewhere(uri, experiment.artifact_location):
        raise UnreachableArtifactsError(
            f"`tracking.experiment` is {experiment.name!r}, whose artifacts at {shown_uri(uri)} are files in "
            f"{experiment.artifact_location} of that machine, which this one can't reach. Set `tracking.experiment` to "
            "a new name; if that is the same, start `mlflow server` with `--artifacts-destination` instead of "
            "`--default-artifact-root`."
        )


def find_experiment(client: MlflowClient, uri: str, name: str) -> Experiment:
    """The experiment of that name, for reading.

    Raises:
        ValueError: If there is none; lists those that exist.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        names = sorted(e.name for e in client.search_experiments())
        raise ValueError(
            f"`tracking.experiment` is {name!r}, but {shown_uri(uri)} has no such experiment; it has "
            f"{', '.join(names)}.{did_you_mean(name, names)} Set `tracking.experiment` to one of these, or "
            "`tracking.uri` to where the trials were logged."
        )
    return experiment


def _make_database(path: Path) -> None:
    """Makes an SQLite file whole or not at all: two processes that fill one at once break it for good."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}")  # MLflow never looks at one name twice
    try:
        uri = sqlite_uri(unfinished)
        with _no_stray_folder(uri):
            MlflowClient(uri).search_experiments(max_results=1)
        try:
            os.link(unfinished, path)
        except FileExistsError:  # another process was faster
            pass
        except OSError:  # a file system without links
            os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _probe(uri: str) -> None:
    """Connects once.

    Raises:
        SQLAlchemyError: If the database does not answer.
        MissingDriverError: If its driver is not installed.
    """
    url = sqlalchemy.make_url(uri)
    timeout = {"connect_timeout": _TIMEOUT_S} if url.get_backend_name() in ("postgresql", "mysql") else {}
    try:
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool, connect_args=timeout)
    except ImportError as error:
        raise MissingDriverError(uri, error) from error
    with engine.connect() as connection:
        sqlalchemy.inspect(connection).get_table_names()


def _is_being_made(error: Exception) -> bool:
    """Whether another process may be filling the database just now."""
    text = str(error)
    return any(words in text for words in _BEING_MADE)


@contextmanager
def _no_stray_folder(uri: str) -> Iterator[None]:
    """MLflow makes the folder of an SQLite file before it decodes its name: ``a%20b`` beside ``a b``."""
    if sqlite_path(uri) is None:
        yield
        return
    folder = Path(uri.removeprefix("sqlite:///")).parent
    strays = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        yield
    finally:
        for each in strays:
            with suppress(OSError):
                each.rmdir()
