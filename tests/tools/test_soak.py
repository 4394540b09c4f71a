"""What the soak looks at; the soak itself takes minutes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def soak(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    import soak

    return soak


def test_growth_is_that_of_the_process_that_was_looked_at_most(soak):
    samples = [{"pid": 1, "MiB": 900.0}, *({"pid": 2, "MiB": m} for m in (100.0, 101.0, 102.0, 103.0, 150.0, 151.0))]
    assert soak.thirds(samples, "MiB") == (100.5, 150.5)


@pytest.mark.skipif(not Path("/proc").exists(), reason="it looks into /proc")
def test_workers_are_the_processes_of_python_that_a_process_has_started(soak, tmp_path):
    (tmp_path / "collection" / "trials" / "task" / "a").mkdir(parents=True)
    (tmp_path / "collection" / "trials" / "task" / "a" / "trial.json").write_text('{"status": "completed"}')
    before = soak.workers_of(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert set(soak.workers_of(os.getpid())) - set(before) == {child.pid}
        sample = soak.look(os.getpid(), tmp_path, 0.0)
        child.communicate(b"\n")
    assert sample["ended"] == 1
    assert sample["MiB"] > 1
    assert sample["checkpoints MiB"] == 0 < sample["other MiB"]
