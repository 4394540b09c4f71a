"""What MLflow, its databases and its servers raise: in words, and whether waiting mends it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from alembic.util.exc import CommandError
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

from lightning_quicktune.tracking.places import shown_uri

_PACKAGES = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
_REFUSED_ACCESS = (  # as PostgreSQL, MySQL and SQL Server say it
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "access denied for user",
    "login failed for user",
)
_LONGEST = 300  # letters that are shown of what somebody else says
_NO_DATABASE = re.compile("database .* does not exist|unknown database|cannot open database")


class NobodyAnswersError(ConnectionError):
    """No program takes a connection at the server's address."""


ERRORS = (MlflowException, SQLAlchemyError, CommandError, NobodyAnswersError)


class DeletedExperimentError(RuntimeError):
    """The experiment was deleted, so it takes no runs until it is restored."""


class UnreachableArtifactsError(RuntimeError):
    """The experiment's artifacts are files of another machine."""


class MissingDriverError(RuntimeError):
    """The database's driver is not installed."""

    def __init__(self, uri: str, error: ImportError) -> None:
        package = _PACKAGES.get(error.name or "", error.name)
        super().__init__(
            f"`tracking.uri` is {shown_uri(uri)}, whose driver is not installed ({error}). Install it: "
            f"`pip install '{package}'`."
        )


def in_short(error: BaseException) -> str:
    """An error in one line without a full stop; one that is long ends with three dots."""
    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    words = lines[0].rstrip(".")
    return f"{type(error).__name__}: {words if len(words) <= _LONGEST else f'{words[:_LONGEST]} ...'}"


def lasting(error: BaseException, uri: str) -> str | None:
    """What is wrong and what to do, if waiting does not mend it; none for what may pass.

    Args:
        error: What connecting raised.
        uri: Resolved tracking URI.
    """
    if isinstance(error, (DeletedExperimentError, UnreachableArtifactsError, MissingDriverError)):
        return str(error)
    advice = _advice(error, str(error).lower(), uri)
    if advice is None:
        return None
    what, to_do = advice
    return f"`tracking.uri` is {shown_uri(uri)}, {what} ({in_short(error)}). {to_do}"


def _advice(error: BaseException, text: str, uri: str) -> tuple[str, str] | None:
    code = getattr(error, "error_code", None)
    if isinstance(error, NoSuchModuleError):
        return (
            "a kind of database that is not known here",
            "Write `postgresql://...`, or install its SQLAlchemy plugin.",
        )
    if "databricks-sdk" in text:
        return (
            "which needs the package databricks-sdk and its credentials",
            "Install `databricks-sdk`, then log in with it.",
        )
    if "schema" in text and "out-of-date" in text:
        return (
            "a database of another version of MLflow",
            f"Save a copy, then run `mlflow db upgrade '{shown_uri(uri)}'`; if its version is newer, upgrade `mlflow`.",
        )
    if "file is not a database" in text:
        return "a file that is no SQLite database", "Move the file away, or name another one."
    if any(words in text for words in _REFUSED_ACCESS) or code == "UNAUTHENTICATED":
        return (
            "which refuses this user or password",
            "Correct them in the URI (a server's: in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD).",
        )
    if "permission denied for schema" in text:
        return (
            "a database that does not let this user make tables",
            "Let its owner `grant create on schema public` to the user, or name a database that the user owns.",
        )
    if isinstance(error, SQLAlchemyError) and _NO_DATABASE.search(text):
        return "where there is no such database", "Create it, or correct its name in the URI."
    if code == "PERMISSION_DENIED" and "host header" in text:
        return (
            "whose server does not answer to this host name",
            "Start it with `mlflow server --allowed-hosts` and that name, or name it by its address.",
        )
    if code == "PERMISSION_DENIED":
        return "which refuses access", "Ask for the right to write there, or set `tracking.uri` to another place."
    if code == "ENDPOINT_NOT_FOUND" or "not in a valid json format" in text:
        return "where something other than MLflow answers", "Correct host, port and path of the URI."
    return None


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
    except ERRORS as error:
        if words := lasting(error, uri):
            raise ConnectionError(words.replace("`tracking.uri`", f"`{key}`")) from error
        raise ConnectionError(
            f"MLflow at {shown_uri(uri)} did not do what was asked ({in_short(error)}). It must be a running server or "
            f"a database of this version of MLflow. Start it, or set `{key}` (or the environment's "
            "MLFLOW_TRACKING_URI)."
        ) from error
