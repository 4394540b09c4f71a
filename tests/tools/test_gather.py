"""The benchmark of reading trials back, on a few of them and without a server."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from lightning_quicktune.tracking.places import sqlite_uri
from lightning_quicktune.tracking.tracker import Tracker

TOOLS = Path(__file__).parents[2] / "tools" / "benchmarks"


@pytest.fixture
def gather(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    import gather

    return gather


def test_copied_runs_are_read_as_those_that_were_filed(
    gather, monkeypatch, filled_database, tmp_path
):  # fills a database
    monkeypatch.setattr(gather, "N_FILED", 2)
    shutil.copyfile(filled_database, tmp_path / "server.db")
    gather.fill(tmp_path, 5, 3)
    uri = sqlite_uri(tmp_path / "mlflow.db")
    assert gather.seconds(uri, 5) > 0
    trials = Tracker(uri, gather.EXPERIMENT).read_trials()
    assert sorted(t.task for t in trials) == [f"task-{n}" for n in range(5)]
    assert {t.curve.fidelity for t in trials} == {3}
    with sqlite3.connect(tmp_path / "server.db") as database:
        counts = {t: database.execute(f"select count(*) from {t}").fetchone()[0] for t in gather.TABLES}
    database.close()
    assert counts["runs"] == 5
    assert counts["params"] == 5 * 12
    assert counts["metrics"] == 3 * counts["latest_metrics"]
    with pytest.raises(RuntimeError, match=r"5 of 6 trials were read from .*, so its time says nothing"):
        gather.seconds(uri, 6)
