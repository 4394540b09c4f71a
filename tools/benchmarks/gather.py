"""Times reading the trials of a collection back, from an SQLite file and from `mlflow server`.

    python tools/benchmarks/gather.py [--trials 1800] [--slices 10] [--folder FOLDER]

Some invented trials are filed with MLflow's own client, parameters, metrics and tags included, and their rows copied
until there are enough; each run has its record as an artifact of the server. A copy of the database, whose artifacts
are files of this machine, is read directly. What is timed is ``Tracker.read_trials``, in seconds of the clock. With
``--folder`` the runs stay there for the next time. Exit status 1 if reading takes longer than ``AIM_S``, or a trial is
missing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import cycle, islice
from pathlib import Path
from uuid import uuid4

from lightning_quicktune.tracking.content import trial_content
from lightning_quicktune.tracking.places import sqlite_uri
from lightning_quicktune.tracking.tracker import Tracker
from lightning_quicktune.types import Configuration, DeviceInfo, LearningCurve, SliceResult, Trial

AIM_S = {"sqlite": 10.0, "server": 60.0}
EXPERIMENT = "gather"
N_FILED = 30  # by MLflow's client, which takes tens of milliseconds for each
TABLES = ("runs", "params", "tags", "metrics", "latest_metrics")  # of the database that a run has rows in
DEVICE = DeviceInfo("invented", count=1, threads=1, load_average=0.0, reference_step_s=0.01)


def invented(number: int, n_slices: int) -> Trial:
    """A completed trial as long as a real one."""
    metrics = {name: number / 7 for name in ("loss", "token_f1", "exact_match", "rouge_l")}
    slices = tuple(
        SliceResult(f, 1 / (2 + f), 2.5, 2.4, 6400, metrics, 1 / (3 + f), metrics) for f in range(1, n_slices + 1)
    )
    values = {f"hyperparameter_{i}": number / (i + 1) for i in range(12)}
    fit = {"model": {"init_args": values}, "data": {"init_args": {str(i): "x" * 20 for i in range(40)}}}
    return Trial(
        task=f"task-{number % 30}",
        base_model="nano",
        metric="answer_likelihood",
        configuration=Configuration(values),
        seed=0,
        max_fidelity=n_slices,
        curve=LearningCurve(slices),
        status="completed",
        fit=fit,
        device=DEVICE,
        versions={name: "1.2.3" for name in ("torch", "lightning", "transformers", "peft")},
    )


def fill(folder: Path, n_trials: int, n_slices: int) -> None:
    """Makes the runs, as a server keeps them; then the copy of the database that is read without it."""
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

    client = MlflowClient(sqlite_uri(folder / "server.db"))
    experiment = client.create_experiment(EXPERIMENT, "mlflow-artifacts:/1")
    filed = []
    for number in range(min(N_FILED, n_trials)):
        trial = invented(number, n_slices)
        content = trial_content(trial, "settings", "digest")
        run_id = client.create_run(experiment, run_name=content.name, tags=dict(content.identity)).info.run_id
        client.log_batch(
            run_id,
            [Metric(p.name, p.value, number, p.step) for p in content.points],
            [Param(name, value) for name, value in content.params.items()],
            [RunTag(name, value) for name, value in content.tags.items()],
        )
        client.set_terminated(run_id)
        filed.append(run_id)
    with closing(sqlite3.connect(folder / "server.db")) as database, database:
        copies = [(run_id, uuid4().hex) for run_id in islice(cycle(filed), n_trials - len(filed))]
        for run_id, copy in copies:
            _copy(database, run_id, copy)
    for number, run_id in enumerate([*filed, *(copy for _, copy in copies)]):
        artifacts = folder / "artifacts" / "1" / run_id / "artifacts"
        artifacts.mkdir(parents=True)
        (artifacts / "trial.json").write_text(json.dumps(invented(number, n_slices).to_dict()))
    shutil.copyfile(folder / "server.db", folder / "mlflow.db")
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            changed = f"update {table} set {column} = replace({column}, 'mlflow-artifacts:', ?)"
            database.execute(changed, (str(folder / "artifacts"),))


def _copy(database: sqlite3.Connection, run_id: str, copy: str) -> None:
    """Gives a run's rows to another run."""
    for table in TABLES:
        columns = [row[1] for row in database.execute(f"pragma table_info({table})")]
        values = [{"run_uuid": ":new", "artifact_uri": "replace(artifact_uri, :old, :new)"}.get(c, c) for c in columns]
        database.execute(
            f"insert into {table} ({', '.join(columns)}) select {', '.join(values)} from {table} where run_uuid = :old",
            {"old": run_id, "new": copy},
        )


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A server of the runs; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    store = ["--backend-store-uri", sqlite_uri(folder / "server.db")]
    store += ["--artifacts-destination", str(folder / "artifacts")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    with open(folder / "server.txt", "w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", *store],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_for(url, server)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 300
    while True:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=1).close()
        except OSError as error:
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"`mlflow server` does not answer at {url}: see server.txt.") from error
            time.sleep(0.5)
        else:
            return


def seconds(uri: str, n_trials: int) -> float:
    """What reading all trials takes."""
    began = time.perf_counter()
    n_read = len(Tracker(uri, EXPERIMENT).read_trials())
    taken = time.perf_counter() - began
    if n_read != n_trials:
        raise RuntimeError(f"{n_read} of {n_trials} trials were read from {uri}, so its time says nothing.")
    return taken


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1800)
    parser.add_argument("--slices", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="Keeps the runs; one that has them is not filled again.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "mlflow.db").exists():
            fill(folder, options.trials, options.slices)
        taken = {"sqlite": seconds(sqlite_uri(folder / "mlflow.db"), options.trials)}
        print(f"sqlite: {taken['sqlite']:.1f} s for {options.trials} trials of {options.slices} slices", flush=True)
        with served(folder) as url:
            taken["server"] = seconds(url, options.trials)
        print(f"server: {taken['server']:.1f} s", flush=True)
    return int(any(taken[place] > AIM_S[place] for place in AIM_S))


if __name__ == "__main__":
    sys.exit(main())
