"""Sends trials and tasks to MLflow, a batched call at a time, and reads them back."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mlflow.entities import Experiment, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from lightning_quicktune.tracking.connection import answering, connect_existing, ensure_experiment, resolve_uri
from lightning_quicktune.tracking.content import RECORD_FILES, Kind, RunContent, read_content
from lightning_quicktune.tracking.records import read_records
from lightning_quicktune.tracking.sent import Sent, read_sent
from lightning_quicktune.types import TaskInfo, Trial

_logger = logging.getLogger(__name__)
_warned: set[str] = set()
_SPACE = "quicktune.space"  # tag of an experiment
_POINTS_PER_CALL = 800  # MLflow takes 1,000 values a call, parameters and tags included
_PATIENCE = 20  # a server that is slow or away may cost one part in so many of the time


class Tracker:
    """One experiment of an MLflow tracking server or database.

    Nothing is connected before the first call. Trials and tasks live in folders of their own first; sending them never
    raises because of the server, and whatever could not be sent goes with the next call.

    Args:
        uri: Tracking URI; none for the environment's ``MLFLOW_TRACKING_URI``, or else ``mlflow.db`` in the current
            directory, which ``mlflow ui`` shows when it is started there.
        experiment: Name of the experiment; it is created if it is missing.
    """

    def __init__(self, uri: str | None, experiment: str) -> None:
        self.uri = resolve_uri(uri)
        self.experiment = experiment
        self._connected: tuple[MlflowClient, Experiment] | None = None
        self._away_until = 0.0
        self._busy_until = 0.0

    def sync_trial(self, folder: Path) -> bool:
        """Sends what MLflow does not have yet of the trial in a folder.

        Args:
            folder: Holds ``trial.json`` (the trial's record) and ``fit.yaml``; gets ``sent.json``.

        Returns:
            Whether MLflow has everything now.
        """
        return self._sync(folder, "trial")

    def follow_trial(self, folder: Path) -> bool:
        """Sends like ``sync_trial``, but a trial that still runs only as often as takes a twentieth of the time.

        Args:
            folder: Folder of the trial.

        Returns:
            Whether MLflow has everything now.
        """
        if self._busy_until > time.monotonic() and read_content(folder, "trial").status == "RUNNING":
            return False
        return self._sync(folder, "trial")

    def sync_task(self, folder: Path) -> bool:
        """Sends what MLflow does not have yet of the task in a folder.

        Args:
            folder: Holds ``task.json`` (the task's record); gets ``sent.json``.

        Returns:
            Whether MLflow has everything now.
        """
        return self._sync(folder, "task")

    def read_trials(self) -> list[Trial]:
        """All trials of the experiment, from their records; deleted runs are left out."""
        return [Trial.from_dict(record) for record in self._read("trial")]

    def read_tasks(self) -> list[TaskInfo]:
        """All tasks of the experiment, from their records; deleted runs are left out."""
        return [TaskInfo.from_dict(record) for record in self._read("task")]

    def claim(self, space_id: str) -> None:
        """Notes in the experiment which search space its trials are of, as soon as the server answers.

        Args:
            space_id: Id of the search space.

        Raises:
            ValueError: If the experiment is noted as that of another search space.
        """
        try:
            client, experiment = self._connect()
            known = experiment.tags.setdefault(_SPACE, space_id)
            client.set_experiment_tag(experiment.experiment_id, _SPACE, known)
        except Exception as error:  # a server or a database fails in many ways, and none may stop training
            self._warn(error)
            return
        if known != space_id:
            raise ValueError(
                f"`tracking.experiment` is {self.experiment!r}, which at {self.uri} holds trials of another search "
                "space, and trials of both can't be compared. Set `tracking.experiment` to a name of its own, or "
                "`space` to the file of before."
            )

    def log_folder(
        self,
        folder: Path,
        artifact_path: str,
        run_name: str,
        kind: str,
        tags: Mapping[str, str],
        metrics: Mapping[str, float],
    ) -> str:
        """Logs a folder as artifacts of a new run.

        Args:
            folder: What to upload.
            artifact_path: Where it goes within the run.
            run_name: Name of the run.
            kind: What the run stands for, such as ``surrogate`` or ``meta_dataset``.
            tags: Tags of the run.
            metrics: Metrics of the run.

        Returns:
            Id of the run: the folder is ``runs:/ID/artifact_path`` from now on.
        """
        with answering(self.uri):
            client, experiment = self._connect()
            run = client.create_run(experiment.experiment_id, run_name=run_name, tags={**tags, "quicktune.kind": kind})
            run_id: str = run.info.run_id
            try:
                now = int(time.time() * 1000)
                client.log_batch(run_id, metrics=[Metric(name, value, now, 0) for name, value in metrics.items()])
                client.log_artifacts(run_id, str(folder), artifact_path)
            except BaseException:
                client.set_terminated(run_id, "FAILED")
                raise
            client.set_terminated(run_id, "FINISHED")
        return run_id

    def register(self, run_id: str, artifact_path: str, name: str) -> str:
        """Gives a logged folder a name and a version in MLflow's model registry.

        Args:
            run_id: The run that holds the folder.
            artifact_path: Where it lies within the run.
            name: Name in the registry; it is created if it is missing.

        Returns:
            The version's URI, ``models:/name/version``.
        """
        with answering(self.uri):
            client, _ = self._connect()
            try:
                client.create_registered_model(name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            version = client.create_model_version(name, source=f"runs:/{run_id}/{artifact_path}", run_id=run_id)
        return f"models:/{name}/{version.version}"

    def _connect(self) -> tuple[MlflowClient, Experiment]:
        if self._connected is None:
            client = MlflowClient(self.uri)
            self._connected = client, ensure_experiment(client, self.uri, self.experiment)
        return self._connected

    def _read(self, kind: Kind) -> list[dict[str, object]]:
        with answering(self.uri):
            return read_records(connect_existing(self.uri), self.uri, self.experiment, kind)

    def _sync(self, folder: Path, kind: Kind) -> bool:
        content = read_content(folder, kind)
        started = time.monotonic()
        if started < self._away_until:
            return False
        try:
            sent = read_sent(folder, self.uri, self.experiment, self._connect()[1].creation_time)
            if sent is None or sent.digest != content.digest:
                self._send(folder, content, sent)
                now = time.monotonic()
                self._busy_until = now + _PATIENCE * (now - started)
        except Exception as error:  # a server, a database or a disk fails in many ways, and none may stop training
            now = time.monotonic()
            self._away_until = now + _PATIENCE * (now - started)
            self._warn(error)
            return False
        return True

    def _send(self, folder: Path, content: RunContent, sent: Sent | None) -> None:
        if sent is not None:
            try:
                return self._update(folder, content, sent, is_new=False)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise  # the database was emptied or replaced: begin again
        client, experiment = self._connect()
        found = self._find(content)
        tags = {} if found else {**content.tags, **content.identity}
        run = found or client.create_run(experiment.experiment_id, run_name=content.name, tags=tags)
        sent = Sent(
            uri=self.uri,
            experiment=self.experiment,
            created_ms=experiment.creation_time,
            run_id=run.info.run_id,
            started_ms=run.info.start_time,
            digest="",
            status=run.info.status,
            fidelity=-1,
            n_points=0,
            tags=tags,
        )
        self._update(folder, content, sent, is_new=True)

    def _find(self, content: RunContent) -> Run | None:
        """The run made for this record by a process that was killed before it could note so."""
        client, experiment = self._connect()
        quote = '"' if "'" in content.name else "'"
        query = " and ".join(f"tags.`{name}` = {quote}{value}{quote}" for name, value in content.identity.items())
        runs = client.search_runs([experiment.experiment_id], query, max_results=1)
        return runs[0] if runs else None

    def _update(self, folder: Path, content: RunContent, sent: Sent, is_new: bool) -> None:
        client, _ = self._connect()
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
        ).write(folder)

    def _warn(self, error: Exception) -> None:
        if self.uri not in _warned:
            _warned.add(self.uri)
            _logger.warning(
                "MLflow at %s took nothing (%s). The records stay in their folders, complete, and go with the next "
                "call that reaches it. If this is the wrong place, set `tracking.uri`.",
                self.uri,
                f"{type(error).__name__}: {error}".splitlines()[0],
            )
