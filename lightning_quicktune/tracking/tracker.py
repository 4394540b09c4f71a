"""Sends trials and tasks to MLflow, a batched call at a time, and reads them back."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlflow.entities import Experiment, Metric
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from lightning_quicktune.tracking.connection import connect, connect_existing, reach
from lightning_quicktune.tracking.content import Kind, Parent, RunContent, read_content
from lightning_quicktune.tracking.delivery import Delivery
from lightning_quicktune.tracking.faults import answering, in_short, lasting
from lightning_quicktune.tracking.places import resolve_uri, shown_uri, table_link
from lightning_quicktune.tracking.records import read_records
from lightning_quicktune.tracking.search_record import SearchFolder
from lightning_quicktune.tracking.sending import send
from lightning_quicktune.tracking.sent import forget, noted_run_id, read_sent, says_sent
from lightning_quicktune.types import TaskInfo, Trial

_logger = logging.getLogger(__name__)
_warned: set[str] = set()
_SPACE = "quicktune.space"  # tag of an experiment
_PATIENCE = 20  # a server that is slow or away may cost one part in so many of the time


class Tracker:
    """One experiment of an MLflow tracking server or database.

    Nothing is connected before the first call. Trials and tasks live in folders of their own first; sending them never
    raises because of the server, and whatever could not be sent goes with the next call.

    Args:
        uri: Tracking URI; none for the environment's ``MLFLOW_TRACKING_URI``, or else ``mlflow.db`` in the current
            directory, which ``mlflow ui`` shows when it is started there.
        experiment: Name of the experiment; it is created if it is missing.
        search: The search that all trials and tasks are part of, whose run they are shown below; none if there is none.
    """

    def __init__(self, uri: str | None, experiment: str, search: SearchFolder | None = None) -> None:
        self.uri = resolve_uri(uri)
        self.experiment = experiment
        self.search = search
        self._connected: tuple[MlflowClient, Experiment] | None = None
        self._away_until = 0.0
        self._busy_until = 0.0
        self._reason: str | None = None  # of the last failure
        self._has_failed = False  # the last call

    @property
    def shown_uri(self) -> str:
        """Where it is, without a password."""
        return shown_uri(self.uri)

    @property
    def run_id(self) -> str | None:
        """The search's run, as far as the note in its folder says; none if there is no search or no such note."""
        return noted_run_id(self.search.folder, self.shown_uri, self.experiment) if self.search else None

    @property
    def table(self) -> str | None:
        """Where a browser shows the experiment's runs; none if MLflow has not answered yet."""
        return None if self._connected is None else table_link(self.uri, self._connected[1].experiment_id)

    def check(self) -> None:
        """Connects before anything is trained, so that what no waiting mends is known; what may pass is said.

        Raises:
            ValueError: If a driver is missing, access is refused, or no database of this version of MLflow is there.
        """
        started = time.monotonic()
        try:
            self._connect()
        except Exception as error:  # a server or a database fails in many ways, and what may pass may not stop training
            if words := lasting(error, self.uri):
                raise ValueError(words) from error
            self._is_away(error, started)

    def begin(self) -> bool:
        """Sends the record of the search; if its run was deleted, or is of another database, as a new one.

        Returns:
            Whether MLflow has it now.
        """
        folder, run_id = self._search.folder, self.run_id
        if run_id is not None and not self.has_run(run_id):
            forget(folder)
        return self._sync(folder, "tune")

    def follow_search(self) -> bool:
        """Sends what is new of the search, as often as takes a twentieth of the time.

        Returns:
            Whether MLflow has everything now.
        """
        return self._busy_until <= time.monotonic() and self._sync(self._search.folder, "tune")

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
        if self._busy_until > time.monotonic() and self._content(folder, "trial").status == "RUNNING":
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

    def deliver(self, tasks: Iterable[Path], trials: Iterable[Path]) -> Delivery:
        """Sends all that MLflow lacks of these records, past any patience; a server that is away is asked only once.

        The search's own record goes first and is counted with them.

        Args:
            tasks: Folders of tasks, each with its record.
            trials: Folders of trials, whatever their status.

        Returns:
            What is lacking now.
        """
        folders: list[tuple[Path, Kind]] = [(self.search.folder, "tune")] if self.search else []
        folders += [*((f, "task") for f in tasks), *((f, "trial") for f in trials)]
        lacking, answers, reason = 0, True, None
        for folder, kind in folders:
            self._away_until = 0.0
            if answers and self._sync(folder, kind):
                continue
            if answers:
                reason, answers = self._reason, self._answers()
            digest = self._content(folder, kind).digest
            lacking += answers or not says_sent(folder, self.shown_uri, self.experiment, digest)
        return Delivery(len(folders), lacking, self.shown_uri, reason if lacking else None)

    def has_run(self, run_id: str) -> bool:
        """Whether the experiment holds a run that was not deleted; one that can't be asked is believed to.

        Args:
            run_id: Id of the run.
        """
        try:
            client, experiment = self._connect()
            run = client.get_run(run_id)
        except Exception as error:  # a server or a database fails in many ways
            return getattr(error, "error_code", None) != "RESOURCE_DOES_NOT_EXIST"
        found = (run.info.experiment_id, run.info.lifecycle_stage)
        return bool(found == (experiment.experiment_id, "active"))

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
            ValueError: If the experiment is noted as that of another search space, or as ``check``.
        """
        self.check()
        if self._connected is None:
            return
        client, experiment = self._connected
        try:
            known = experiment.tags.setdefault(_SPACE, space_id)
            client.set_experiment_tag(experiment.experiment_id, _SPACE, known)
        except Exception as error:  # a server or a database fails in many ways, and none may stop training
            self._warn(error)
            return
        if known != space_id:
            raise ValueError(
                f"`tracking.experiment` is {self.experiment!r}, which at {self.shown_uri} holds trials of another "
                "search space, and trials of both can't be compared. Set `tracking.experiment` to a name of its own, "
                "or `space` to the file of before."
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
        if self._has_failed:
            reach(self.uri)
        if self._connected is None:
            self._connected = connect(self.uri, self.experiment)
        return self._connected

    def _answers(self) -> bool:
        if self._connected is None:
            return False
        try:
            reach(self.uri)
            self._connected[0].get_experiment_by_name(self.experiment)
        except Exception:  # it fails in many ways, and why was said when something could not be sent
            return False
        return True

    def _read(self, kind: Kind) -> list[dict[str, object]]:
        with answering(self.uri):
            return read_records(connect_existing(self.uri), self.uri, self.experiment, kind)

    @property
    def _search(self) -> SearchFolder:
        if self.search is None:
            raise RuntimeError(f"The tracker of {self.experiment!r} was given no search. Pass one as `search`.")
        return self.search

    def _content(self, folder: Path, kind: Kind) -> RunContent:
        run_id = self.run_id
        if self.search is None or run_id is None or kind == "tune":
            return read_content(folder, kind)
        return read_content(folder, kind, Parent(run_id, self.search.id, self.search.name_trial))

    def _sync(self, folder: Path, kind: Kind) -> bool:
        if self.search is not None and kind != "tune" and self.run_id is None:
            self._sync(self.search.folder, "tune")
            if self.run_id is None:
                return False  # a run can't go below one that isn't there
        content = self._content(folder, kind)
        started = time.monotonic()
        if started < self._away_until:
            return False
        try:
            client, experiment = self._connect()
            sent = read_sent(folder, self.shown_uri, self.experiment, experiment.creation_time)
            if sent is None or sent.digest != content.digest:
                send(client, experiment, self.shown_uri, folder, content, sent)
                now = time.monotonic()
                self._busy_until = now + _PATIENCE * (now - started)
        except Exception as error:  # a server, a database or a disk fails in many ways, and none may stop training
            self._is_away(error, started)
            return False
        self._has_failed = False
        return True

    def _is_away(self, error: Exception, started: float) -> None:
        """Asks nothing for a while."""
        now, self._has_failed = time.monotonic(), True
        self._away_until = now + _PATIENCE * (now - started)
        self._warn(error)

    def _warn(self, error: Exception) -> None:
        self._reason = in_short(error)
        if self.uri not in _warned:
            _warned.add(self.uri)
            _logger.warning(
                "MLflow at %s took nothing (%s). The records stay in their folders, complete, and go with the next "
                "call that reaches it. If this is the wrong place, set `tracking.uri`.",
                self.shown_uri,
                self._reason,
            )
