"""Where runs go: the tracking URI, the client and the experiment."""

from __future__ import annotations

import difflib
import hashlib
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlparse

from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

DEFAULT_URI = "sqlite:///mlflow.db"  # what `mlflow ui` opens in the same folder
_SCHEMES = ("sqlite:///", "http://", "https://", "postgresql", "mysql", "mssql", "databricks")

# Says at level INFO which tables it creates in a new database.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)


def resolve_uri(uri: str | None) -> str:
    """Tracking URI that means the same from every working directory.

    Args:
        uri: Tracking URI of MLflow; none for the environment's ``MLFLOW_TRACKING_URI``, or else ``mlflow.db`` here.

    Returns:
        The URI, with an absolute path if it is an SQLite file.

    Raises:
        ValueError: If MLflow can't keep runs there.
    """
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    if not uri.startswith(_SCHEMES) or uri == "sqlite:///":
        raise ValueError(
            f"`tracking.uri` is {uri!r}, where MLflow can't keep runs: it needs a database or a server, and no longer "
            f"writes plain folders. Use `tracking.uri: {DEFAULT_URI}` for a file, or `http://host:port` for a server."
        )
    if path := sqlite_path(uri):
        return f"sqlite:///{path}"
    return uri


def sqlite_path(uri: str) -> Path | None:
    """Absolute path of an SQLite tracking URI; none for any other URI."""
    return Path(os.path.abspath(uri.removeprefix("sqlite:///"))) if uri.startswith("sqlite:///") else None


def artifact_folder(uri: str, location: str) -> Path | None:
    """Folder of an artifact location, if runs and artifacts are files of this machine.

    Args:
        uri: Resolved tracking URI.
        location: Where MLflow says that the artifacts of a run or an experiment lie.
    """
    parts = urlparse(location)
    if sqlite_path(uri) is None or parts.scheme not in ("", "file"):
        return None
    return Path(unquote(parts.path)) if parts.scheme else Path(location)


@contextmanager
def answering(uri: str, key: str = "tracking.uri") -> Iterator[None]:
    """Turns what MLflow and its database raise into an error that says what to do.

    Args:
        uri: Where MLflow is, for the message.
        key: Key of the YAML that says where it is.

    Raises:
        ConnectionError: If MLflow could not do what was asked.
    """
    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        reason = str(error).strip().splitlines()[0][:300]
        raise ConnectionError(
            f"MLflow at {uri} did not do what was asked: {reason} It must be a running server or a database of this "
            f"version of MLflow. Start it, or set `{key}` (or the environment's MLFLOW_TRACKING_URI)."
        ) from error


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
    return MlflowClient(uri)


def ensure_experiment(client: MlflowClient, uri: str, name: str) -> Experiment:
    """The experiment of that name, which is created if it is missing."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return client.get_experiment(client.create_experiment(name, _artifact_location(uri, name)))
        except MlflowException:  # another process was faster
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        raise RuntimeError(
            f"`tracking.experiment` is {name!r}, which was deleted at {uri}, so it takes no runs. Restore it with "
            f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`, or choose another name."
        )
    return experiment


def find_experiment(client: MlflowClient, uri: str, name: str) -> Experiment:
    """The experiment of that name, for reading.

    Raises:
        ValueError: If there is none; lists those that exist.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        names = sorted(e.name for e in client.search_experiments())
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        raise ValueError(
            f"`tracking.experiment` is {name!r}, but {uri} has no such experiment; it has {', '.join(names)}. "
            f"{hint}Set `tracking.experiment` to one of these, or `tracking.uri` to where the trials were logged."
        )
    return experiment


def _artifact_location(uri: str, experiment: str) -> str | None:
    """Folder beside an SQLite file, one per experiment; other stores choose for themselves."""
    path = sqlite_path(uri)
    if path is None:
        return None
    folder = re.sub(r"[^A-Za-z0-9._-]", "_", experiment)
    if folder != experiment or folder.startswith("."):
        folder = f"{folder.lstrip('.')}-{hashlib.sha256(experiment.encode()).hexdigest()[:8]}"
    return str(path.parent / "mlartifacts" / folder)
