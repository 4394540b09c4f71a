"""Artifacts by URI: ``runs:/ID/path`` and ``models:/name/version``."""

from __future__ import annotations

import re
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from lightning_quicktune.tracking.connection import connect_existing
from lightning_quicktune.tracking.faults import answering
from lightning_quicktune.tracking.places import artifact_folder, resolve_uri, shown_uri

_NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # the second for what can't be an id or a version


def download(uri: str, tracking_uri: str | None = None) -> Path:
    """Local path of an artifact, which is copied only if it lies on another machine.

    Args:
        uri: ``runs:/ID/path``, ``models:/name/version`` or ``models:/name@alias``.
        tracking_uri: Where to ask; none for the environment's ``MLFLOW_TRACKING_URI``, or else ``mlflow.db`` here.

    Returns:
        A file or folder to read from, not to write to.

    Raises:
        ValueError: If the URI has another form.
        FileNotFoundError: If there is no such run, artifact or version.
        ConnectionError: If MLflow does not answer.
    """
    where = resolve_uri(tracking_uri)
    with answering(where):
        return _located(uri, where)


def _located(uri: str, where: str) -> Path:
    if run := re.fullmatch(r"runs:/+([^/]+)/(.+?)/*", uri):
        return _run_artifact(connect_existing(where), where, uri, run[1], run[2])
    if model := re.fullmatch(r"models:/+([^/@]+)(?:/(\d+)|@([^/@]+))", uri):
        client = connect_existing(where)
        return _located(_model_source(client, where, uri, *model.groups()), where)
    raise ValueError(
        f"{uri!r} is no artifact of MLflow: a run's artifact is `runs:/RUN_ID/path`, a registered one "
        "`models:/name/version` or `models:/name@alias`. Copy the run id or the version from the MLflow UI."
    )


def _run_artifact(client: MlflowClient, where: str, uri: str, run_id: str, path: str) -> Path:
    try:
        location = client.get_run(run_id).info.artifact_uri
    except MlflowException as error:
        if error.error_code not in _NOT_THERE:
            raise
        raise FileNotFoundError(
            f"There is no run {run_id!r} (asked for by {uri!r}) at {shown_uri(where)}. Check the run id in the "
            "MLflow UI, or set `tracking.uri` (or the environment's MLFLOW_TRACKING_URI) to where it was logged."
        ) from error
    parent = path.rpartition("/")[0]
    there = [item.path for item in client.list_artifacts(run_id, parent or None)]
    if path not in there:
        listing = ", ".join(sorted(there)) or "nothing"
        raise FileNotFoundError(
            f"Run {run_id!r} at {shown_uri(where)} has no artifact {path!r} (asked for by {uri!r}); "
            f"{f'in {parent!r} it has' if parent else 'it has'} {listing}. Use one of these paths after the run id."
        )
    root = artifact_folder(where, location)
    return root / path if root else Path(client.download_artifacts(run_id, path))


def _model_source(client: MlflowClient, where: str, uri: str, name: str, version: str | None, alias: str | None) -> str:
    try:
        found = client.get_model_version(name, version) if version else client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code not in _NOT_THERE:
            raise
        versions = sorted(client.search_model_versions(f"name = '{name}'"), key=lambda each: int(each.version))
        listing = ", ".join(f"models:/{name}/{each.version}" for each in versions) or "no version of that name"
        raise FileNotFoundError(
            f"The model registry at {shown_uri(where)} has no {uri!r}; it has {listing}. Use one of these, register "
            "the run's artifact first, or set `tracking.uri` (or the environment's MLFLOW_TRACKING_URI)."
        ) from error
    return str(found.source)
