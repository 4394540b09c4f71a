import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightning_quicktune.tracking.artifacts import download
from lightning_quicktune.tracking.tracker import Tracker
from lightning_quicktune.types import Configuration, LearningCurve, SliceResult, Trial

pytestmark = pytest.mark.slow  # a server takes about 15 seconds to start


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def server(folder) -> Iterator[str]:
    """`mlflow ui` as a user starts it, in the folder that holds `mlflow.db`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    command = [sys.executable, "-m", "mlflow", "ui", "--port", str(port), "--workers", "1"]
    with open(folder / "log.txt", "w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(2400):
            try:
                urllib.request.urlopen(f"{url}/health", timeout=10).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log.txt").read_text()
                time.sleep(0.25)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(300)


def store(folder: Path, seed: int, n: int) -> tuple[Path, Trial]:
    curve = LearningCurve(tuple(SliceResult(i, i / 10, 2.0, 1.5, 640) for i in range(1, n + 1)))
    trial = Trial("minerals", "nano", "exact_match", Configuration({"lr": 0.1}), seed, 5, curve, "running")
    folder.mkdir(exist_ok=True)
    (folder / "trial.json").write_text(json.dumps(trial.to_dict()))
    (folder / "fit.yaml").write_text("model: {}\n")
    return folder, trial


def test_the_ui_shows_what_was_logged_without_it_and_takes_the_rest(folder, server, tmp_path):
    trial_folder, _ = store(tmp_path / "a", 1, 1)
    assert Tracker(f"sqlite:///{folder}/mlflow.db", "local").sync_trial(trial_folder)
    (trial,) = Tracker(server, "local").read_trials()
    assert trial.curve.scores == (0.1,)


def test_trials_and_folders_travel_through_a_server(server, tmp_path):
    tracker = Tracker(server, "remote")
    expected = []
    for seed in (1, 2):
        assert tracker.sync_trial(store(tmp_path / str(seed), seed, 1)[0])
        trial_folder, trial = store(tmp_path / str(seed), seed, 2)
        assert tracker.sync_trial(trial_folder)
        expected.append(trial)
    assert sorted(tracker.read_trials(), key=lambda trial: trial.seed) == expected
    run_id = tracker.log_folder(tmp_path / "1", "trial", "folder", "surrogate", {}, {"loss": 1.0})
    name = tracker.register(run_id, "trial", "performance")
    assert (download(name, server) / "fit.yaml").read_text() == "model: {}\n"
    with pytest.raises(FileNotFoundError, match=r"no artifact 'other' .* it has trial\. Use one"):
        download(f"runs:/{run_id}/other", server)
