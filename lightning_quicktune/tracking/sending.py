"""The sending of one record: a run found or made for it, and what MLflow does not have yet in one batched call."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from mlflow.entities import Experiment, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from lightning_quicktune.tracking.content import RECORD_FILES, RunContent
from lightning_quicktune.tracking.sent import Sent

RESULT = "result"  # folder of what a search found, beside its record and among the artifacts of its run
_POINTS_PER_CALL = 800  # MLflow takes 1,000 values a call, parameters and tags included


def send(
    client: MlflowClient, experiment: Experiment, uri: str, folder: Path, content: RunContent, sent: Sent | None
) -> None:
    """Sends what MLflow does not have of a record, and notes in its folder that it did.

    Args:
        client: Client of the store.
        experiment: Where the run belongs.
        uri: Tracking URI, without its password.
        folder: Folder of the trial, task or search.
        content: What its run shall hold.
        sent: What was sent before; none if nothing was.
    """
    if sent is not None:
        try:
            return _update(client, folder, content, sent, is_new=False)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise  # the database was emptied or replaced: begin again
    found = _find(client, experiment, content)
    tags = {} if found else {**content.tags, **content.identity}
    run = found or client.create_run(experiment.experiment_id, run_name=content.name, tags=tags)
    begun = Sent(
        uri=uri,
        experiment=experiment.name,
        created_ms=experiment.creation_time,
        run_id=run.info.run_id,
        started_ms=run.info.start_time,
        digest="",
        status=run.info.status,
        fidelity=-1,
        n_points=0,
        tags=tags,
    )
    _update(client, folder, content, begun, is_new=True)


def _find(client: MlflowClient, experiment: Experiment, content: RunContent) -> Run | None:
    """The run made for this record by a process that was killed before it could note so."""
    quote = '"' if any("'" in value for value in content.identity.values()) else "'"
    query = " and ".join(f"tags.`{name}` = {quote}{value}{quote}" for name, value in content.identity.items())
    runs = client.search_runs([experiment.experiment_id], query, max_results=1)
    return runs[0] if runs else None


def _update(client: MlflowClient, folder: Path, content: RunContent, sent: Sent, is_new: bool) -> None:
    first = sent.new_steps(content)
    metrics = [
        Metric(p.name, p.value, sent.started_ms + round(1000 * p.after_s), p.step)
        for p in content.points
        if p.step >= first
    ]
    params = [Param(name, value) for name, value in content.params.items()] if is_new else []
    tags = [RunTag(name, value) for name, value in content.tags.items() if sent.tags.get(name) != value]
    client.log_batch(sent.run_id, metrics[:_POINTS_PER_CALL], params, tags)
    for start in range(_POINTS_PER_CALL, len(metrics), _POINTS_PER_CALL):
        client.log_batch(sent.run_id, metrics[start : start + _POINTS_PER_CALL])
    client.log_artifact(sent.run_id, str(folder / RECORD_FILES[content.kind]))
    if is_new and (folder / "fit.yaml").exists():
        client.log_artifact(sent.run_id, str(folder / "fit.yaml"))
    if content.result and content.result != sent.result:
        replace(sent, digest="").write(folder)  # trials may go below the run, whatever becomes of its files
        client.log_artifacts(sent.run_id, str(folder / RESULT), RESULT)
    if content.status in ("FINISHED", "FAILED"):
        last = sent.started_ms + round(1000 * max((p.after_s for p in content.points), default=0.0))
        client.set_terminated(sent.run_id, content.status, max(last, round(1000 * time.time())))
    elif content.status != sent.status:
        client.update_run(sent.run_id, content.status)
    replace(
        sent,
        digest=content.digest,
        status=content.status,
        fidelity=max((p.step for p in content.points), default=-1),
        n_points=len(content.points),
        tags=content.tags,
        result=content.result,
    ).write(folder)
