"""A search by several workers: what it tries, how it stops, and what a kill leaves; each test starts Python thrice."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lightning_quicktune.trials import cohort_size
from lightning_quicktune.trials.executors.processes import CHILD
from lightning_quicktune.tuning import job
from lightning_quicktune.tuning.tune import tune


def entries(tmp_path):
    path = tmp_path / "search" / "observations.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()[1:]] if path.exists() else []


def slices(tmp_path):
    reached = {}
    for entry in entries(tmp_path):
        reached[entry["config_id"]] = max(reached.get(entry["config_id"], 0), len(entry["curve"]))
    return reached


def workers_of(pid):
    """Processes of workers that a process has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(path.joinpath("stat").read_text().rsplit(")", 1)[1].split()[1])
            is_worker = CHILD.encode() in path.joinpath("cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and is_worker:
            found.append(int(path.name))
    return found


@pytest.fixture
def command(settings, tmp_path):
    """Starts the search of some settings in a process of its own, and waits until it has observed something."""

    def start(n_observed=1, **changes):
        settings(workers=2, compare=[], **changes)
        words = [sys.executable, "-m", "lightning_quicktune", "tune", "--config", str(tmp_path / "tune.yaml")]
        process = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        end = time.monotonic() + 600
        while len(entries(tmp_path)) < n_observed:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < end
            time.sleep(0.02)
        return process

    return start


@pytest.mark.slow
def test_two_workers_train_different_choices_and_spend_what_they_may(settings, tmp_path):
    tuned = tune(settings(workers=2, budget={"slices": 6}, pool_size=6, compare=[]))
    assert sum(slices(tmp_path).values()) == 6
    assert len({entry["config_id"] for entry in entries(tmp_path)[:2]}) == 2
    assert (tuned.adapter / "adapter_model.safetensors").is_file()
    records = [json.loads(path.read_text()) for path in tmp_path.glob("search/trials/*/trial.json")]
    assert {record["device"]["threads"] for record in records} == {1}


@pytest.mark.slow
def test_ctrl_c_ends_a_search_of_workers_which_is_reported_and_goes_on(command, tmp_path):
    process = command(budget={"slices": 200}, pool_size=100)
    workers = workers_of(process.pid)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert (tmp_path / "search" / "result" / "report.html").is_file()
    assert len(workers) == 2
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    assert {json.loads(p.read_text())["status"] for p in tmp_path.glob("search/trials/*/trial.json")} <= {
        "stopped",
        "completed",
    }


@pytest.mark.slow
def test_a_killed_search_goes_on_without_a_trial_trained_twice_and_its_workers_end(command, tmp_path):
    process = command(budget={"slices": 200}, pool_size=100)
    orphans = workers_of(process.pid)
    process.kill()
    process.communicate()
    before = {entry["config_id"]: entry["curve"] for entry in entries(tmp_path)}
    n_observed = len(entries(tmp_path))
    again = command(n_observed + 2, budget={"slices": 200}, pool_size=100)
    again.terminate()
    assert again.wait(600) == 130
    again.communicate()
    after = entries(tmp_path)
    for config_id, curve in before.items():
        furthest = max((e["curve"] for e in after if e["config_id"] == config_id), key=len)
        assert furthest[: len(curve)] == curve
    assert orphans
    assert not any(Path(f"/proc/{orphan}").exists() for orphan in orphans)
    assert not workers_of(again.pid)


def test_a_search_takes_what_memory_holds_up_to_eight_and_one_on_a_cpu(make_plan, settings, monkeypatch):
    plans, one = [make_plan(str(n)) for n in range(20)], settings()
    assert job._fitting(plans, one) == 1
    monkeypatch.setattr(cohort_size, "pays_on", lambda fit: True)
    assert job._fitting(plans, one) == 8
    assert job._fitting(plans[:3], one) == 3
