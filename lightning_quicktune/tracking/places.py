"""Tracking URIs, and what they mean as files of this machine."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlparse

DEFAULT_URI = "sqlite:///mlflow.db"  # what `mlflow ui` opens in the same folder
UI = "http://127.0.0.1:5000"  # where `mlflow ui` answers
_SQLITE = "sqlite:///"
DATABASES = (_SQLITE, "postgresql", "mysql", "mssql")
_SCHEMES = (*DATABASES, "http://", "https://", "databricks")
# A database's URI is percent-decoded, and its options begin at the first question mark.
_MEANS_MORE = re.compile(r"%(?=[0-9A-Fa-f]{2})|\?")


def resolve_uri(uri: str | None) -> str:
    """Tracking URI that means the same from every working directory.

    Args:
        uri: Tracking URI of MLflow; none for the environment's ``MLFLOW_TRACKING_URI``, or else ``mlflow.db`` here. The
            folder of an SQLite file may be written as it is (``a%20b``), if it exists, or percent-encoded.

    Returns:
        The URI, with an absolute and percent-encoded path if it is an SQLite file.

    Raises:
        ValueError: If MLflow can't keep runs there.
    """
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    if not uri.startswith(_SCHEMES) or uri == _SQLITE:
        raise ValueError(
            f"`tracking.uri` is {uri!r}, where MLflow can't keep runs: it needs a database or a server, and no longer "
            f"writes plain folders. Use `tracking.uri: {DEFAULT_URI}` for a file, or `http://host:port` for a server."
        )
    if not uri.startswith(_SQLITE):
        return uri
    written = uri.removeprefix(_SQLITE)
    folder, slash, name = written.rpartition("/")
    if os.path.isdir(folder):
        name, mark, options = name.partition("?")
        path = folder + slash + unquote(name)
    else:
        path, mark, options = written.partition("?")
        path = unquote(path)
    return sqlite_uri(Path(path)) + mark + options


def sqlite_uri(path: Path) -> str:
    """URI of an SQLite file, absolute; as readable as its path allows."""
    return _SQLITE + _MEANS_MORE.sub(lambda found: f"%{ord(found[0]):02X}", os.path.abspath(path))


def sqlite_path(uri: str) -> Path | None:
    """Absolute path of a resolved SQLite tracking URI; none for any other URI."""
    if not uri.startswith(_SQLITE):
        return None
    return Path(os.path.abspath(unquote(uri.removeprefix(_SQLITE).partition("?")[0])))


def shown_uri(uri: str) -> str:
    """A tracking URI without its password, for messages and notes."""
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:***@", uri)


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


def is_elsewhere(uri: str, location: str) -> bool:
    """Whether artifacts are files of a server's machine that this machine can't reach.

    Args:
        uri: Resolved tracking URI.
        location: Where MLflow says that the artifacts of an experiment lie.
    """
    server, parts = urlparse(uri), urlparse(location)
    if server.scheme not in ("http", "https") or parts.scheme not in ("", "file"):
        return False
    if server.hostname == "localhost" or (server.hostname or "").startswith(("127.", "::1")):
        return False
    return not Path(unquote(parts.path) if parts.scheme else location).exists()


def artifact_location(uri: str, experiment: str) -> str | None:
    """Folder beside an SQLite file, one per experiment; other stores choose for themselves.

    Args:
        uri: Resolved tracking URI.
        experiment: Name of the experiment.
    """
    path = sqlite_path(uri)
    if path is None:
        return None
    name = re.sub(r"[^A-Za-z0-9._-]", "_", experiment)
    if name != experiment or name.startswith("."):
        name = f"{name.lstrip('.')}-{hashlib.sha256(experiment.encode()).hexdigest()[:8]}"
    folder = path.parent / "mlartifacts" / name
    return folder.as_uri() if re.search("[%?#]", str(folder)) else str(folder)  # MLflow decodes plain paths too


def table_link(uri: str, experiment_id: str) -> str:
    """Where a browser shows the runs of an experiment as a table: on its server, or on the one ``mlflow ui`` starts.

    Args:
        uri: Resolved tracking URI.
        experiment_id: Id of the experiment.
    """
    server = shown_uri(uri).rstrip("/") if uri.startswith(("http://", "https://")) else UI
    # Without the last part MLflow 3 opens its page of traces.
    return f"{server}/#/experiments/{experiment_id}/runs?workflowType=machine_learning"
