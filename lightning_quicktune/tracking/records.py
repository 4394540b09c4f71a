"""Reads the records of an experiment back, without a call per run where the artifacts lie on this machine."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

from lightning_quicktune.tracking.connection import find_experiment
from lightning_quicktune.tracking.content import RECORD_FILES, Kind
from lightning_quicktune.tracking.places import artifact_folder

_logger = logging.getLogger(__name__)
_DOWNLOADS_AT_ONCE = 8
_RUNS_PER_PAGE = 100  # a server that is asked for a thousand needs longer than MLflow waits for it
Records = list[dict[str, Any] | None]  # none for a run whose record is not there or not whole


def read_records(client: MlflowClient, uri: str, experiment: str, kind: Kind) -> list[dict[str, Any]]:
    """Records of all runs of one kind, ordered by run id.

    A run whose record isn't there yet, because another process is writing it or was killed before it could, is passed
    over; how many were is said in the log.

    Args:
        client: Client of ``uri``.
        uri: Resolved tracking URI.
        experiment: Name of the experiment.
        kind: Which records.
    """
    found = find_experiment(client, uri, experiment)
    if root := artifact_folder(uri, found.artifact_location):
        records: Records = [_read(path) for path in _local_paths(client, found.experiment_id, root, kind)]
    else:
        records = _remote_records(client, uri, found.experiment_id, kind)
    whole = [record for record in records if record is not None]
    if len(whole) < len(records):
        _logger.warning(
            "%d of %d %s runs of experiment %r have no whole %s and are passed over: other processes are writing them, "
            "or were killed before they could.",
            len(records) - len(whole),
            len(records),
            kind,
            experiment,
            RECORD_FILES[kind],
        )
    return whole


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _local_paths(client: MlflowClient, experiment_id: str, root: Path, kind: Kind) -> list[Path]:
    deleted = {run.info.run_id for run in _runs(client, experiment_id, kind, ViewType.DELETED_ONLY)}
    paths = root.glob(f"*/artifacts/{RECORD_FILES[kind]}")
    return sorted(path for path in paths if path.parts[-3] not in deleted)


def _remote_records(client: MlflowClient, uri: str, experiment_id: str, kind: Kind) -> Records:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:

        def download(run: Run) -> dict[str, Any] | None:
            target = Path(folder, run.info.run_id)
            target.mkdir()
            return _downloaded(client, uri, run, RECORD_FILES[kind], target)

        runs = _runs(client, experiment_id, kind, ViewType.ACTIVE_ONLY)
        try:
            records = {str(run.info.run_id): pool.submit(download, run) for run in runs}  # while pages are asked for
            return [records[run_id].result() for run_id in sorted(records)]
        finally:
            pool.shutdown(cancel_futures=True)  # where a server is gone, each of the others would wait for it


def _downloaded(client: MlflowClient, uri: str, run: Run, name: str, target: Path) -> dict[str, Any] | None:
    artifacts = get_artifact_repository(run.info.artifact_uri, tracking_uri=uri)
    path = target / name
    try:  # one request; the client's own download asks for the run, its models and a list before
        artifacts._download_file(name, str(path))
    except (MlflowException, OSError):
        if name not in [item.path for item in client.list_artifacts(run.info.run_id)]:  # raises where nothing answers
            return None
        try:
            artifacts._download_file(name, str(path))
        except OSError as error:  # what a server answers comes as an error of the package requests
            raise MlflowException(f"{name} of run {run.info.run_id} can't be fetched: {error}") from error
    return _read(path)


def _runs(client: MlflowClient, experiment_id: str, kind: Kind, view: int) -> Iterator[Run]:
    token = None
    while True:
        page = client.search_runs(
            [experiment_id],
            f"tags.`quicktune.kind` = '{kind}'",
            run_view_type=view,
            max_results=_RUNS_PER_PAGE,
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return
