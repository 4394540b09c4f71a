"""The benchmark of reading, on a few records."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools" / "benchmarks"


@pytest.fixture
def reading(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    import reading

    return reading


def test_both_codes_are_timed_and_compared(reading, monkeypatch, capsys):  # imports in a process of their own
    monkeypatch.setattr(sys, "argv", ["reading.py", "--records", "50", "--repeats", "1"])
    monkeypatch.setattr(reading, "unpack_revision", lambda revision, folder: reading.ROOT)
    assert reading.main() == 0
    assert "this code: " in capsys.readouterr().out
    taken = {reading.ROOT: iter([3.0, 1.0])}
    monkeypatch.setattr(reading, "seconds", lambda code, records, n_records: next(taken[code]))
    monkeypatch.setattr(sys, "argv", ["reading.py", "--records", "50", "--repeats", "1", "--against", "HEAD"])
    assert reading.main() == 1
    assert "ratio 3.00" in capsys.readouterr().out


def test_a_code_that_loses_records_is_not_timed(reading, tmp_path):  # imports in a process of its own
    reading.write_records(tmp_path / "a.jsonl", 40)
    with pytest.raises(RuntimeError, match="read 40 of 41 records, so its time says nothing"):
        reading.seconds(reading.ROOT, tmp_path / "a.jsonl", 41)


def test_a_revision_is_unpacked(reading, tmp_path):
    if subprocess.run(["git", "rev-parse", "HEAD"], cwd=reading.ROOT, capture_output=True).returncode:
        pytest.skip("no git here")
    reading.unpack_revision("HEAD", tmp_path)
    assert (tmp_path / "lightning_quicktune" / "data" / "splits.py").is_file()
