"""Reads the records of an experiment back, without a call per run where the artifacts lie on this machine."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mlflow.entities import Run, ViewType
from mlflow.tracking import MlflowClient

from lightning_quicktune.tracking.connection import artifact_folder, find_experiment
from lightning_quicktune.tracking.content import RECORD_FILES, Kind

_DOWNLOADS_AT_ONCE = 8


def read_records(client: MlflowClient, uri: str, experiment: str, kind: Kind) -> list[dict[str, Any]]:
    """Records of all runs of one kind, ordered by run id.

    Args:
        client: Client of ``uri``.
        uri: Resolved tracking URI.
        experiment: Name of the experiment.
        kind: Which records.
    """
    found = find_experiment(client, uri, experiment)
    if root := artifact_folder(uri, found.artifact_location):
        paths = _local_records(client, found.experiment_id, root, kind)
        return [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return list(_remote_records(client, found.experiment_id, kind))


def _local_records(client: MlflowClient, experiment_id: str, root: Path, kind: Kind) -> list[Path]:
    deleted = {run.info.run_id for run in _runs(client, experiment_id, kind, ViewType.DELETED_ONLY)}
    paths = root.glob(f"*/artifacts/{RECORD_FILES[kind]}")
    return sorted(path for path in paths if path.parts[-3] not in deleted)


def _remote_records(client: MlflowClient, experiment_id: str, kind: Kind) -> Iterator[dict[str, Any]]:
    runs = sorted(_runs(client, experiment_id, kind, ViewType.ACTIVE_ONLY), key=lambda run: str(run.info.run_id))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:

        def download(run: Run) -> dict[str, Any]:
            target = Path(folder, run.info.run_id)
            target.mkdir()
            path = client.download_artifacts(run.info.run_id, RECORD_FILES[kind], str(target))
            record: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
            return record

        yield from pool.map(download, runs)


def _runs(client: MlflowClient, experiment_id: str, kind: Kind, view: int) -> Iterator[Run]:
    token = None
    while True:
        page = client.search_runs(
            [experiment_id], f"tags.`quicktune.kind` = '{kind}'", run_view_type=view, max_results=1000, page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return
