"""Kills of a worker and of the MLflow server in the middle of a collection: nothing is lost, nothing is done twice."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from lightning_quicktune.compose import to_yaml
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.tracking.tracker import Tracker

pytestmark = pytest.mark.slow  # starts of the command line and of servers


@pytest.fixture
def command(tmp_path, fit_config, small_space, write_colours):
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(small_space.to_dict()))

    def make(**changes):
        plain = {
            "tasks": [str(write_colours(tmp_path / "small", 16))],
            "recipe": "recipe.yaml",
            "space": "space.yaml",
            "output": str(tmp_path / "collection"),
            "parts": str(tmp_path / "parts"),
            "parts_every": 1,
            "max_fidelity": 3,
            "n_shared": 6,
            "tracking": {"experiment": "collected", "uri": f"sqlite:///{tmp_path}/mlflow.db"},
        }
        (tmp_path / "collect.yaml").write_text(yaml.safe_dump({**plain, **changes}))
        return [sys.executable, "-m", "lightning_quicktune", "collect", "--config", f"{tmp_path}/collect.yaml"]

    return make


def curves(folder: Path) -> dict[str, list]:
    records = [json.loads(path.read_text()) for path in folder.glob("collection/trials/*/*/trial.json")]
    return {f"{r['task']}-{r['config_id']}-{r['seed']}": r["curve"] for r in records}


def wait_for(condition, process=None, seconds=600):
    end = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, "The collection ended too early."
        assert time.monotonic() < end
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    """Workers of a process."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(path.joinpath("stat").read_text().rsplit(")", 1)[1].split()[1])
            is_worker = b"trials.executors.child" in path.joinpath("cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and is_worker:
            found.append(int(path.name))
    return found


def assert_complete(tmp_path, uri, before):
    table = load(tmp_path / "collection" / "meta_dataset")
    assert table.meta["n_trials"] == 6
    assert set(table.trials["status"]) == {"completed"}
    assert len(Tracker(uri, "collected").read_trials()) == 6
    after = curves(tmp_path)
    assert before
    assert all(after[key][: len(slices)] == slices for key, slices in before.items())


def test_a_killed_worker_costs_at_most_a_slice(command, tmp_path):
    process = subprocess.Popen(command(workers=2), cwd=tmp_path)
    wait_for(lambda: any(curves(tmp_path).values()) and children(process.pid), process)
    before = curves(tmp_path)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    assert process.wait(600) == 0
    assert_complete(tmp_path, f"sqlite:///{tmp_path}/mlflow.db", before)


def test_a_killed_collector_leaves_no_worker_that_works_on_and_the_next_one_waits_for_their_trials(command, tmp_path):
    process = subprocess.Popen(command(workers=2), cwd=tmp_path)
    wait_for(lambda: any(curves(tmp_path).values()) and len(children(process.pid)) == 2, process)
    orphans = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = curves(tmp_path)
    again = subprocess.run(command(workers=1), cwd=tmp_path, check=True, stderr=subprocess.PIPE, text=True)
    assert "not in the table" not in again.stderr
    assert_complete(tmp_path, f"sqlite:///{tmp_path}/mlflow.db", before)
    wait_for(lambda: not any(Path(f"/proc/{orphan}").exists() for orphan in orphans))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_collector_that_is_asked_to_end_pauses_its_trials_and_exports_what_is_finished(command, tmp_path, workers):
    process = subprocess.Popen(
        command(workers=workers, parts_every=50), cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: sum(len(c) == 3 for c in curves(tmp_path).values()) > 1, process)
    process.terminate()
    assert "Traceback" not in process.communicate(timeout=600)[1]
    assert process.returncode == 130
    before = curves(tmp_path)
    assert len(list(tmp_path.glob("parts/part-*.parquet"))) == 1
    assert len(before) < 6
    subprocess.run(command(workers=workers, parts_every=50), cwd=tmp_path, check=True)
    assert_complete(tmp_path, f"sqlite:///{tmp_path}/mlflow.db", before)


def serve(folder: Path, port: int) -> subprocess.Popen:
    options = ["--port", str(port), "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/server.db"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    with open(folder / "server.txt", "a") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *options, "--artifacts-destination", str(folder / "artifacts")],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def answers():
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10).close()
        except OSError:
            return False
        return True

    wait_for(answers, server)
    return server


def test_a_killed_server_stops_no_training_and_gets_the_rest_later(command, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    collecting = command(tracking={"experiment": "collected", "uri": uri})
    server = serve(tmp_path, port)
    try:
        process = subprocess.Popen(collecting, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: any(curves(tmp_path).values()), process)
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(300)
        assert "Nothing is lost" in process.communicate(timeout=600)[1]
        before = curves(tmp_path)
        assert all(len(slices) == 3 for slices in before.values())
        server = serve(tmp_path, port)
        subprocess.run(collecting, cwd=tmp_path, check=True)
        assert_complete(tmp_path, uri, before)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(300)
